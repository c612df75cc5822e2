// Messages on their way to the server. They are numbered, and stay here until the server
// has accepted them. The state:
//
//   queue    messages, each with its writer w, number n, event e, data d, encoding x,
//            t: it was tried, a: the server may have had it, ok and no: of its promise;
//            those of an earlier page come first, under that page's writer
//   count    the number of the last one
//   numbers  writer → highest number that this client has had
//   telling  a mirage-queue event is due

import { tell } from './core.js'
import { failure } from './errors.js'
import { block, decode, encode } from './parser.js'
import { acknowledgement } from './topics.js'

const outside = ({ e, d, x }) => ({ event: e || 'message', data: decode(d, x) })

const note = ({ outbox: { numbers } }, { w, n }) => numbers.set(w, Math.max(n, numbers.get(w) || 0))

/** knows reports whether this client has, or had, the message of a record. */
export const knows = ({ outbox: { numbers } }, { w, n }) => n <= numbers.get(w)

/** list returns the messages that wait, as the application knows them. */
export const list = ({ outbox }) => outbox.queue.map(outside)

/** keep replaces the queue. */
export function keep(core, queue) {
  core.outbox.queue = queue
  core.client.waiting = queue.length
  core.client.bufferedAmount = queue.reduce((sum, m) => sum + m.d.length, 0)
}

/** restore takes over the messages of an earlier page. */
export function restore(core, queue) {
  keep(core, queue)
  for (const m of queue) note(core, m)
}

/** changed tells the application that the queue is another. */
export function changed(core) {
  const { outbox } = core
  if (outbox.telling || !core.listeners.heard.has('mirage-queue')) return // an event for each message is not free
  outbox.telling = true
  queueMicrotask(() => { // one event for all changes of a task
    outbox.telling = false
    if (core.client.state === 'closed') return // close says more
    const waiting = outbox.queue.length, { storage, full } = core.record
    tell(core, 'mirage-queue', { waiting, stored: !!storage && !(full && waiting) })
  })
}

/** enqueue returns the message, or throws. */
export function enqueue(core, e, data) {
  const { client, options, outbox } = core
  if (/[\0-\x1f]/.test(e)) throw failure('not a name', 400) // the server refuses other invalid names
  const { d, x } = encode(data)
  if (client.readyState > 1) throw failure('closed', 410)
  if (outbox.queue.length >= options.messages || client.bufferedAmount + d.length > options.bytes) {
    throw failure('the queue is full', 429)
  }

  const m = { w: core.address.cid, n: ++outbox.count, e, d, x }
  outbox.queue.push(m)
  note(core, m)
  client.waiting++
  client.bufferedAmount += d.length
  changed(core)
  return m
}

function take(core, messages) {
  const gone = new Set(messages)
  keep(core, core.outbox.queue.filter(m => !gone.has(m)))
  changed(core)
}

/** withdraw takes a message back, unless it was sent. Its number will never come. */
export function withdraw(core, m) { if (!m.t) take(core, [m]) }

/** accept removes what the server has accepted. It returns how many messages that are. */
export function accept(core, writer, n) {
  const accepted = core.outbox.queue.filter(m => m.w === writer && m.n <= n)
  if (accepted[0]) take(core, accepted)
  for (const m of accepted) m.ok?.()
  return accepted.length
}

/** giveBack returns messages to the application. */
export function giveBack(core, messages, error, id = core.client.id) {
  if (!messages[0]) return
  take(core, messages)
  for (const m of messages) m.no?.(error)
  tell(core, 'mirage-returned', { id, error, messages: messages.map(outside) })
}

/**
 * nextBatch returns the next body, with at most so many messages of one writer, whose
 * numbers follow one another. They have at most so many characters together, unless one
 * message is longer. more is for the head, and requests are blocks that follow it.
 */
export function nextBatch(core, most, longest, more, requests = '') {
  const { address, outbox: { queue, count } } = core
  const { w = address.cid, n = count + 1, a } = queue[0] || {}
  let size = 0, full
  const batch = queue.filter((m, i) =>
    !(full ||= i >= most || m.w !== w || m.n !== n + i || m.a !== a || (size += m.d.length) > longest && i))

  const ack = acknowledgement(core)
  const up = { writer: w, base: n, ack, again: !!a, ...more }
  let body = `event: mirage-up\ndata: ${JSON.stringify(up)}\n\n${requests}`
  for (const m of batch) {
    m.t = 1
    body += block(m)
  }
  return { batch, w, ack, body }
}
