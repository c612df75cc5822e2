// How topics are joined and left. A join belongs to one link, so the client asks for each
// topic again when a new link has said hello. The state of a topic:
//
//   from, info  where it begins without a position, and its info as JSON, of join()
//   ask         the next request asks the server to join
//   link        the token of the link on which it was asked last
//   owed        the server has not answered that; it is asked again when timer rings
//   stale       what is owed belongs to rooms that were left. What comes before the
//               answer is dropped, and only then the topic is left, and joined again
//   anew        left, and joined again on the same link. Until the server confirms that,
//               messages of the first membership may come, and numbers may go back
//   tries       how many times in a row the server refused it for a while
//   until       when it may be asked again, by performance.now(); timer waits for that

import { delayAfterRefusal } from './backoff.js'
import { log, tell } from './core.js'
import { failure } from './errors.js'
import { hurry } from './links.js'
import { enter, newRoom, quit } from './room.js'
import { pump } from './sender.js'
import { newTopic, noteAcked } from './topics.js'

const NAME = /^[\w.:/~-]{1,128}$/
const FROM = /^(now|start|_\w{10}-\d{1,16})$/
const LONGEST_INFO = 1024 // bytes
const UNANSWERED = 15_000 // milliseconds after which the server is asked again

/** sizeOf returns the length of a text in bytes. */
export const sizeOf = text => new TextEncoder().encode(text).length

// soon sends requests when the application has finished.
const soon = core => queueMicrotask(() => pump(core))

/** join returns a new room of a topic. */
export function join(core, topic, { from, info } = {}) {
  const { all } = core.topics, name = '' + topic, text = JSON.stringify(info)
  if (core.client.readyState > 1) throw failure('closed', 410)
  if (!NAME.test(name)) throw failure('not a name of a topic: ' + name, 400)
  if (!FROM.test(from ||= 'now')) throw failure("from is 'now', 'start' or a position", 400)
  if (text && sizeOf(text) > LONGEST_INFO) throw failure('the info is too long', 413)

  const old = all.get(name)
  const wasLeft = old?.state === 'left'
  const t = !old || wasLeft ? newTopic(core, name) : old
  if (wasLeft) {
    rest(old)
    Object.assign(t, { anew: true, link: old.link, owed: old.owed, stale: old.owed })
  }
  const isFirst = !t.rooms.size
  if (isFirst) Object.assign(t, { state: 'joining', from })
  const room = newRoom(core, t)
  log(core, name, 'joining')
  if (t.state === 'joined') queueMicrotask(() => enter(core, t, room, t))
  if (isFirst || text && text !== t.info) {
    t.info = text
    schedule(core, t)
  }
  hurry(core)
  soon(core)
  return room
}

/** leave ends a room, and the topic's membership with its last room. */
export function leave(core, room) {
  const { all, toLeave } = core.topics, t = all.get(room.topic)
  if (!t?.rooms.has(room)) return
  quit(core, t, room, failure('left'), true)
  if (t.rooms.size) return

  const isAsked = t.link && t.link === core.links.live?.token
  if (!isAsked || !t.owed) rest(t)
  if (isAsked) toLeave.add(t.name)
  if (t.whole) t.state = 'joined'
  else if (isAsked) t.state = 'left'
  else all.delete(t.name)
  soon(core)
}

// rest takes back what is scheduled.
function rest(t) {
  clearTimeout(t.timer)
  t.ask = false
}

/** restAll takes back what is scheduled for all topics. */
export const restAll = ({ topics }) => topics.all.forEach(rest)

// askAfter asks the server to join, in so many milliseconds.
function askAfter(core, t, delay) {
  rest(t)
  t.ask = delay <= 0
  if (!t.ask) {
    t.timer = setTimeout(() => {
      t.ask = true
      t.owed = t.stale = false
      pump(core)
    }, delay)
  }
}

/** awaitAnswer asks the server again if it does not answer. */
export function awaitAnswer(core, t) {
  askAfter(core, t, UNANSWERED)
  t.owed = true
}

// schedule asks the server to join, as soon as it may be asked.
function schedule(core, t) {
  if (t.stale) awaitAnswer(core, t)
  else askAfter(core, t, t.until - performance.now())
}

/** rejoin asks for all rooms again: the link has said hello. */
export function rejoin(core, link) {
  const { all, toLeave } = core.topics
  toLeave.clear()
  for (const t of all.values()) {
    rest(t)
    t.acked = ''
    if (t.anew) t.came = ''
    t.anew = false
    t.owed = t.stale = false
    if (t.state === 'left') all.delete(t.name)
    if (t.rooms.size) schedule(core, t)
  }
  noteAcked(core, link.from)
}

/** isStale reports whether a block, perhaps an answer, is for rooms that were left. */
export function isStale(core, t, isAnswer) {
  const wasStale = t.stale || t.state === 'left'
  if (isAnswer && t.owed) {
    clearTimeout(t.timer)
    t.owed = t.stale = false
    if (wasStale && t.rooms.size) schedule(core, t)
    soon(core)
  }
  return wasStale
}

/** settle notes that the server has joined the client to a topic. */
export function settle(core, t, about) {
  t.state = 'joined'
  t.tries = t.until = 0
  t.key = about.key ?? ''
  for (const room of [...t.rooms.keys()]) enter(core, t, room, about)
}

/**
 * refuse notes that the server has not joined the client to a topic, or not any more.
 * After 429 and 503 the client asks again later, otherwise the rooms have ended.
 */
export function refuse(core, t, error) {
  const { status } = error
  if (!t.rooms.size || ![429, 503].includes(status)) return end(core, t, error)
  const attempt = ++t.tries, delay = delayAfterRefusal(attempt, error.retry, core.options.maxDelay)
  t.until = performance.now() + delay
  t.state = 'joining'
  for (const room of t.rooms.keys()) room.state = 'joining'
  schedule(core, t)
  tell(core, 'mirage-retry', { what: 'join', topic: t.name, error, attempt, delay })
}

function end(core, t, error) {
  const { all } = core.topics
  rest(t)
  if (all.get(t.name) === t) all.delete(t.name)
  for (const room of [...t.rooms.keys()]) quit(core, t, room, error)
}

/** endRooms ends all rooms. */
export function endRooms(core, error) {
  for (const t of [...core.topics.all.values()]) if (t.rooms.size) end(core, t, error)
}
