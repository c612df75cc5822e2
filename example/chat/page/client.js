// What a page needs to speak Mirage, in plain browser APIs. The three rules that make the network go unnoticed:
//
//   down  Drop what is here already. Keep the position, and keep it before acknowledging it.
//   up    Number the messages, and keep them until the server has accepted them.
//   link  It may end at any time. The next one, over whichever transport, begins at the position.
//
// Position and messages are kept in sessionStorage, so a refresh is just one more link.

const KEY = 'mirage'
const STOP = [204, 400, 403, 410, 413] // the server does not want us back

export class Mirage extends EventTarget {
  state = 'connecting' // then open, reconnecting, away, ended
  transport = 'sse' // or poll
  id = '' // who we are, once a hello has said so
  position = '' // up to where we have everything: the server's word, handed back as it came
  queue = [] // what is not accepted yet: {writer, number, event, data, tried, again}

  #cid = btoa(String.fromCharCode(...crypto.getRandomValues(new Uint8Array(18)))).replaceAll('+', '-').replaceAll('/', '_')
  #number = 0 // of our last message
  #link = '' // the token of the link; there is none without
  #abort = new AbortController() // ends the link, with the reason
  #failures = 0 // links in a row without a hello
  #patience = 35_000 // silence after which a link is dead
  #unacked = 0 // messages since the last acknowledgement
  #awayUntil = 0
  #posting = false
  #drain; #watchdog; #ackTimer; #wake; #last

