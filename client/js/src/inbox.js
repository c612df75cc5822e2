// The way down: which messages of the session are new, and how far the client has come.
// The state:
//
//   came     the position up to which everything came; client.position is up to where
//            everything was delivered
//   repeats  up to this number an earlier page, which crashed, may have had the messages;
//            -1 until hello says
//   resets   how often no message led to the position
//   pending  with ackAfter: 'promise', resolves when the listeners so far have finished

import { reached, tell } from './core.js'
import { failure } from './errors.js'
import { epochAndNumber } from './parser.js'
import { count } from './sender.js'
import { dispatch } from './target.js'

/** reset continues at a position that no message led to. */
export function reset({ client, inbox }, position) {
  inbox.came = client.position = position
  inbox.resets++
}

// report throws an error of a listener where nothing catches it: a page reports it, Node
// ends before the promise resolves.
const report = error => new Promise(done => {
  setTimeout(() => {
    setTimeout(done)
    throw error
  })
})

/** noteNews notes that a link brought something new. */
export function noteNews(core, link) {
  link.news = true
  if (core.page.offline) reached(core)
}

/** newMessage returns the event for a message. */
export const newMessage = (type, data, lastEventId, { again = false, topic = '', key = '', text, done }) =>
  Object.assign(new MessageEvent(type, { data, lastEventId }), { again, topic, key, text, done })

/** receive takes a block with an id, and drops one that an earlier link brought. */
export function receive(core, link, { id, event, data, key }) {
  const { client, inbox } = core
  const [epoch, seq] = epochAndNumber(inbox.came), [other, n] = epochAndNumber(id)
  if (other !== epoch) throw failure('epoch')
  if (n - seq <= 0) return

  const { resets } = inbox
  const promises = []
  noteNews(core, link)
  inbox.came = id // perhaps beyond messages that were superseded or have expired
  if (event === 'mirage-gap') {
    const about = JSON.parse(data)
    tell(core, event, { topic: '', ...about, from: Math.max(about.from, +seq + 1) })
  } else if (!event.startsWith('mirage') && data != null) {
    dispatch(core, core.listeners, newMessage(event, data, id, { key, again: n <= inbox.repeats }), promises)
  }

  whenHandled(core, link, promises, () => {
    if (resets !== inbox.resets) return
    client.position = id
    return true
  })
}

/**
 * whenHandled calls move once the listeners of this message, and of all before it, have
 * finished. If move returns true, a position has moved, and is acknowledged.
 */
export function whenHandled(core, link, promises, move) {
  const { inbox } = core, { pending } = inbox
  const moved = () => {
    if (move() && link.name !== 'poll') count(core) // otherwise the next poll acknowledges
  }
  if (!promises[0] && !pending) return moved()
  const last = inbox.pending = Promise.all([pending, ...promises]).catch(report).then(() => {
    moved()
    if (inbox.pending === last) inbox.pending = undefined
  })
}
