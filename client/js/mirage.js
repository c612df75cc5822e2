// mirage.js: the browser client of Mirage, sessions that do not notice the network. docs/client.md has the manual, docs/protocol.md the wire.
//
//   down  Drop what is here already. A position moves after its listeners ran, and is stored before it is acknowledged.
//   up    Number the messages, and keep them until the server has accepted them. One POST is under way at a time.
//   link  It may end at any time. The next one begins at the position, and counts when its hello has come, not before.

const STOP = [204, 400, 403, 410, 413, 415] // the server does not want us back
const UNFIT = [400, 413, 415] // of a POST: its messages are the reason
const RESERVED = /^(mirage|(open|error|close)$)|[\0-\x1f]/ // names that no message may have

const sleep = (ms, wake) => new Promise(done => { setTimeout(done, ms); wake?.(done) })
const failure = (message, status, more) => Object.assign(new Error(message), { status }, more)
const toBase64 = bytes => btoa(Array.from(bytes, b => String.fromCharCode(b)).join(''))
const mark = position => position.split('-') // numbers compare within an epoch only
const number = position => parseInt(mark(position)[1])

// What lines of text cannot carry travels in base64: 1 stands for text, 2 for bytes.
function decode(data, encoded) {
  if (!encoded || data == null) return data
  const bytes = Uint8Array.from(atob(data), c => c.charCodeAt())
  return encoded > 1 ? bytes.buffer : new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytes)
}

/** parser returns a function that is fed the bytes of an event stream, cut anywhere, and calls take with each block that is complete. */
export function parser(take) {
  const decoder = new TextDecoder()
  let rest = '', block = {}, cr
  return bytes => {
    let chunk = decoder.decode(bytes, { stream: true })
    if (!chunk) return
    if (cr && chunk[0] === '\n') chunk = chunk.slice(1)
    cr = chunk.endsWith('\r')
    const lines = chunk.split(/\r\n?|\n/)
    lines[0] = rest + lines[0]
    rest = lines.pop()
    for (const line of lines) {
      if (line) {
        const [, field, value] = /^([^:]*):? ?(.*)$/s.exec(line)
        if (field === 'data' && field in block) block.data += '\n' + value
        else if (field !== 'id' || !value.includes('\0')) block[field] = value
        continue
      }
      const { id, event, data, encoding, type } = block
      block = {}
      if (data !== undefined && encoding !== undefined && encoding !== 'base64') throw failure('unknown encoding')
      if (id !== undefined || data !== undefined) {
        take({ id, event: event || 'message', data: decode(data, encoding && (type === 'binary' ? 2 : 1)) })
      }
    }
  }
}

// check lets an answer pass, or throws the server's reason why not.
async function check(answer) {
  const { status, headers } = answer
  if (status === 200) return answer
  const { detail, expected } = await answer.json().catch(() => 0) || {}
  throw failure(detail || 'the server answered ' + status, status, { expected, retry: 1000 * headers.get('Retry-After') })
}

export class Mirage extends EventTarget {
  static CONNECTING = 0
  static OPEN = 1
  static CLOSING = 2
  static CLOSED = 3

  id = '' // who we are, once a hello has said so
  mirage = '' // the same, or the signed value for those who asked for it
  state = 'connecting' // then open, reconnecting, paused, closing, closed
  transport = ''
  position = '' // up to where we have everything: the server's word, handed back as it came

  #o
  #url
  #storage
  #cid = toBase64(crypto.getRandomValues(new Uint8Array(18))).replaceAll('+', '-').replaceAll('/', '_')
  #signed // the value of _mirage; undefined leaves it to the cookie
  #bad = {} // until when a transport is not to be tried first
  #mute // the transport that said hello and nothing more
  #best // what use() was called with

  #links = new Set() // all that are under way
  #live // the one that counts: it brought the last hello
  #opened
  #wanted // the application wants a link
  #hidden // in the bfcache, or not shown yet
  #looping
  #failures = 0 // rounds in a row without a hello
  #wake // ends the rest before the next round
  #upgrade
  #end = new AbortController()