  constructor(url) {
    super()
    this.url = url
    Object.assign(this, JSON.parse(sessionStorage.getItem(KEY) ?? '{}'))
    for (const [target, event] of [[window, 'online'], [window, 'pageshow'], [document, 'visibilitychange'], [document, 'resume']]) {
      target.addEventListener(event, e => e.persisted ? this.#abort.abort('back') : this.#wake?.())
    }
    this.#run()
  }

  // send keeps the message and delivers it once, now or later.
  send(event, data) {
    const message = { writer: this.#cid, number: ++this.#number, event, data: JSON.stringify(data) }
    this.queue.push(message)
    this.#save()
    this.#pump()
  }

  use(transport) { this.transport = transport; this.#save(); this.#abort.abort('switch') }
  cut() { this.#abort.abort('cut') }
  away(ms) { this.#awayUntil = Date.now() + ms; this.#abort.abort('away'); this.#wake?.() }

  // ---- the links, one after another

  async #run() {
    while (this.state !== 'ended') {
      if (this.#awayUntil > Date.now()) await this.#rest(this.#awayUntil - Date.now(), 'away')
      if (this.#awayUntil > Date.now()) continue
      const { signal } = this.#abort = new AbortController()
      let why
      try {
        await this.#carry(signal)
      } catch (error) {
        why = error
      }
      why = signal.reason ?? why
      this.#abort.abort('over') // its POST, too
      this.#link = ''
      this.#last = why
      if (STOP.includes(why?.status)) return this.#set('ended', why.message)
      if (why !== 'switch' && why !== 'away') await this.#rest(this.#delay(why), this.id ? 'reconnecting' : 'connecting')
    }
  }

  #delay(why) {
    const random = Math.random() * Math.min(20_000, 500 * 2 ** ++this.#failures) // full jitter: not all at once
    return why?.retry || (this.#drain ?? random)
  }

  // #rest waits, unless something says that it is worth trying now.
  async #rest(ms, state) {
    this.#set(state)
    await new Promise(done => { this.#wake = done; setTimeout(done, ms) })
    this.#wake = undefined
  }

  // #carry carries one link: a stream is one long answer, a long-poll one short answer after another.
  async #carry(signal) {
    this.#drain = undefined
    this.#watch(10_000)
    do {
      const poll = this.transport === 'poll'
      const headers = { Accept: 'text/event-stream' }
      if (this.#link) headers['Mirage-Link'] = this.#link
      this.#unacked = 0 // _pos acknowledges
      const query = `?_cid=${this.#cid}&_pos=${this.position}${poll ? '&_wait=25' : ''}`
      const answer = await check(await fetch(this.url + query, { headers, signal, cache: 'no-store' }))
      for await (const event of events(answer.body, () => this.#watch(this.#patience))) this.#take(event)
    } while (this.transport === 'poll' && this.#drain === undefined)
  }

  #watch(ms) {
    clearTimeout(this.#watchdog)
    this.#watchdog = setTimeout(() => this.#abort.abort('silent'), ms)
  }

  // ---- down

  #take({ id, event, data }) {
    switch (event) {
      case 'mirage': return this.#hello(JSON.parse(data), id)
      case 'mirage-ack': return this.#accept(this.#cid, JSON.parse(data).accepted)
      case 'mirage-drain': return this.#drain = JSON.parse(data).retry
      case 'mirage-end': throw Object.assign(new Error(JSON.parse(data).reason), { status: 410 })
    }
    if (!newer(id, this.position)) return // the link before this one brought it
    if (event === 'mirage-gap') this.#tell('gap', JSON.parse(data))
    else if (data !== undefined && !event.startsWith('mirage')) this.#tell('message', { event, data: JSON.parse(data) })
    this.position = id
    this.#save()
    if (this.transport === 'poll') return // the next poll acknowledges
    if (++this.#unacked >= 16 || document.hidden) this.#pump()
    else this.#ackTimer ??= setTimeout(() => { this.#ackTimer = undefined; this.#pump() }, 500)
  }

  #hello(hello, position) {
    const stranger = this.id && this.id !== hello.id && this.id !== hello.previous
    if (stranger) this.#tell('returned', this.queue.splice(0)) // they were written as somebody else
    if (!hello.resumed) for (const m of this.queue) m.again = m.tried // this server cannot know whether it has them
    if (!hello.resumed || newer(position, this.position)) this.position = position
    this.id = hello.id
    this.#link = hello.link
    this.#patience = 2 * hello.heartbeat + 5_000
    this.#failures = 0
    this.#accept(this.#cid, hello.accepted)
    this.#save()
    this.#set('open', { hello, stranger, why: this.#last })
    if (this.transport === 'sse') this.#unacked++ // speaking on this link ends an older one that died unnoticed
    this.#pump()
  }

  // ---- up

  // #pump sends what there is to send, one POST at a time.
  async #pump() {
    const { signal } = this.#abort
    if (this.#posting || !this.#link || signal.aborted) return
    this.#posting = true
    try {
      while (!signal.aborted && (this.queue.length || this.#unacked)) await this.#post(signal)
    } catch (error) {
      if (!signal.aborted) this.#abort.abort(error)
    }
    this.#posting = false
    if (signal.aborted) this.#pump() // there may be a new link already
  }

  async #post(signal) {
    const [head] = this.queue // those that were kept from before the refresh come first, under their old writer
    const other = this.queue.findIndex(m => m.writer !== head.writer || !m.again !== !head.again)
    const batch = this.queue.slice(0, Math.min(16, other < 0 ? 16 : other))
    const writer = head?.writer ?? this.#cid
    const up = { writer, base: head?.number ?? this.#number + 1, ack: this.position, again: !!head?.again }
    const blocks = batch.map(m => `id: ${m.number}\nevent: ${m.event}\ndata: ${m.data}\n\n`)
    for (const m of batch) m.tried = true
    this.#unacked = 0
    this.#save()
    const answer = await fetch(this.url, {
      method: 'POST', signal, headers: { 'Content-Type': 'text/event-stream', 'Mirage-Link': this.#link },
      body: `event: mirage-up\ndata: ${JSON.stringify(up)}\n\n${blocks.join('')}`,
    })
    const { accepted, failed = [] } = await (await check(answer)).json()
    this.#accept(writer, accepted)
    if (failed.length) this.#tell('failed', batch.filter(m => failed.includes(m.number)))
  }

  #accept(writer, number) {
    const accepted = this.queue.filter(m => m.writer === writer && m.number <= number)
    if (!accepted.length) return
    this.queue = this.queue.filter(m => !accepted.includes(m))
    this.#save()
    this.#tell('accepted', accepted)
  }

  // ----

  #save() {
    const { id, position, queue, transport } = this
    sessionStorage.setItem(KEY, JSON.stringify({ id, position, queue, transport }))
  }

  #set(state, detail) { this.state = state; this.#tell('state', detail) }
  #tell(name, detail) { this.dispatchEvent(new CustomEvent(name, { detail })) }
}

// newer tells whether position a is beyond b. Numbers compare within an epoch only.
function newer(a, b) {
  const [epoch, number] = a.split('-'), [epochB, numberB] = b.split('-')
  return a !== '' && (epoch !== epochB || parseInt(number) > parseInt(numberB))
}

// check lets an answer pass, or throws the server's reason why not.
async function check(answer) {
  if (answer.status === 200) return answer
  const { detail = answer.statusText } = await answer.json().catch(() => ({}))
  throw Object.assign(new Error(detail), { status: answer.status, retry: 1000 * answer.headers.get('Retry-After') })
}

// events yields the event blocks of a body as they come.
async function* events(body, alive) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader()
  for (let text = ''; ;) {
    const { value, done } = await reader.read()
    if (done) return // a block without its blank line has not come
    alive()
    const blocks = (text + value).split('\n\n')
    text = blocks.pop()
    for (const block of blocks) yield parse(block)
  }
}

// parse reads one block. Data in base64 needs no care here: JSON never travels so.
function parse(block) {
  const event = { id: '', event: 'message', data: undefined }
  for (const line of block.split('\n')) {
    const [, field, value] = /^([^:]*):? ?(.*)$/s.exec(line)
    if (field === 'data') event.data = event.data === undefined ? value : event.data + '\n' + value
    else if (field === 'id' || field === 'event') event[field] = value
  }
  return event
}
