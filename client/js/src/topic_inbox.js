// The way down for topics: which blocks are new, and how they reach the rooms, or the
// client where a topic has none.

import { tell } from './core.js'
import { failure } from './errors.js'
import { grow } from './growing.js'
import { newMessage, noteNews, whenHandled } from './inbox.js'
import { isStale, refuse, settle } from './joins.js'
import { epochAndNumber } from './parser.js'
import { tellRooms } from './room.js'
import { dispatch } from './target.js'
import { find, newTopic } from './topics.js'

/** takeTopic takes a block of a topic. about is the data of a control event. */
export function takeTopic(core, link, block, about) {
  const { id, event } = block, name = block.topic || about.topic
  const isJoined = event === 'mirage-joined', isLeft = event === 'mirage-left', isMembers = event === 'mirage-members'
  noteNews(core, link)
  const t = find(core, name, id) || !isLeft && !isMembers && newTopic(core, name || epochAndNumber(id)[0], true)
  if (!t || isStale(core, t, isJoined || isLeft)) return
  if (isLeft) return takeLeft(core, t, about)
  if (isMembers) return takeMembers(core, t, about)

  const [epoch, seq] = epochAndNumber(t.came), [other, n] = epochAndNumber(id ?? '')
  const isKnown = epoch === other && n - seq <= 0 && !t.anew
  if (isJoined) t.anew = false
  const { anew } = t
  if (isKnown) t.acked = '' // the server does not know that it came
  else if (id) t.came = id

  const promises = []
  if (event === 'mirage-gap') {
    const isOurs = epoch === other || !id && about.to != null // numbers of the epoch in came
    if (!isKnown) tellGap(core, t, about, isOurs ? +seq || 0 : 0)
  } else if (!about && (block.data ?? block.grow) != null) {
    deliver(core, t, block, +n || 0, isKnown, promises)
  }

  // The position moves after the listeners have run, and in order.
  whenHandled(core, link, promises, () => {
    if (isKnown || !id || anew) return isKnown
    t.position = id
    for (const room of t.rooms.keys()) room.position = id
    return true
  })
  if (isJoined) settle(core, t, about)
}

const takeLeft = (core, t, { status, reason, retry }) =>
  refuse(core, t, Object.assign(failure(reason, status), { retry }))

// tellGap tells of messages that are lost, except those up to number seq. If growing
// messages follow that are read whole, only the last of them has the id. A client that is
// cut before that is told again.
function tellGap(core, t, { from, to, reason }, seq) {
  if (to != null && to <= seq) return
  const gap = { topic: t.name, from: Math.max(from, seq + 1), to, reason }
  if (t.rooms.size) tellRooms(core, t, 'mirage-gap', gap)
  else tell(core, 'mirage-gap', gap)
}

// deliver hands a message to the rooms, or to the client if there is none.
function deliver(core, t, block, n, isKnown, promises) {
  const { id = '', event, data, key } = block
  const about = block.grow != null ? grow(t, block, n, isKnown) : !isKnown && { piece: data }
  if (!about) return
  const hand = listeners =>
    dispatch(core, listeners, newMessage(event, about.piece, id, { ...about, key, topic: t.name }), promises)
  if (!t.rooms.size) return hand(core.listeners)
  for (const [room, { listeners }] of [...t.rooms]) if (t.rooms.has(room)) hand(listeners)
}

function takeMembers(core, t, about) {
  const { count, members, joined = members ?? [] } = about
  let { left = [] } = about
  if (members) left = [...t.members.keys()].filter(key => !members.some(m => m.key === key))
  if (!about.joined && !about.left) t.members.clear()
  for (const key of left) t.members.delete(key)
  for (const { key, info } of joined) t.members.set(key, info)
  t.count = count
  for (const room of t.rooms.keys()) room.count = count
  tellRooms(core, t, 'mirage-members', { count, joined, left })
}
