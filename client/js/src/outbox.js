// Messages on their way to the server. They are numbered, and stay here until the server
// has accepted them.

import { failure } from './errors.js'
import { block, decode, encode } from './parser.js'

const LONGEST_BATCH = 16_384 // characters, unless one message is longer

const outside = ({ e, d, x }) => ({ event: e || 'message', data: decode(d, x) })

export class Outbox {
  count = 0 // the number of the last message
  telling = false // a mirage-queue event is due

  /** Messages of an earlier page come first, under that page's writer. */
  constructor(core, queue) {
    this.core = core
    this.writer = core.address.cid
    this.known = new Map() // writer → highest number that this client has had
    this.set(queue)
    for (const m of queue) this.note(m)
  }

  set(queue) {
    this.queue = queue
    this.core.client.waiting = queue.length
    this.core.client.bufferedAmount = queue.reduce((sum, m) => sum + m.d.length, 0)
  }

  note({ w, n }) { this.known.set(w, Math.max(n, this.known.get(w) || 0)) }

  /** knows reports whether this client has, or had, the message of a record. */
  knows = ({ w, n }) => n <= this.known.get(w)

  /** put enqueues a message, and returns it, or throws. */
  put(e, data) {
    const { client, options } = this.core
    if (/[\0-\x1f]/.test(e)) throw failure('not a name', 400) // the server refuses other invalid names
    const { d, x } = encode(data)
    if (client.readyState > 1) throw failure('closed', 410)
    if (this.queue.length >= options.messages || client.bufferedAmount + d.length > options.bytes) {
      throw failure('the queue is full', 429)
    }

    const m = { w: this.writer, n: ++this.count, e, d, x }
    this.queue.push(m)
    this.note(m)
    client.waiting++
    client.bufferedAmount += d.length
    this.changed()
    return m
  }

  /**
   * withdraw takes a message back that was never sent, and reports whether it could. The
   * numbers of a writer have no holes, so later messages get another writer.
   */
  withdraw(m) {
    const at = this.queue.indexOf(m)
    if (at < 0 || m.t) return false
    this.remove([m])
    const later = this.queue.slice(at).filter(other => other.w === m.w)
    this.writer = m.w.slice(0, 50) + '_' + this.known.size
    this.count = 0
    for (const other of later) {
      Object.assign(other, { w: this.writer, n: ++this.count })
      this.note(other)
    }
    return true
  }

  remove(messages) {
    const gone = new Set(messages)
    this.set(this.queue.filter(m => !gone.has(m)))
    if (gone.size) this.changed()
  }

  /** accept removes what the server has accepted, and returns how many messages that are. */
  accept(writer, n) {
    const accepted = this.queue.filter(m => m.w === writer && m.n <= n)
    this.remove(accepted)
    for (const m of accepted) m.ok?.()
    return accepted.length
  }

  /** giveBack returns messages to the application. */
  giveBack(messages, error) {
    if (!messages[0]) return
    this.remove(messages)
    for (const m of messages) m.no?.(error)
    this.core.tell('mirage-returned', { id: this.core.client.id, error, messages: messages.map(outside) })
  }

  /** next returns the next body, with at most so many messages, all of one writer. */
  next(most, leaving) {
    const { w = this.writer, n = this.count + 1, a } = this.queue[0] || {}
    let size = 0, full
    const batch = this.queue.filter((m, i) =>
      !(full ||= i >= most || m.w !== w || m.a !== a || (size += m.d.length) > LONGEST_BATCH && i))

    const up = { writer: w, base: n, ack: this.core.client.position, again: !!a, leaving }
    let body = `event: mirage-up\ndata: ${JSON.stringify(up)}\n\n`
    for (const m of batch) {
      m.t = 1 // it was tried
      body += block(m)
    }
    return { batch, w, body }
  }

  /** repeat marks what was tried: a server that has lost its log may have had it. */
  repeat() { for (const m of this.queue) m.a = m.t }

  list() { return this.queue.map(outside) }

  changed() {
    if (this.telling) return
    this.telling = true
    queueMicrotask(() => { // one event for all changes of a task
      this.telling = false
      this.core.tell('mirage-queue', { waiting: this.queue.length, stored: !this.core.record.full })
    })
  }
}
