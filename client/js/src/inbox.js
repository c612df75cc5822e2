// The way down: which messages are new, how they reach the application, and how far the
// client has come. The state:
//
//   came     the position up to which everything came; client.position is up to where
//            everything was delivered
//   repeats  up to this number an earlier page, which crashed, may have had the messages;
//            -1 until hello says
//   resets   how often no message led to the position
//   pending  with ackAfter: 'promise', resolves when the listeners so far have finished
//   heard    event names that have or had a listener, or of which the application was
//            warned
//   taps     loops over the client

import { reached, tell } from './core.js'
import { failure } from './errors.js'
import { epochAndNumber } from './parser.js'
import { count } from './sender.js'

/** reset continues at a position that no message led to. */
export function reset({ client, inbox }, position) {
  inbox.came = client.position = position
  inbox.resets++
}

const MOST_WAITING = 1000 // messages for one loop

// report throws an error of a listener where nothing catches it: a page reports it, Node
// ends before the promise resolves.
const report = error => new Promise(done => {
  setTimeout(() => {
    setTimeout(done)
    throw error
  })
})

/** receive takes a block with an id, and drops one that an earlier link brought. */
export function receive(core, link, { id, event, data }) {
  const { client, inbox } = core
  const [epoch, seq] = epochAndNumber(inbox.came), [other, n] = epochAndNumber(id)
  if (other !== epoch) throw failure('epoch')
  if (n - seq <= 0) return
  const gap = event === 'mirage-gap'
  if (!gap && n - seq > 1) throw failure('hole')

  const { resets, pending } = inbox
  const promises = []
  link.news = true
  if (core.page.offline) reached(core)
  inbox.came = id
  if (gap) {
    const about = JSON.parse(data)
    tell(core, event, { ...about, from: Math.max(about.from, +seq + 1) })
  } else if (!event.startsWith('mirage') && data != null) {
    const e = new MessageEvent(event, { data, lastEventId: id })
    dispatch(core, Object.assign(e, { again: n <= inbox.repeats }), promises)
  }

  // The position moves after the listeners have run, and in order.
  const delivered = () => {
    if (resets !== inbox.resets) return
    client.position = id
    if (link.name !== 'poll') count(core) // otherwise the next poll acknowledges
  }
  if (!promises[0] && !pending) return delivered()
  const last = inbox.pending = Promise.all([pending, ...promises]).catch(report).then(() => {
    delivered()
    if (inbox.pending === last) inbox.pending = undefined
  })
}

function dispatch({ client, inbox: { heard, taps }, options }, e, promises) {
  if (!heard.has(e.type) && !taps.size && !client['on' + e.type]) {
    heard.add(e.type)
    console.warn(`mirage: '${e.type}' came before its listener: add it right after new Mirage()`)
  }
  if (options.ackAfter === 'promise') e.waitUntil = promise => promises.push(promise)
  client.dispatchEvent(e)
  for (const tap of taps) tap(e)
}

/** endLoops ends the loops over the client, once they have had what came. */
export const endLoops = ({ inbox }) => { for (const tap of inbox.taps) tap() }

const sizeOf = ({ data }) => data.length ?? data.byteLength

/** messages iterates over all messages, as they come. */
export async function* messages({ client, inbox: { taps }, options }) {
  let waiting = []
  let size = 0, ended = client.state === 'closed', ring
  const tap = e => {
    if (e) {
      let done
      e.waitUntil?.(new Promise(resolve => { done = resolve }))
      waiting.push([e, done])
      size += sizeOf(e)
      if (waiting.length > MOST_WAITING || size > options.bytes) leave()
    } else {
      ended = true
    }
    ring?.()
  }
  const leave = () => {
    taps.delete(tap)
    for (const [, done] of waiting) done?.()
    waiting = undefined
  }
  taps.add(tap)

  try {
    while (!waiting || waiting[0] || !ended) {
      if (!waiting) throw failure('the loop is too slow')
      if (waiting[0]) {
        const [[e, done]] = waiting
        yield e // until the loop asks for the next one
        waiting?.shift()
        size -= sizeOf(e)
        done?.()
      } else {
        await new Promise(wake => { ring = wake })
      }
    }
  } finally {
    if (waiting) leave()
  }
}
