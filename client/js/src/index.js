// mirage.js: the browser client of Mirage, sessions that survive the network.
// docs/client.md is the manual, docs/protocol.md describes the wire.
//
//   down  Drop messages that are here already. A position (an offset) moves after its
//         listeners ran, and is stored before it is acknowledged.
//   up    Number the messages, and keep them until the server has accepted them. One POST
//         is under way at a time.
//   link  A connection. It may end at any time. The next one begins at the position, and
//         counts when its hello (the handshake) has come, not before.

const STOP = [204, 403, 410, 400, 413, 415] // the server does not want us back
const UNFIT = STOP.slice(3) // the request itself is the reason
const READY = { open: 1, closing: 2, closed: 3 }

const sleep = (ms, wake) => new Promise(done => { setTimeout(done, ms); wake?.(done) })
const failure = (message, status, more) => Object.assign(new Error(message), { status }, more)
const toBase64 = bytes => btoa(Array.from(bytes, b => String.fromCharCode(b)).join(''))
const mark = position => position.split(/[-.]/) // epoch (the log's id) and number, which counts within one epoch only

// Text that lines cannot carry, and bytes, travel in base64: 1 stands for text, 2 for
// bytes.
function decode(data, encoded) {
  if (!encoded || data == null) return data
  const bytes = Uint8Array.from(atob(data), c => c.charCodeAt())
  return encoded > 1 ? bytes.buffer : new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytes)
}

/**
 * parser returns a function that takes an event stream, in bytes or text cut anywhere,
 * and calls take with each complete block.
 */
export function parser(take) {
  const decoder = new TextDecoder()
  let rest = '', block = {}, cr

  return piece => {
    let chunk = piece.big ? piece : decoder.decode(piece, { stream: true })
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
      if (data != null && encoding != null && encoding !== 'base64') throw failure('encoding')
      if ((id ?? data) != null) {
        take({ id, event: event || 'message', data: decode(data, encoding && (type === 'binary' ? 2 : 1)) })
      }
    }
  }
}

// check returns the answer if its status is 200, otherwise it throws the server's reason.
async function check(answer) {
  const { status, headers } = answer
  if (status === 200) return answer
  const { detail, expected } = await answer.json().catch(() => 0) || {}
  throw failure(detail || 'status ' + status, status, { expected, retry: 1000 * headers.get('Retry-After') })
}

