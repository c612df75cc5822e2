// A world without a network: a clock that jumps, a server that speaks docs/protocol.md,
// and faults from a seed.

import { setMaxListeners } from 'node:events'

const { setTimeout, clearTimeout, setInterval, clearInterval, setImmediate } = globalThis
const real = { setTimeout, clearTimeout, setInterval, clearInterval }
const { now } = Date

/** clock replaces the global timers by its own, in which nothing takes time. */
export class Clock {
  now = 1_000_000
  jump = 0 // by how much the date was changed
  timers = []
  last = 0

  install() {
    const { random } = Math
    Object.assign(globalThis, {
      setTimeout: (f, ms = 0) => this.add(f, ms),
      clearTimeout: id => this.remove(id),
      setInterval: (f, ms) => {
        const id = this.add(() => { f(); if (id.on) this.again(id, ms) }, ms)
        return id
      },
      clearInterval: id => this.remove(id),
    })
    Date.now = () => this.now + this.jump
    performance.now = () => this.now
    return () => {
      Object.assign(globalThis, real)
      Date.now = now
      delete performance.now // the prototype's is back
      Math.random = random
    }
  }

  add(f, ms) {
    const t = { f, at: this.now + Math.max(0, +ms || 0), n: ++this.last, on: true }
    this.timers.push(t)
    return t
  }

  again(t, ms) {
    t.at = this.now + ms
    t.n = ++this.last
    this.timers.push(t)
  }

  remove(t) {
    if (t) t.on = false
    this.timers = this.timers.filter(x => x !== t)
  }

  /** run advances the time until done() or for ms, and returns whether it was done. */
  async run(ms, done = () => false) {
    const until = this.now + ms
    for (;;) {
      for (let i = 0; i < 12; i++) await new Promise(f => setImmediate(f)) // lets everything happen that needs no time
      if (done()) return true
      this.timers.sort((a, b) => a.at - b.at || a.n - b.n)
      const [t] = this.timers
      if (!t || t.at > until) { this.now = until; return done() }
      this.timers.shift()
      this.now = Math.max(this.now, t.at)
      t.f()
    }
  }
}

/** random is a generator of numbers below 1, the same for the same seed (mulberry32). */
export function random(seed) {
  return () => {
    seed = seed + 0x6D2B79F5 | 0
    let t = Math.imul(seed ^ seed >>> 15, 1 | seed)
    t = t + Math.imul(t ^ t >>> 7, 61 | t) ^ t
    return ((t ^ t >>> 14) >>> 0) / 4294967296
  }
}

/** Store has the parts of sessionStorage that matter. */
export class Store extends Map {
  getItem(k) { return this.get(k) ?? null }
  setItem(k, v) { this.set(k, v) }
  removeItem(k) { this.delete(k) }
}

const bytes = text => new TextEncoder().encode(text)

/** blocks parses an upstream body, independently of mirage.js. */
export function blocks(body) {
  return body.split('\n\n').slice(0, -1).map(block => {
    const b = { data: [] }
    for (const line of block.split('\n')) {
      const i = line.indexOf(': ')
      if (line.startsWith('data: ')) b.data.push(line.slice(6))
      else b[line.slice(0, i)] = line.slice(i + 2)
    }
    b.data = b.data.join('\n')
    if (b.encoding === 'base64') {
      b.data = Buffer.from(b.data, 'base64').toString(b.type === 'binary' ? 'latin1' : 'utf8')
    }
    return b
  })
}

/** session returns the session's part of positions. */
export const session = positions => positions.split('_')[0]

/** Server keeps one session, and answers fetch. It has no topics. */
export class Server {
  epoch = 'e1'
  id = 'visitor'
  previous = ''
  log = [] // blocks without id
  writers = new Map() // → last number
  got = [] // the messages that the application was given
  requests = []
  links = new Map() // token → {cid, cursor, push}
  count = 0
  failed = new Set() // writer and number of messages whose handler failed
  fault = () => 0 // → '', 'lost' (before it arrives), 'unanswered', 'cut'
  hooks = {} // path → answer
  faults = []

