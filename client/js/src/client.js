// The client's interface.
//
//   application ──▶ outbox ──▶ sender ──▶ links (race, link, transports) ──▶ server
//   application ◀── inbox, topics ◀── hello ◀── links ◀── server
//
// page says when there may be links, and storage keeps what outlives the page.

import { identify, locate, request } from './address.js'
import { sleep } from './backoff.js'
import { change, newCore } from './core.js'
import { failure } from './errors.js'
import { finish } from './finish.js'
import { endRooms, join } from './joins.js'
import { hurry } from './links.js'
import { complete, defaults, noTransport } from './options.js'
import { enqueue, list, restore, withdraw } from './outbox.js'
import { attach, begin, detach, leave, store } from './page.js'
import { prefer } from './race.js'
import { calm, pump } from './sender.js'
import { load } from './storage.js'
import { Target, endLoops, newListeners } from './target.js'

const READY = { open: 1, closing: 2, closed: 3 }

// post enqueues a message, and returns it.
function post(core, event, data) {
  const message = enqueue(core, event, data)
  store(core)
  hurry(core)
  pump(core)
  return message
}

/** The client. docs/client.md is its manual. */
export class Mirage extends Target {
  static CONNECTING = 0
  static OPEN = 1
  static CLOSING = 2
  static CLOSED = 3

  state = 'connecting' // then open, reconnecting, paused, closing, closed
  stalled = ''
  transport = ''

  #core

  get readyState() { return READY[this.state] || 0 }

  constructor(url, options) {
    const listeners = newListeners('new Mirage()')
    super(listeners)
    if (!globalThis.EventTarget) throw new TypeError('mirage.js needs a polyfill of EventTarget')
    if (url && typeof url === 'object' && !('href' in url)) [url, options] = [, url] // new Mirage(options)

    const core = this.#core = newCore(this, complete(options), listeners)
    this.url = locate(core, url ?? undefined)
    const kept = load(core)
    identify(core, kept.signed)
    this.transports = core.options.transports
    this.id = kept.id // the visitor's id, once a hello has said it
    this.mirage = core.address.signed ?? kept.id // the same, or the signed value if it was asked for
    // Up to where everything was delivered: the server's text, presented unchanged.
    this.position = core.inbox.came = kept.position
    core.inbox.repeats = kept.again
    core.race.bad = kept.bad
    restore(core, kept.queue)

    for (const type of ['open', 'message', 'mirage', 'close']) {
      this.addEventListener(type, e => this['on' + type]?.(e))
    }
    listeners.heard.clear() // the application has none yet
    const { abort, signal, start } = core.options
    core.stop = () => abort === 'close' ? this.close() : this.release()
    if (abort === 'close') signal?.addEventListener('abort', core.stop)
    if (signal?.aborted) core.stop()
    else if (start && core.address.base) this.connect()
  }

  /** queued returns the messages that are not accepted yet. */
  queued() { return list(this.#core) }

  /**
   * send enqueues an unnamed message, text or bytes, which is delivered once. It throws
   * if the queue is full.
   */
  send(data) {
    if (data == null || Object(data) === data && !(data.byteLength >= 0)) {
      throw new TypeError('send() takes text or bytes: emit() takes objects, '
        + 'and await blob.arrayBuffer() for a Blob')
    }
    post(this.#core, '', data)
  }

  /**
   * emit enqueues a named message in JSON. The promise resolves when the server has
   * accepted it.
   */
  emit(event, data = null, { signal } = {}) {
    let stop
    const promise = new Promise((ok, no) => {
      signal?.throwIfAborted()
      const text = JSON.stringify(data)
      if (text == null || text === '{}' && {}.toString.call(data) !== '[object Object]') {
        throw new TypeError('emit() takes what JSON can express, and no Map or Blob')
      }
      const message = Object.assign(post(this.#core, '' + event, text), { ok, no })
      stop = () => {
        withdraw(this.#core, message)
        store(this.#core)
        no(signal.reason)
      }
      signal?.addEventListener('abort', stop)
    })
    promise.catch(() => 0) // no unhandled rejection if the caller ignores it
      .then(() => signal?.removeEventListener('abort', stop))
    return promise
  }

  /** join returns a room of a topic, which the client joins on each link. */
  join(topic, options) { return join(this.#core, topic, options) }

  /**
   * subscribe calls fn now and at every change of state, stalled or transport, as
   * Svelte's stores do.
   */
  subscribe(fn) {
    fn(this)
    const stops = ['state', 'stalled', 'transport'].map(what => this.on('mirage-' + what, () => fn(this)))
    return () => stops.forEach(stop => stop())
  }

  /**
   * use moves to another transport without a break. The promise resolves when that is in
   * use. Without a name the client chooses again.
   */
  async use(transport) {
    if (transport && !defaults.transports.includes(transport)) throw noTransport()
    await prefer(this.#core, transport)
  }

  connect() {
    const core = this.#core
    if (this.readyState > 1) return
    if (!core.address.base) throw new TypeError('a relative URL needs a page: ' + this.url)
    core.wanted = true
    attach(core)
    begin(core)
  }

  /** disconnect ends the link and keeps the session. */
  disconnect() {
    const core = this.#core
    if (this.readyState > 1) return
    core.wanted = false
    leave(core)
    detach(core)
    calm(core)
    change(core, 'paused')
  }

  /** release is disconnect for cleanups: it also ends the rooms, and the loops. */
  release() {
    this.disconnect()
    endRooms(this.#core, failure('released', 0))
    endLoops(this.#core.listeners)
  }

  /** close sends what waits, for at most timeout, ends the session and forgets it. */
  async close(code = 1000, reason = '') {
    const core = this.#core, { links, outbox } = core
    if (this.readyState > 1) return
    core.wanted = false
    change(core, 'closing')
    const until = performance.now() + core.options.timeout
    while (links.live && outbox.queue[0] && performance.now() < until) await sleep(20)
    if (links.live) request(core, 'DELETE', links.live.token, { keepalive: true }).catch(() => 0)
    finish(core, code, reason, true)
  }
}

// Symbol.dispose is younger than the browsers that the client supports.
if (Symbol.dispose) Mirage.prototype[Symbol.dispose] = Mirage.prototype.release