  #queue = [] // what is not accepted yet: {w: writer, n: number, e: event, d: data, x: encoded, t: tried, a: again}
  #number = 0 // of our last message
  #max = 100 // messages in a POST
  #posting
  #post = new AbortController() // of the POST under way
  #hurry // ends the rest before the next POST
  #due // an acknowledgement
  #unacked = 0
  #later
  #taps = new Set()
  #repeats = 0 // up to this number of the epoch an earlier page may have had it

  constructor(url, options = {}) {
    super()
    const { location, document } = globalThis
    this.#o = {
      transports: ['sse', 'poll'], name: '', credentials: 'same-origin', timeout: 5000, head: 1500, upgrade: 300_000,
      messages: 256, bytes: 1 << 20, fetch: (...a) => fetch(...a), ...options,
    }
    this.#url = new URL(url, location?.href)
    this.url = this.#url.href
    let kept = {}
    try {
      this.#storage = options.storage === undefined ? document && sessionStorage : options.storage
      kept = JSON.parse(this.#storage.getItem(this.#key())) || kept
    } catch { /* there is none, or we may not */ }
    const { id = '', position = '', queue = [], bad = {}, clean } = kept
    this.id = id
    this.position = position
    this.#queue = queue
    this.#bad = bad
    this.#repeats = clean || !position ? 0 : -1 // hello will tell
    this.#signed = options.mirage || kept.mirage || (options.mirage ?? (this.#url.origin === location?.origin ? undefined : ''))
    this.mirage = this.#signed ?? id

    for (const type of ['open', 'message', 'mirage', 'error', 'close']) this.addEventListener(type, e => this['on' + type]?.(e))
    const { signal } = options
    const listen = (target, events) => {
      for (const type in events) target?.addEventListener?.(type, events[type], { signal: this.#end.signal })
    }
    listen(signal, { abort: () => this.close() })
    listen(globalThis, {
      online: () => this.#refresh(),
      pagehide: e => {
        this.#lastWords()
        this.#save(1)
        if (e.persisted) this.#drop(this.#hidden = true)
      },
      pageshow: e => e.persisted && this.#show(),
    })
    listen(document, {
      visibilitychange: () => {
        if (!document.hidden) return this.#refresh(true)
        this.#save()
        this.#flush()
      },
      freeze: () => this.#save(),
      resume: () => this.#refresh(),
      prerenderingchange: () => this.#show(),
    })
    this.#hidden = document?.prerendering
    if (signal?.aborted) this.#finish(1000, '', true)
    else if (options.start !== false) this.connect()
  }

  get readyState() { return { open: 1, closing: 2, closed: 3 }[this.state] || 0 }
  get bufferedAmount() { return this.#queue.reduce((sum, m) => sum + m.d.length, 0) }

  /** send keeps an unnamed message, text or bytes, and delivers it once. It throws if the queue is full. */
  send(data) { this.#put('', data) }

  /** emit does so with a named event in JSON. The promise is kept when the server has accepted it. */
  emit(event, data = null) {
    const promise = new Promise((ok, no) => {
      if (RESERVED.test(event)) throw failure('a message cannot have this name: ' + event)
      Object.assign(this.#put(event, JSON.stringify(data)), { ok, no })
    })
    promise.catch(() => 0) // whoever does not care is not to hear of it
    return promise
  }

  #put(e, data) {
    const bytes = data instanceof ArrayBuffer ? new Uint8Array(data)
      : ArrayBuffer.isView(data) ? new Uint8Array(data.buffer, data.byteOffset, data.byteLength) : 0
    let d = bytes ? toBase64(bytes) : '' + data
    let x = bytes ? 2 : 0
    if (!x && /[\r\0]/.test(d)) d = toBase64(new TextEncoder().encode(d), x = 1)
    if (this.readyState > 1) throw failure('closed')
    if (this.#queue.length >= this.#o.messages || this.bufferedAmount + d.length > this.#o.bytes) throw failure('the queue is full', 413)
    const m = { w: this.#cid, n: ++this.#number, e, d, x }
    this.#queue.push(m)
    this.#soon()
    this.#pump()
    return m
  }

  /** on calls listener with what the event is about: data, parsed if the event has a name; it returns the way to stop. */
  on(type, listener, options) {
    const call = e => {
      const { data } = e
      listener(data === undefined ? type === 'mirage' ? e.mirage : e : type === 'message' || data instanceof ArrayBuffer ? data : JSON.parse(data), e)
    }
    this.addEventListener(type, call, options)
    return () => this.removeEventListener(type, call, options)
  }

  /** subscribe calls fn now and at every change of state: the contract of stores. */
  subscribe(fn) {
    fn(this)
    return this.on('mirage-state', () => fn(this))
  }

  async *[Symbol.asyncIterator]() {
    const waiting = []
    let wake
    const tap = e => {
      if (e && waiting.push(e) > 1000) waiting.length = 0, waiting.push(failure('the loop was 1000 messages behind'))
      wake?.()
    }
    this.#taps.add(tap)
    try {
      while (waiting.length || this.state !== 'closed') {
        const e = waiting.shift()
        if (e instanceof Error) throw e
        if (e) yield e
        else await new Promise(done => { wake = done })
      }
    } finally {
      this.#taps.delete(tap)
    }
  }

  /** use moves to another transport, under load; the promise is kept when it is in use. */
  async use(transport) {
    this.#best = transport
    if (!this.#live) return this.#wake?.()
    const why = await this.#round([transport])
    if (why) throw why
  }

  connect() {
    this.#wanted = true
    if (this.readyState < 2) this.#loop(0)
  }

  /** disconnect lets go of the link and keeps the session. */
  disconnect() {
    this.#wanted = false
    this.#lastWords()
    this.#save(1)
    this.#drop()
  }

  /** close delivers what waits, ends the session and forgets it. */
  async close(code = 1000, reason = '') {
    if (this.readyState > 1) return
    this.#set('closing')
    const until = Date.now() + this.#o.timeout
    while (this.#live && this.#queue.length && Date.now() < until) await sleep(20)
    if (this.state === 'closed') return
    if (this.#live) this.#fetch('DELETE', '', { keepalive: true }).catch(() => 0)
    this.#finish(code, reason, true)
  }

  // ---- links

  // #loop goes round after round until there is a link.
  async #loop(wait) {
    if (this.#looping) return this.#wake?.()
    this.#looping = true
    while (this.#wanted && !this.#hidden && !this.#live && this.readyState < 3) {
      if (wait) await sleep(wait, done => { this.#wake = done })
      this.#wake = undefined
      if (!this.#wanted || this.#hidden || this.readyState > 2) break
      const error = await this.#round(this.#order())
      if (this.#live || !error) continue
      this.#failures++
      wait = this.#delay(error)
      this.#down(error, wait)
    }
    this.#looping = false
  }

  // #delay has full jitter, so that not all come back at once.
  #delay(error) { return error.retry || Math.random() * Math.min(20_000, 500 * 2 ** this.#failures) }

  #down(error, delay) {
    if (this.#wanted && !this.#hidden && this.readyState < 2) this.#set(this.#opened ? 'reconnecting' : 'connecting')
    this.#tell('error', { error, attempt: this.#failures, delay })
  }

  #order(all) {
    const rank = name => name === this.#best ? -1 : !all && (this.#bad[name] > Date.now() || name === this.#mute)
    return [...this.#o.transports].sort((a, b) => rank(a) - rank(b))
  }

  // #round tries one transport after the other: each has some time before the next one starts beside it. The first hello wins; what failed
  // before it is bad for half an hour. Where nothing wins, the network is to blame. It returns why it failed.
  async #round(names) {
    const links = []
    let won, why
    for (const name of names) {
      const link = this.#open(name)
      links.push(link)
      const done = link.hello.then(() => { won = name }, error => { why = error })
      await Promise.race([done, sleep(name === names.at(-1) ? this.#o.timeout : this.#o.head)])
      if (won || why && !link.headers && why.status !== 501 && !link.late) break // the next would fare no better
    }
    await Promise.any(links.map(l => l.hello)).catch(() => 0)
    if (!won) return why
    for (const name of [this.#mute, ...names.slice(0, names.indexOf(won))]) if (name) this.#bad[name] = Date.now() + 1_800_000
    this.#mute = 0
    delete this.#bad[won]
  }

  #open(name) {
    const link = { name, ctl: new AbortController() }
    link.hello = new Promise((ok, no) => Object.assign(link, { ok, no }))
    this.#links.add(link)
    this.#read(link).catch(error => error).then(error => this.#over(link, link.ctl.signal.reason || error || failure('the link has ended')))
    return link
  }

  // #read carries one link: a stream is one long answer, a long-poll one short answer after another.
  async #read(link) {
    const poll = link.name === 'poll'
    do {
      this.#watch(link, link.token ? 35_000 : this.#o.timeout)
      this.#save() // _pos acknowledges
      const query = { _pos: this.position }
      if (poll) query._wait = 25
      const answer = await this.#fetch('GET', link.token, { signal: link.ctl.signal, cache: 'no-store' }, query)
      link.headers = answer.status === 200
      const reader = (await check(answer)).body.getReader()
      const feed = parser(block => this.#take(link, block))
      for (let read; !(read = await reader.read()).done;) {
        link.heard = Date.now()
        if (link.token && !poll) {
          link.speaks = true
          this.#watch(link, this.#patience(link, 2, 5000))
        }
        feed(read.value)
      }
    } while (poll && link.token && link.drain === undefined)
  }

  #patience(link, factor, more) { return link.beat && factor * link.beat + more }

  #watch(link, ms) {
    clearTimeout(link.timer)
    if (ms) link.timer = setTimeout(() => { link.late = true; link.ctl.abort(failure('silent for ' + ms + ' ms')) }, ms)
  }

  #over(link, error) {
    clearTimeout(link.timer)
    this.#links.delete(link)
    link.ctl.abort()
    link.no(error)
    if (STOP.includes(error.status)) return this.#finish(4000 + error.status, error.message)
    if (link !== this.#live) return
    this.#live = 0
    this.#post.abort()
    this.#unwatch()
    if (link.late && !link.speaks) this.#mute = link.name
    if (!this.#wanted || this.#hidden) return
    const wait = link.drain ?? this.#delay(error)
    if (link.drain === undefined) this.#down(error, wait)
    this.#loop(wait)
  }

  #unwatch() { clearInterval(this.#upgrade) }

  #drop() {
    for (const link of this.#links) link.ctl.abort(failure('paused'))
    this.#live = 0
    this.#post.abort()
    this.#unwatch()
    this.#wake?.()
    this.#set('paused')
  }

  #show() {
    this.#hidden = false
    if (this.#wanted) this.connect()
  }

  // #refresh looks for a link now that the world may have changed; the present one stays until another has said hello.
  #refresh(gently) {
    const { heard, beat } = this.#live || {}
    if (!this.#live) this.#wake?.()
    else if (!gently || Date.now() - heard > (beat || 15_000) * 1.2 + 2000) this.#round(this.#order(true))
  }

  async #fetch(method, token, init, query) {
    const url = new URL(this.#url)
    const set = (k, v) => v !== undefined && url.searchParams.set(k, v)
    for (const key in query) set(key, query[key])
    set('_cid', this.#cid)
    set('_mirage', this.#signed)
    const headers = { Accept: 'text/event-stream' }
    if (init.body) headers['Content-Type'] = 'text/event-stream'
    if (token ||= method !== 'GET' && this.#live.token) headers['Mirage-Link'] = token
    return this.#o.fetch(url.href, { method, headers, credentials: this.#o.credentials, ...init })
  }

  // ---- down

  #take(link, { id, event, data }) {
    if (event === 'mirage') return this.#hello(link, JSON.parse(data), id)
    if (link !== this.#live) return // it was replaced, or has not said hello
    if (event === 'mirage-ack') return this.#posting || this.#accept(this.#cid, JSON.parse(data).accepted) // a POST's answer says more
    if (event === 'mirage-drain') {
      link.drain = JSON.parse(data).retry
      return this.#tell(event, { retry: link.drain })
    }
    if (event === 'mirage-end') {
      const { status, reason } = JSON.parse(data)
      throw failure(reason, status)
    }
    if (id === undefined) return
    const [epoch] = mark(this.position), seq = number(this.position), n = number(id)
    if (mark(id)[0] !== epoch) throw failure('another epoch without a hello')
    if (n <= seq) return // the link before this one brought it
    if (event === 'mirage-gap') {
      const gap = JSON.parse(data)
      this.#tell(event, { ...gap, from: Math.max(gap.from, seq + 1) })
    } else if (n > seq + 1) throw failure('a message is missing')
    else if (data !== undefined && !event.startsWith('mirage')) {
      const e = Object.assign(new MessageEvent(event, { data, lastEventId: id, origin: this.#url.origin }), { again: n <= this.#repeats })
      this.dispatchEvent(e)
      for (const tap of this.#taps) tap(e)
    }
    this.position = id
    if (link.name === 'poll') return // the next poll acknowledges
    if (++this.#unacked >= 16 || globalThis.document?.hidden) this.#flush()
    else this.#soon()
  }

  #hello(link, hello, position) {
    const { id, previous, resumed, reason, lost, sent } = hello
    const before = this.#live
    const known = this.id
    if (this.id && this.id !== id && this.id !== previous) { // they were written as somebody else
      const messages = this.#queue.splice(0)
      for (const m of messages) m.no?.(failure('the id has changed'))
      if (messages.length) this.#tell('mirage-returned', { id: this.id, messages: messages.map(m => ({ event: m.e || 'message', data: decode(m.d, m.x) })) })
    }
    if (!resumed) for (const m of this.#queue) m.a = m.t // this server cannot know whether it has them
    const [epoch] = mark(position)
    if (this.#repeats < 0) this.#repeats = resumed ? sent : 0
    else if (mark(this.position)[0] !== epoch) this.#repeats = 0
    if (!(resumed || reason === 'trimmed') || mark(this.position)[0] !== epoch || number(position) > number(this.position)) this.position = position
    this.id = id
    if (this.#signed !== undefined) this.#signed = hello.mirage || this.#signed
    const was = this.mirage
    this.mirage = this.#signed ?? id
    link.token = hello.link
    link.beat = hello.heartbeat
    link.heard = Date.now()
    this.#live = link
    this.#failures = 0
    this.transport = link.name
    if (before !== link) for (const l of this.#links) if (l !== link) l.ctl.abort(failure('replaced'))
    link.ok()
    this.#unwatch()
    const [best] = this.#order(true)
    if (best !== link.name && this.#o.upgrade) this.#upgrade = setInterval(() => this.#round([best]), this.#o.upgrade)
    if (link.name !== 'poll') {
      this.#watch(link, this.#patience(link, 1.2, 2000)) // the second sign proves that nobody holds the stream back
      this.#due = true // to speak on this link ends an older one that died unnoticed
    }
    this.#accept(this.#cid, hello.accepted)
    this.#save()
    const opened = this.#opened
    this.#opened = true
    if (this.state !== 'closing') this.#set('open')
    if (!opened) this.#tell('open')
    if (!opened || !resumed || known !== id || was !== this.mirage) {
      this.#tell('mirage', { id, mirage: this.mirage, previous, resumed, reason, lost, position: this.position, transport: link.name })
    }
    if (lost && reason !== 'trimmed') this.#tell('mirage-gap', { ...lost, reason })
    this.#hurry?.()
    this.#pump()
  }

  // ---- up

  #soon() {
    this.#later ??= setTimeout(() => {
      this.#later = undefined
      this.#save()
      if (this.#unacked) this.#flush()
    }, 500)
  }

  #flush() {
    this.#due = this.#unacked > 0
    this.#pump()
  }

  // #batch is what the next POST brings. What is left of an earlier page comes first, under its writer.
  #batch() {
    const [head] = this.#queue
    let size = 0
    const batch = []
    for (const m of this.#queue) {
      size += m.d.length
      if (batch.length >= this.#max || m.w !== head.w || !m.a !== !head.a || size > 16_384 && batch.length) break
      batch.push(m)
      m.t = 1
    }
    const up = { writer: head?.w || this.#cid, base: head?.n || this.#number + 1, ack: this.position, again: !!head?.a }
    this.#due = false
    this.#unacked = 0
    this.#save()
    let body = `event: mirage-up\ndata: ${JSON.stringify(up)}\n\n`
    for (const { n, e, d, x } of batch) {
      body += `id: ${n}\n${e && `event: ${e}\n`}${x ? 'encoding: base64\n' : ''}${x > 1 ? 'type: binary\n' : ''}data: ${d.replaceAll('\n', '\ndata: ')}\n\n`
    }
    return { batch, up, body }
  }

  // #pump sends what there is to send.
  async #pump() {
    if (this.#posting) return
    this.#posting = true
    for (let failures = 0; this.#live && (this.#queue.length || this.#due);) {
      const { token } = this.#live
      const { batch, up, body } = this.#batch()
      const ctl = this.#post = new AbortController()
      const timer = setTimeout(() => ctl.abort(), 15_000)
      try {
        const { accepted, failed = [] } = await (await check(await this.#fetch('POST', token, { body, signal: ctl.signal }))).json()
        for (const m of batch) if (failed.includes(m.n)) this.#reject(m, failure('the server failed to handle it', 500))
        if (!this.#accept(up.writer, accepted) && batch.length && this.#queue.includes(batch[0])) throw failure('not accepted')
        failures = 0
        if (this.#max < 100) this.#max++
      } catch (error) {
        const { status, expected } = error
        if (UNFIT.includes(status) && batch.length) { // one of them; the others go without it
          this.#max = Math.max(1, batch.length >> 1)
          if (!batch[1]) this.#reject(batch[0], error)
        } else if (status === 401) {
          if (this.#live.token === token) this.#over(this.#live, error)
        } else if (STOP.includes(status) && status !== 400) {
          this.#finish(4000 + status, error.message)
        } else if (!(expected && this.#accept(up.writer, expected - 1))) {
          if (!batch.length) this.#due = true
          await sleep(error.retry || Math.random() * Math.min(20_000, 250 * 2 ** ++failures), done => { this.#hurry = done })
        }
      }
      clearTimeout(timer)
    }
    this.#posting = false
  }

  #reject(m, error) {
    this.#queue = this.#queue.filter(other => other !== m)
    m.no?.(error)
  }

  #accept(writer, n) {
    const accepted = this.#queue.filter(m => m.w === writer && m.n <= n)
    this.#queue = this.#queue.filter(m => !accepted.includes(m))
    for (const m of accepted) m.ok?.()
    return accepted.length
  }

  // #lastWords go out when the page may end: the same messages are stored, too, and the server knows them when they come again.
  #lastWords() {
    if (this.#live && (this.#queue.length || this.#unacked)) this.#fetch('POST', '', { body: this.#batch().body, keepalive: true }).catch(() => 0)
  }

  // ----

  #key() { return 'mirage:' + (this.#o.name || this.url) }

  #save(clean) {
    try {
      const { id, position } = this
      this.#storage?.setItem(this.#key(), JSON.stringify({ id, position, mirage: this.#signed, queue: this.#queue, bad: this.#bad, clean }))
    } catch { /* full, or forbidden */ }
  }

  #finish(code, reason, wasClean = false) {
    if (this.state === 'closed') return
    this.#wanted = false
    this.#drop()
    clearTimeout(this.#later)
    this.#end.abort()
    for (const m of this.#queue.splice(0)) m.no?.(failure(reason || 'closed', code))
    this.#set('closed')
    try { this.#storage?.removeItem(this.#key()) } catch { /* it was none */ }
    this.#storage = null
    for (const tap of this.#taps) tap()
    this.#tell('close', { code, reason, wasClean })
  }

  #set(state) {
    const previous = this.state
    this.state = state
    if (previous !== state) this.#tell('mirage-state', { state, previous })
  }

  #tell(type, more) { this.dispatchEvent(Object.assign(new Event(type), more)) }
}

export default Mirage