  constructor(clock) { this.clock = clock }

  send(text, event) {
    this.log.push((event ? `event: ${event}\n` : '') + 'data: ' + text.replaceAll('\n', '\ndata: ') + '\n\n')
    for (const l of this.links.values()) l.push?.()
  }

  restart() { // with nothing left
    this.cut()
    this.epoch += 'x'
    this.log = []
    this.writers.clear()
    this.links.clear()
  }

  cut() { for (const l of this.links.values()) l.cut?.() }

  answer(status, body, headers) {
    if (status === 204) body = null
    else if (typeof body !== 'string') body = JSON.stringify(body)
    const type = status === 200 ? 'application/json' : 'application/problem+json'
    return new Response(body, { status, headers: { 'Content-Type': type, ...headers } })
  }

  fetch = async (url, init) => {
    const u = new URL(url)
    const request = { ...init, query: Object.fromEntries(u.searchParams), at: this.clock.now }
    this.requests.push(request)
    if (init.signal) setMaxListeners(0, init.signal)
    init.signal?.throwIfAborted()
    const abort = new Promise((_, no) => init.signal?.addEventListener('abort', () => no(init.signal.reason)))
    abort.catch(() => 0)
    const pass = ms => Promise.race([abort, new Promise(f => this.clock.add(f, ms))])

    // Up.
    if (init.headers.Accept !== 'text/event-stream') this.faults.push('no Accept')
    await pass(5)
    const fault = this.fault(request)
    if (fault === 'lost') throw new TypeError('network')
    if (fault === 'hole') await abort
    const scripted = this.script?.(request)
    if (scripted) return scripted

    let answer
    if (init.method === 'GET') answer = this.get(request, fault)
    else if (init.method === 'DELETE') answer = this.answer(204)
    else answer = this.post(request)
    if (answer instanceof Promise) {
      answer.catch(() => 0)
      answer = Promise.race([answer, abort])
    }
    answer = await answer

    // Down.
    await pass(5)
    if (fault === 'unanswered') throw new TypeError('network')
    return answer
  }

  hello(request) {
    const { _cid: cid } = request.query, pos = session(request.query._pos ?? '')
    const [epoch, n] = pos.split('-')
    const resumed = epoch === this.epoch && +n <= this.log.length
    const cursor = resumed ? +n : pos ? 0 : this.start ?? 0
    const link = { cid, cursor, token: 't' + ++this.count }
    this.links.set(link.token, link)

    const data = {
      id: this.id,
      previous: this.previous,
      mirage: request.query._mirage === undefined ? '' : 'signed-' + this.id,
      reader: cid,
      link: link.token,
      resumed,
      reason: resumed ? '' : pos ? 'restarted' : 'new',
      lost: pos && !resumed ? { from: +n + 1, to: null } : null,
      sent: this.log.length,
      accepted: this.writers.get(cid) ?? 0,
      heartbeat: 15000,
    }
    return [link, `event: mirage\ndata: ${JSON.stringify(data)}\nid: ${this.epoch}-${cursor}\n\n`]
  }

  since(link) {
    let text = ''
    while (link.cursor < this.log.length) {
      const block = this.log[link.cursor++]
      text += `${block.slice(0, -1)}id: ${this.epoch}-${link.cursor}\n\n`
    }
    return text
  }

  get(request, fault) {
    const type = { 'Content-Type': 'text/event-stream' }
    const link = this.links.get(request.headers['Mirage-Link'])
    if (!('_wait' in request.query)) return this.stream(request, fault, type)
    if (link) return this.poll(request, link, type)
    const [made, hello] = this.hello(request)
    return this.answer(200, hello + this.since(made), type)
  }

