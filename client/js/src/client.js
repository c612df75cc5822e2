// The client: its interface, and how its parts work together.
//
//   outbox ──▶ sender ──▶ links (race, link, transports) ──▶ server
//   application ◀── inbox ◀── links ◀── server
//
// page says when there may be links, and record keeps what outlives the page.

import { Address } from './address.js'
import { delayBefore, sleep } from './backoff.js'
import { failure } from './errors.js'
import { greet } from './hello.js'
import { Inbox } from './inbox.js'
import { Links } from './links.js'
import { complete, defaults, noTransport } from './options.js'
import { Outbox } from './outbox.js'
import { Page } from './page.js'
import { Race } from './race.js'
import { Sender } from './sender.js'
import { Record } from './storage.js'

const READY = { open: 1, closing: 2, closed: 3 }

// Core is what the parts of one client share.
class Core {
  wanted = false // the application wants a link

  constructor(client, url, given) {
    const options = this.options = complete(given)
    this.client = client
    this.tell = this.tell.bind(this)
    this.save = this.save.bind(this)
    this.address = new Address(url, options)
    this.record = new Record(options, this.address.url)

    const { kept } = this.record
    this.address.identify(kept.signed)
    this.outbox = new Outbox(this, kept.queue)
    this.inbox = new Inbox(this, kept)
    this.sender = new Sender(this)
    this.race = new Race(this, kept.bad)
    this.links = new Links(this)
    this.page = new Page(this)
  }

  /** active is true while there may be links. */
  get active() { return this.wanted && this.page.phase === 'shown' }

  log(...words) { if (this.options.debug) console.debug('mirage:', ...words) }

  tell(type, more) {
    this.log(type, more)
    this.client.dispatchEvent(Object.assign(new Event(type), more))
  }

  /** change sets a property of the client, and dispatches an event if it is new. */
  change(value, what = 'state') {
    const previous = this.client[what]
    this.client[what] = value
    if (previous !== value) this.tell('mirage-' + what, { [what]: value, previous })
  }

  /** showStalled sets what keeps messages from flowing although the state may be open. */
  showStalled(failing = this.sender.tries > 1) {
    this.change(this.page.offline ? 'offline' : failing ? 'send' : '', 'stalled')
  }

  delay(error, attempt, quick) {
    return delayBefore(attempt, error, { maxDelay: this.options.maxDelay, quick })
  }

  /** save stores what outlives the page. It is clean if no message can come any more. */
  save(clean) {
    const { id, position } = this.client
    this.record.save({
      id, position, signed: this.address.signed, queue: this.outbox.queue, bad: this.race.bad,
      again: this.links.live && !clean ? -1 : this.inbox.repeats,
    }, this.outbox.knows)
  }

  put(event, data) {
    const message = this.outbox.put(event, data)
    this.page.sent()
    this.links.hurry()
    this.sender.pump()
    return message
  }

  /** take takes a block that came down a link. */
  take(link, block) {
    const { links, outbox, sender } = this
    const { id, event, data } = block
    const about = event.startsWith('mirage') && JSON.parse(data)
    if (event === 'mirage') return greet(this, link, about, id)
    if (link !== links.live) return // the link was replaced, or has not said hello
    if (event === 'mirage-ack') { // while a POST is under way, its answer says more
      return about.status ? link.answer?.(about) : sender.busy || outbox.accept(this.address.cid, about.accepted)
    }
    if (event === 'mirage-drain') {
      link.drain = about.retry
      return this.tell(event, about)
    }
    if (event === 'mirage-end') throw failure(about.reason, about.status)
    if (id != null) this.inbox.take(link, block)
  }

  /** pause ends the link, and lets go of the page. */
  pause() {
    this.wanted = false
    this.page.leave()
    this.page.detach()
    this.sender.end()
    this.change('paused')
  }

  /** finish closes the client for good. */
  finish(code, reason, wasClean = false) {
    const { client, inbox, outbox } = this
    if (client.state === 'closed') return
    this.wanted = false
    this.links.drop()
    this.sender.end()
    this.page.detach()
    this.change('closed') // so that send() in a listener for returned messages throws
    outbox.giveBack(outbox.queue, failure(reason || 'closed', code))
    this.record.remove(outbox.knows)
    inbox.endLoops()
    this.tell('close', { code, reason, wasClean })
  }
}

/** The client. docs/client.md is its manual. */
export class Mirage extends (globalThis.EventTarget || Object) {
  static CONNECTING = 0
  static OPEN = 1
  static CLOSING = 2
  static CLOSED = 3

  state = 'connecting' // then open, reconnecting, paused, closing, closed
  stalled = ''
  transport = ''
  waiting = 0
  bufferedAmount = 0
  position = '' // up to where everything was delivered: the server's text, presented unchanged

  #core
  #heard = new Set() // event names that have or had a listener

  get readyState() { return READY[this.state] || 0 }