// scriptDirectory returns the URL of the directory that the server serves this script
// from, which is where Mirage is mounted. It throws in a bundle, which has another name,
// and in a module from a file.
function scriptDirectory() {
  // A variable: bundlers take new URL('…', import.meta.url) for a file to include.
  const script = import.meta.url
  if (/^https?:[^?#]*\/mirage(\.min)?\.js([?#]|$)/.test(script)) return new URL('.', script)
  throw new TypeError("the URL is missing: write new Mirage('/live'), with the URL where your server has Mirage. "
    + 'Only a mirage.js that the browser loaded from that server knows it by itself; a bundle or a file does not.')
}

// isEventStream reports whether the answer is a stream or a long-poll of the server, and
// not a page that a redirect led to.
const isEventStream = answer =>
  answer.status === 200 && /^text\/event-stream\b/.test(answer.headers.get('Content-Type'))

/** The client. Private state lives in the constructor: it stays private, and minifies. */
export class Mirage extends EventTarget {
  static CONNECTING = 0
  static OPEN = 1
  static CLOSING = 2
  static CLOSED = 3

  state = 'connecting' // then open, reconnecting, paused, closing, closed
  transport = ''
  bufferedAmount = 0

  get readyState() { return READY[this.state] || 0 }

  constructor(url, options) {
    super()
    if (url && typeof url === 'object' && !('href' in url)) [url, options] = [null, url] // new Mirage(options)
    options ||= {}
    const self = this
    const { document, location, origin } = globalThis
    const {
      mirage, name, signal, credentials,
      timeout = 5000, head = 1500, upgrade = 300_000,
      messages: most = 256, bytes: room = 1 << 20,
      start: begin = true, fetch: ask, WebSocket: Socket,
    } = options

    // As fetch() takes it. adopt() changes the path.
    const base = new URL(url ?? scriptDirectory(), document?.baseURI ?? location?.href)
    const cid = crypto.getRandomValues(new Uint32Array(4)).join('_') // 128 random bits in characters of base64url
    const key = 'mirage:' + (name || base.href.replace(/^([^?#]*)\/(?=[?#]|$)/, '$1')) // /live and /live/ are the same
    const end = new AbortController()

    const links = new Set() // all links that have not ended
    let live // the link that counts: it brought the last hello
    let opened // there was a live link
    let wanted // the application wants a link
    let hidden = document?.prerendering // the page is not shown yet, or is in the bfcache
    let looping
    let failures = 0 // how many rounds in a row had no hello
    let wake // ends the pause before the next round
    let probe // the interval of attempts with a better transport
    let mute // the transport that says hello and then fails
    let strikes = 0 // how many links in a row ended early, at most 3
    let best // the argument of use()
    let turn = 0 // how often use() was called

    let count = 0 // the number of the last message that was enqueued
    let max = 100 // the most messages in a POST
    let posting
    let post = new AbortController() // for the POST under way
    let hurry // ends the pause before the next POST
    let due // an acknowledgement is due
    let unacked = 0
    let later
    const taps = new Set()

    let storage, kept = {}
    try {
      ({ storage = document && sessionStorage } = options)
      kept = JSON.parse(storage.getItem(key)) || kept
    } catch { /* there is no storage, or it is forbidden */ }
    // The messages that are not accepted yet:
    let queue = []
    const bad = kept.bad || {} // until when a transport is not tried first
    // Up to this number an earlier page, which crashed, may have had the messages; -1
    // until hello says.
    let repeats = kept.again || 0
    // The value of _mirage; undefined leaves it to the cookie.
    let signed = mirage || kept.signed || (mirage ?? (base.origin === origin ? undefined : ''))

    const tell = (type, more) => self.dispatchEvent(Object.assign(new Event(type), more))

    // change sets the state or the transport, and dispatches an event if it is new.
    const change = (value, what = 'state') => {
      const previous = self[what]
      self[what] = value
      if (previous !== value) tell('mirage-' + what, { [what]: value, previous })
    }

    const save = clean => {
      try {
        const { id, position } = self
        storage.setItem(key, JSON.stringify({ id, position, signed, queue, bad, again: live && !clean ? -1 : repeats }))
      } catch { /* there is no storage, or it is full or forbidden */ }
    }

    const keep = messages => {
      queue = messages
      self.bufferedAmount = queue.reduce((sum, m) => sum + m.d.length, 0)
    }

    // ---- up

    const outside = ({ e, d, x }) => ({ event: e || 'message', data: decode(d, x) })

    const put = (e, data) => {
      const { buffer = data, byteOffset, byteLength } = data
      let x = byteLength >= 0 ? 2 : 0
      let d = x ? toBase64(new Uint8Array(buffer, byteOffset, byteLength)) : '' + data
      if (/[\r\0]/.test(d) || d.split('\n').length > 999) d = toBase64(new TextEncoder(x = 1).encode(d))
      if (/[\0-\x1f]/.test(e)) throw failure('not a name', 400) // the server refuses other invalid names
      if (self.readyState > 1) throw failure('closed', 410)
      if (queue.length >= most || self.bufferedAmount + d.length > room) throw failure('the queue is full', 429)

      const m = { w: cid, n: ++count, e, d, x }
      queue.push(m)
      self.bufferedAmount += d.length
      if (hidden) save() // the page may end before soon()'s timer
      soon()
      pump()
      return m
    }

    const soon = () => {
      later ||= setTimeout(() => {
        later = 0
        save()
        if (unacked) flush()
      }, 500)
    }

    const flush = () => {
      due = unacked
      pump()
    }

    // giveUp hands messages back to the application.
    const giveUp = (messages, error) => {
      if (!messages[0]) return
      keep(queue.filter(m => !messages.includes(m)))
      for (const m of messages) m.no?.(error)
      tell('mirage-returned', { id: self.id, error, messages: messages.map(outside) })
    }

    const accept = (writer, n) => {
      const { length } = queue
      keep(queue.filter(m => !(m.w === writer && m.n <= n) || m.ok?.())) // ok returns nothing
      return length - queue.length
    }

    // next returns what the next POST brings. Messages of an earlier page come first,
    // under that page's writer.
    const next = leaving => {
      const { w = cid, n = count + 1, a } = queue[0] || {}
      let size = 0, full
      const batch = queue.filter((m, i) =>
        !(full ||= i >= max || m.w !== w || m.a !== a || (size += m.d.length) > 16_384 && i))

      let body = `event: mirage-up\ndata: ${
        JSON.stringify({ writer: w, base: n, ack: self.position, again: !!a, leaving })}\n\n`
      for (const m of batch) {
        m.t = 1
        const { n, e, d, x } = m
        body += `${e && `event: ${e}\n`}${x ? 'encoding: base64\n' : ''}${x > 1 ? 'type: binary\n' : ''}data: ${
          d.replaceAll('\n', '\ndata: ')}\nid: ${n}\n\n`
      }

      due = unacked = 0
      save()
      return { batch, w, body }
    }

    // submit sends a body in a POST and returns the server's answer. A redirect with 301
    // or 302 turns the POST into a GET without a body, which the server answers with a
    // stream. request has adopted the path then, so the next attempt is not redirected.
    const submit = async (token, body, signal) => {
      const answer = await check(await request('POST', token, { body, signal }))
      if (isEventStream(answer)) {
        answer.body.cancel().catch(() => 0)
        throw failure('redirected')
      }
      const result = await answer.json()
      if (result.accepted >= 0) adopt(answer)
      return result
    }

    // say sends a body upstream and returns the server's answer. The server does not
    // answer a frame that is only an acknowledgement.
    const say = async (link, body, signal, wait) => {
      const { socket, token } = link
      if (!socket) return submit(token, body, signal)
      socket.readyState > 1 || socket.send(body) // otherwise its close event is on the way
      return wait && new Promise((ok, no) => {
        link.answer = answer => answer.status === 200 ? ok(answer) : no(failure(answer.detail, answer.status, answer))
        signal.onabort = no
      })
    }

    // pump sends what waits, one POST at a time.
    const pump = async () => {
      if (posting) return
      posting = true

      for (let tries = 0; live && (queue[0] || due);) {
        const { token } = live
        const { batch, w, body } = next()
        const ctl = post = new AbortController()
        const timer = setTimeout(() => ctl.abort(), 15_000)

        try {
          const { accepted, failed = [] } = await say(live, body, ctl.signal, batch[0]) || 0
          giveUp(batch.filter(m => failed.includes(m.n)), failure('the handler failed', 500))
          if (!accept(w, accepted) && queue.includes(batch[0])) throw failure('not accepted')
          tries = 0
          if (max < 100) max++
        } catch (error) {
          const { status, expected } = error
          if (!batch[0]) due = 1
          if (UNFIT.includes(status) && batch[0]) { // one of the messages is the reason: the others are sent without it
            max = batch.length + 1 >> 1
            if (!batch[1]) giveUp(batch, error)
          } else if (STOP.includes(status) && status !== 400) {
            finish(4000 + status, error.message)
          } else if (live?.token === token && !accept(w, expected - 1)) {
            if (status === 401 || ctl.signal.aborted) over(live, error)
            else await sleep(rest(error, ++tries), done => { hurry = done })
          }
        }

        clearTimeout(timer)
      }

      posting = false
    }

    // ---- links

    const address = query => {
      const url = new URL(base)
      query = { ...query, _cid: cid, _mirage: signed }
      for (const k in query) if (query[k] != null) url.searchParams.set(k, query[k])
      return url.href
    }

    // lastID returns what a GET says in _was: the id in the last hello. If a log-out has
    // revoked it and expired the cookie, the server answers 410 and does not continue
    // under a new id. The id from storage does not count: a page load is a new visit.
    const lastID = () => opened && !signed ? self.id : null

    const request = async (method, token, init, query) => {
      const headers = { Accept: 'text/event-stream' }
      if (init.body) headers['Content-Type'] = headers.Accept
      if (token) headers['Mirage-Link'] = token
      const answer = await (ask || fetch)(address(query), {
        method, headers, credentials, cache: 'no-store',
        referrerPolicy: 'same-origin', // over plain http only the Referer shows which site's page asks
        ...init,
      })
      if (isEventStream(answer)) adopt(answer)
      return answer
    }

    // adopt takes the path that a redirect led to, as from /live to /live/, for all
    // requests, because a WebSocket does not follow redirects. It is called only for
    // answers of Mirage: the redirect may lead to a log-in form. It adopts no other
    // origin.
    const adopt = ({ redirected, url }) => {
      const { origin, pathname } = redirected ? new URL(url) : base
      if (origin === base.origin) base.pathname = pathname
    }

    // loop runs rounds until there is a link.
    const loop = async wait => {
      if (looping) return wake?.()
      looping = true
      for (;;) {
        if (wait) await sleep(wait, done => { wake = done })
        wake = wait = null
        if (!wanted || hidden || live) break
        const error = await round(order())
        if (!error || !wanted || hidden || live) continue
        wait = complain(error, ++failures)
      }
      looping = false
    }

    // rest returns how long to wait before the next attempt, with full jitter, so that
    // not all clients come back at once.
    const rest = (error, tries) => error.retry || Math.random() * Math.min(20_000, 500 * 2 ** tries)

    const complain = (error, attempt) => {
      const delay = rest(error, attempt)
      if (opened) change('reconnecting')
      tell('error', { error, attempt, delay })
      return delay
    }

    const order = all => {
      const rank = name => name === best ? -1 : !all && (bad[name] > Date.now() || name === mute)
      return [...transports].sort((a, b) => rank(a) - rank(b))
    }

    // round tries the transports one after the other: each has some time before the next
    // one starts beside it. The first hello wins. A transport that failed before the
    // winner is bad for half an hour. If none wins, the network is to blame. round
    // returns the error if none won.
    //
    // A WebSocket does not follow the redirect that the winner followed. It failed at the
    // former path, which says nothing about WebSockets, so it is retried at the adopted
    // path.
    const round = async names => {
      const tried = []
      let won, why
      for (const name of names) {
        const link = start(name)
        tried.push(link)
        const done = link.hello.then(() => { won = name }, error => { why = error })
        await Promise.race([done, sleep(head)])
        // A status is the server's own: the next transport would get the same.
        if (won || !wanted || hidden || why?.status && why.status !== 501) break
      }
      await Promise.any(tried.map(link => link.hello)).catch(() => 0)
      if (!won || !live) return why

      const failed = tried.slice(0, names.indexOf(won))
      const astray = failed.find(({ name, path }) => name === 'websocket' && path !== base.pathname)
      markBad([mute, ...failed.filter(link => link !== astray).map(link => link.name)])
      mute = 0
      delete bad[won]
      if (astray) round([astray.name]).then(error => { if (error && live) markBad([astray.name]) })
    }

    const markBad = names => {
      for (const name of names) if (name) bad[name] = Date.now() + 1_800_000
    }

    const start = name => {
      const link = { name, turn, path: base.pathname, ctl: new AbortController() }
      link.hello = new Promise((ok, no) => Object.assign(link, { ok, no }))
      links.add(link)
      carriers[name](link).catch(error => error)
        .then(error => over(link, link.ctl.signal.reason || error || failure('ended')))
      return link
    }

    // hear passes a piece of the stream on, and notes that the link lives.
    const hear = (link, feed, piece) => {
      link.heard = Date.now()
      if (link.token && link.name !== 'poll') {
        link.speaks = 1
        watch(link, link.beat && 2 * link.beat + 5000)
      }
      feed(piece)
    }

    const socket = link => new Promise((_, no) => {
      watch(link, timeout)
      const query = { _pos: link.from = self.position, _was: lastID() }
      const socket = new (Socket || WebSocket)(address(query).replace('http', 'ws'))
      const feed = parser(block => take(link, block))

      link.socket = socket
      link.ctl.signal.onabort = () => no(socket.close())
      socket.onmessage = ({ data }) => { try { hear(link, feed, data) } catch (error) { no(error) } }
      socket.onclose = ({ code, reason }) => {
        const [text, retry] = reason.split(/; retry in (\d+) s$/) // a close frame has no Retry-After
        no(failure(text || 'closed ' + code, Math.max(0, code - 4000), { retry: 1000 * retry }))
      }
    })

    // A stream is one long answer, a long-poll one short answer after another.
    const answers = async link => {
      const poll = link.name === 'poll'
      do {
        watch(link, link.token ? 35_000 : timeout)
        save() // _pos acknowledges
        const query = { _pos: link.from = self.position, _was: lastID(), _wait: poll ? 25 : null }
        const { body } = await check(await request('GET', link.token, { signal: link.ctl.signal }, query))
        const reader = body.getReader()
        const feed = parser(block => take(link, block))
        for (let read; !(read = await reader.read()).done;) hear(link, feed, read.value)
      } while (poll && link.token && link.drain == null)
    }

    const carriers = { websocket: socket, sse: answers, poll: answers } // in order of preference
    const transports = (options.transports || Object.keys(carriers)).filter(name => carriers[name])

    const watch = (link, ms) => {
      clearTimeout(link.timer)
      if (ms) link.timer = setTimeout(() => { link.late = 1; link.ctl.abort(failure('silence')) }, ms)
    }

    const over = (link, error) => {
      clearTimeout(link.timer)
      links.delete(link)
      link.ctl.abort()
      link.no(error)
      if (STOP.includes(error.status)) return finish(4000 + error.status, error.message)
      if (link !== live) return

      strikes = Date.now() - link.born < 10_000 && link.drain == null && Math.min(3, strikes + 1)
      if (strikes > 1 || link.late && !link.speaks) mute = link.name
      forget()
      // A lost link is not reported, but the third in a row that ended early is.
      if (wanted && !hidden) loop(link.drain ?? (strikes > 2 ? complain : rest)(error, strikes))
    }

    const forget = () => {
      live = 0
      post.abort()
      clearInterval(probe)
    }

    const drop = () => {
      for (const link of links) link.ctl.abort()
      forget()
      wake?.()
    }

    // leave ends the link. The page may end: the last messages are sent, and the server
    // is told in case it does not see the link end. The same messages are also stored;
    // the server recognizes them if they come again. What is too long for a request that
    // outlives its page is only stored.
    const leave = () => {
      if (live && (queue[0] || unacked || live.name === 'poll')) {
        let { body } = next(true)
        if (new Blob([body]).size > 65_000) body = body.split('\n\n', 1) + '\n\n'
        request('POST', live.token, { body, keepalive: true }).catch(() => 0)
      }
      save(1)
      drop()
    }

    const show = () => {
      hidden = false
      if (wanted) self.connect()
    }

    // refresh looks for a link when the network may have changed. The present link stays
    // until another has said hello.
    const refresh = gently => {
      if (!live) wake?.()
      else if (!gently || Date.now() - live.heard > 1.2 * (live.beat || 15_000) + 2000) round(order(1))
    }

    const finish = (code, reason, wasClean = false) => {
      if (self.state === 'closed') return
      wanted = false
      drop()
      clearTimeout(later)
      end.abort()
      change('closed') // so that send() in a listener for returned messages throws
      giveUp(queue, failure(reason || 'closed', code))
      try { storage.removeItem(key) } catch { /* there is no storage */ }
      storage = 0
      for (const tap of taps) tap()
      tell('close', { code, reason, wasClean })
    }

    // ---- down

    const take = (link, { id, event, data }) => {
      const about = event.startsWith('mirage') && JSON.parse(data)
      if (event === 'mirage') return greet(link, about, id)
      if (link !== live) return // the link was replaced, or has not said hello
      if (event === 'mirage-ack') { // while a POST is under way, its answer says more
        return about.status ? link.answer?.(about) : posting || accept(cid, about.accepted)
      }
      if (event === 'mirage-drain') {
        link.drain = about.retry
        return tell(event, about)
      }
      if (event === 'mirage-end') throw failure(about.reason, about.status)
      if (id == null) return

      const [epoch, seq] = mark(self.position), [other, n] = mark(id)
      if (other !== epoch) throw failure('epoch')
      if (n - seq <= 0) return // an earlier link brought it
      if (event === 'mirage-gap') tell(event, { ...about, from: Math.max(about.from, +seq + 1) })
      else if (n - seq > 1) throw failure('hole')
      else if (!about && data != null) {
        const e = Object.assign(new MessageEvent(event, { data, lastEventId: id }), { again: n <= repeats })
        self.dispatchEvent(e)
        for (const tap of taps) tap(e)
      }

      self.position = id
      if (link.name === 'poll') return // the next poll acknowledges
      if (++unacked >= 16 || document?.hidden) flush()
      else soon()
    }

    const greet = (link, hello, position) => {
      const { id, reason } = hello
      const [epoch, seq] = mark(self.position), [now, n] = mark(position)
      // This hello may be about a position in another epoch, which another link's hello
      // has replaced meanwhile.
      const old = epoch === now && link.from.indexOf(epoch)
      const resumed = old || hello.resumed
      const lost = !old && reason !== 'trimmed' && hello.lost // what was trimmed comes as an event of its own
      const known = self.id, was = self.mirage, first = !opened

      if (known && known !== id && known !== hello.previous) { // the messages were written under another id
        giveUp(queue, failure('the id has changed', 409))
      }
      if (!resumed) for (const m of queue) m.a = m.t // this server cannot know whether it had them
      repeats = epoch === now && (repeats < 0 ? hello.sent : repeats)

      if (lost || epoch !== now || n - seq > 0) self.position = position
      self.id = id
      if (signed != null) signed = hello.mirage || signed
      self.mirage = signed ?? id

      link.token = hello.link
      link.beat = hello.heartbeat
      link.born = Date.now()
      if (live !== link) {
        post.abort() // it may be lost with the other link's connection
        for (const l of links) if (l !== link && l.turn <= link.turn) l.ctl.abort(failure('replaced'))
      }
      live = link
      failures = 0
      opened = 1
      link.ok()

      clearInterval(probe)
      const [better] = order(1)
      if (better !== link.name && upgrade) probe = setInterval(() => round([better]), upgrade)
      if (link.name !== 'poll') {
        // The second event, a second later, proves that no proxy holds the stream back.
        watch(link, link.beat && 3000)
        due = 1 // an acknowledgement on this link ends an older one that died unnoticed
      }
      accept(cid, hello.accepted)
      save()

      change(link.name, 'transport')
      if (wanted) change('open')
      if (first) tell('open')
      if (first || !resumed || known !== id || was !== self.mirage) {
        tell('mirage', { ...hello, link: undefined, mirage: self.mirage, known })
      }
      if (lost) tell('mirage-gap', { ...lost, reason })
      hurry?.()
      pump()
    }

    // ---- the application's interface

    Object.assign(self, {
      url: base.href,
      transports,
      id: kept.id || '', // the visitor's id, once a hello has said it
      mirage: signed ?? (kept.id || ''), // the same, or the signed value if it was asked for
      position: kept.position || '', // up to where everything was delivered: the server's text, presented unchanged

      /** queued returns the messages that are not accepted yet. */
      queued: () => queue.map(outside),

      /**
       * send enqueues an unnamed message, text or bytes, which is delivered once. It
       * throws if the queue is full.
       */
      send(data) { put('', data) },

      /**
       * emit enqueues a named message in JSON. The promise resolves when the server has
       * accepted it.
       */
      emit(event, data = null) {
        const promise = new Promise((ok, no) => Object.assign(put('' + event, JSON.stringify(data)), { ok, no }))
        promise.catch(() => 0) // no unhandled rejection if the caller ignores it
        return promise
      },

      /**
       * on calls listener with the payload of each event: its data, parsed if the event
       * has a name. It returns the function that removes the listener.
       */
      on(type, listener, more) {
        const call = e => {
          const { data } = e
          listener(data == null ? e.mirage ?? e
            : type === 'message' || data instanceof ArrayBuffer ? data : JSON.parse(data), e)
        }
        self.addEventListener(type, call, more)
        return () => self.removeEventListener(type, call, more)
      },

      /** subscribe calls fn now and at every change of state, as Svelte's stores do. */
      subscribe(fn) {
        fn(self)
        const stops = ['state', 'transport'].map(what => self.on('mirage-' + what, () => fn(self)))
        return () => stops.map(stop => stop())
      },

      async *[Symbol.asyncIterator]() {
        const waiting = []
        let ring
        const tap = e => {
          if (e) waiting.push(e)
          ring?.()
        }
        taps.add(tap)

        try {
          while (waiting[0] || self.state !== 'closed') {
            if (waiting.length > 1000) throw failure('too slow')
            if (waiting[0]) yield waiting.shift()
            else await new Promise(done => { ring = done })
          }
        } finally {
          taps.delete(tap)
        }
      },

      /**
       * use moves to another transport without a break. The promise resolves when that is
       * in use. Without a name the client chooses again.
       */
      async use(transport) {
        if (transport && !carriers[transport]) throw failure('no such transport')
        const before = best
        best = transport
        turn++
        if (!wanted || hidden) return
        const why = await round(transport ? [transport] : order(1))
        if (!why) return
        if (best === transport) best = before
        throw why
      },

      connect() {
        if (self.readyState > 1) return
        wanted = true
        if (!live) change(opened ? 'reconnecting' : 'connecting')
        loop()
      },

      /** disconnect ends the link and keeps the session. */
      disconnect() {
        if (self.readyState > 1) return
        wanted = false
        leave()
        change('paused')
      },

      /** close sends what waits, for at most timeout, ends the session and forgets it. */
      async close(code = 1000, reason = '') {
        if (self.readyState > 1) return
        wanted = false
        change('closing')
        for (const until = performance.now() + timeout; live && queue[0] && performance.now() < until;) await sleep(20)
        if (live) request('DELETE', live.token, { keepalive: true }).catch(() => 0)
        finish(code, reason, true)
      },
    })
    if (!transports[0]) throw failure('no such transport')
    keep(kept.queue || [])

    for (const type of ['open', 'message', 'mirage', 'error', 'close']) {
      self.addEventListener(type, e => self['on' + type]?.(e))
    }
    const listen = (target, events) => {
      for (const type in events) target?.addEventListener?.(type, events[type], { signal: end.signal })
    }
    listen(signal, { abort: () => self.close() })
    listen(globalThis, {
      online: () => refresh(),
      pagehide: e => {
        hidden = true // a page that ends does not reconnect
        leave()
        if (e.persisted) change('paused')
      },
      pageshow: e => e.persisted && show(),
    })
    listen(document, {
      visibilitychange: () => {
        if (!document.hidden) return refresh(1)
        save()
        flush()
      },
      resume: () => refresh(),
      prerenderingchange: show,
    })

    if (signal?.aborted) self.close()
    else if (begin) self.connect()
  }
}

export default Mirage