  poll(request, link, type) {
    link.cursor = +session(request.query._pos).split('-')[1]
    const text = this.since(link)
    if (text) return this.answer(200, text, type)

    return new Promise(done => {
      const t = this.clock.add(() => {
        link.push = null
        done(this.answer(200, '', type))
      }, 25_000)
      const stop = () => {
        link.push = null
        this.clock.remove(t)
      }
      link.push = () => {
        stop()
        this.clock.add(() => done(this.answer(200, this.since(link), type)), 5)
      }
      link.cut = () => {
        stop()
        const gone = Promise.reject(new TypeError('network'))
        gone.catch(() => 0)
        done(gone)
      }
    })
  }

  stream(request, fault, type) {
    const [link, hello] = this.hello(request)
    let out, open = true
    const end = () => {
      open = false
      link.push = null
    }
    const body = new ReadableStream({ start: c => { out = c }, cancel: end })

    let pieces = Promise.resolve()
    const write = text => {
      if (this.silent && !text.includes('event: mirage\n')) return
      // In pieces of a seeded size, and perhaps cut amid one.
      for (let all = bytes(text); all.length;) {
        const n = Math.max(1, Math.floor((this.pieces?.() ?? 1) * all.length))
        const piece = all.slice(0, n)
        all = all.slice(n)
        pieces = pieces.then(() => { if (open) out.enqueue(piece) })
      }
    }

    link.cut = () => {
      if (!open) return
      end()
      pieces.then(() => out.error(new TypeError('network')))
    }
    request.signal?.addEventListener('abort', () => {
      if (!open) return
      end()
      try { out.error(request.signal.reason) } catch { /* it has ended */ }
    })
    link.push = () => {
      if (!open || link.waits) return
      link.waits = true
      this.clock.add(() => {
        link.waits = false
        const text = open && this.links.has(link.token) && this.since(link)
        spoke ||= text
        if (text) write(text)
      }, 3)
    }
    link.write = text => open && write(text)

    // The first one comes after a second, unless a message came before.
    let spoke = ''
    const beat = this.clock.add(() => {
      if (!open) return
      if (!spoke) write(`event: mirage-ack\ndata: {"accepted":${this.writers.get(link.cid) ?? 0}}\n\n`)
      spoke = ''
      this.clock.again(beat, 15_000)
    }, 1000)
    if (this.held) return new Promise(() => 0)
    spoke = this.silent ? '' : this.since(link)
    write(hello + spoke)
    if (fault === 'cut') this.clock.add(() => link.cut(), 50)
    return new Response(body, { status: 200, headers: type })
  }

  isControl({ event = '' }) { return event.startsWith('mirage') }

  control({ event }) { this.faults.push('there are no topics here: ' + event) }

  post(request) {
    const link = this.links.get(request.headers['Mirage-Link'])
    if (!link) return this.answer(401, { detail: 'no such link' })
    const [head, ...rest] = blocks(request.body)
    const up = JSON.parse(head.data)
    request.up = up
    const messages = request.messages = rest.filter(m => !this.isControl(m))
    for (const m of rest) if (this.isControl(m)) this.control(m, link)
    if (up.ack) {
      const [epoch, n] = session(up.ack).split('-')
      if (epoch === this.epoch && +n > this.log.length) this.faults.push('acknowledged beyond the top')
    }
    if (this.posting) this.faults.push('two POSTs at once')

    let last = Math.max(this.writers.get(up.writer) ?? 0, up.base - 1)
    const failed = []
    for (const m of messages) {
      const n = +m.id
      if (n <= last) {
        if (this.failed.has(up.writer + n)) failed.push(n)
        continue
      }
      if (n > last + 1) return this.answer(409, { detail: 'ahead', expected: last + 1 })
      last = n
      this.got.push({ writer: up.writer, n, event: m.event ?? 'message', data: m.data, type: m.type, again: up.again })
      if (this.handler?.(m)) {
        this.failed.add(up.writer + n)
        failed.push(n)
      }
    }
    if (messages.length) this.writers.set(up.writer, last)
    return this.answer(200, { accepted: last, ...(failed.length && { failed }) })
  }
}