  constructor(url, options) {
    super()
    if (!globalThis.EventTarget) throw new TypeError('mirage.js needs EventTarget: load a polyfill before it')
    if (url && typeof url === 'object' && !('href' in url)) [url, options] = [null, url] // new Mirage(options)

    const core = this.#core = new Core(this, url, options)
    const { address, record } = core
    this.url = address.url
    this.transports = core.options.transports
    this.id = record.kept.id // the visitor's id, once a hello has said it
    this.mirage = address.signed ?? this.id // the same, or the signed value if it was asked for

    for (const type of ['open', 'message', 'mirage', 'close']) {
      super.addEventListener(type, e => this['on' + type]?.(e))
    }
    const { signal, abort, start } = core.options
    const end = () => abort === 'close' ? this.close() : this.release()
    signal?.addEventListener('abort', end)
    if (signal?.aborted) end()
    else if (start && address.base) this.connect()
  }

  /** queued returns the messages that are not accepted yet. */
  queued() { return this.#core.outbox.list() }

  /**
   * send enqueues an unnamed message, text or bytes, which is delivered once. It throws if
   * the queue is full.
   */
  send(data) {
    if (data == null || Object(data) === data && !(data.byteLength >= 0)) {
      throw new TypeError('send() takes text or bytes: use emit(event, data) for other data, '
        + 'and await blob.arrayBuffer() for a Blob')
    }
    this.#core.put('', data)
  }

  /**
   * emit enqueues a named message in JSON. The promise resolves when the server has
   * accepted it.
   */
  emit(event, data = null, { signal } = {}) {
    const promise = new Promise((ok, no) => {
      signal?.throwIfAborted()
      const text = JSON.stringify(data)
      if (text == null) throw new TypeError('emit() takes data that JSON can express')
      const message = Object.assign(this.#core.put('' + event, text), { ok, no })
      signal?.addEventListener('abort', () => {
        this.#core.outbox.withdraw(message)
        no(signal.reason)
      })
    })
    promise.catch(() => 0) // no unhandled rejection if the caller ignores it
    return promise
  }

  addEventListener(type, listener, options) {
    this.#heard.add(type)
    super.addEventListener(type, listener, options)
  }

  hears(type) { return this.#heard.has(type) || type === 'message' && this.onmessage }

  /**
   * on calls listener with the payload of each event: its data, parsed if the event has a
   * name. It returns the function that removes the listener.
   */
  on(type, listener, options) {
    const call = e => {
      const { data } = e
      const result = listener(data == null ? e.mirage ?? e
        : type === 'message' || data instanceof ArrayBuffer ? data : JSON.parse(data), e)
      if (result?.then) e.waitUntil?.(result)
    }
    this.addEventListener(type, call, options)
    return () => this.removeEventListener(type, call, options)
  }

  /** once is on, for one event. */
  once(type, listener) { return this.on(type, listener, { once: true }) }

  /**
   * subscribe calls fn now and at every change of state, stalled or transport, as Svelte's
   * stores do.
   */
  subscribe(fn) {
    fn(this)
    const stops = ['state', 'stalled', 'transport'].map(what => this.on('mirage-' + what, () => fn(this)))
    return () => stops.forEach(stop => stop())
  }

  [Symbol.asyncIterator]() { return this.#core.inbox.messages() }

  /**
   * use moves to another transport without a break. The promise resolves when that is in
   * use. Without a name the client chooses again.
   */
  async use(transport) {
    if (transport && !defaults.transports.includes(transport)) throw noTransport()
    await this.#core.race.use(transport)
  }

  connect() {
    const core = this.#core, { links } = core
    if (this.readyState > 1) return
    if (!core.address.base) throw new TypeError(this.url + ' is relative, and there is no page: connect in a browser')
    core.wanted = true
    core.page.attach()
    if (!links.live) core.change(links.opened ? 'reconnecting' : 'connecting')
    links.loop()
  }

  /** disconnect ends the link and keeps the session. */
  disconnect() { if (this.readyState < 2) this.#core.pause() }

  /** release is disconnect for cleanups: it also ends the loops over the client. */
  release() {
    this.disconnect()
    this.#core.inbox.endLoops()
  }

  /** close sends what waits, for at most timeout, ends the session and forgets it. */
  async close(code = 1000, reason = '') {
    const core = this.#core, { links, outbox, options } = core
    if (this.readyState > 1) return
    core.wanted = false
    core.change('closing')
    const until = performance.now() + options.timeout
    while (links.live && outbox.queue[0] && performance.now() < until) await sleep(20)
    if (links.live) core.address.request('DELETE', links.live.token, { keepalive: true }).catch(() => 0)
    core.finish(code, reason, true)
  }
}

// Symbol.dispose is younger than the browsers that the client supports.
if (Symbol.dispose) Mirage.prototype[Symbol.dispose] = Mirage.prototype.release
