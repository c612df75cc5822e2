// A room is what the application has of a topic that it has joined.

import { log } from './core.js'
import { textOf } from './growing.js'
import { leave } from './joins.js'
import { Target, endLoops, newListeners } from './target.js'

/** A room. docs/client.md is its manual. */
export class Room extends Target {
  state = 'joining' // then joined, left
  #core

  constructor(core, { name, position, members, count, key }, listeners) {
    super(listeners)
    this.#core = core
    this.topic = name
    Object.assign(this, { position, members, count, key })
  }

  /** text returns what there is of a growing message. */
  text(key, event) {
    const t = this.#core.topics.all.get(this.topic)
    return t?.rooms.has(this) ? textOf(t, key, event) : ''
  }

  /** leave ends this room. The topic is left with the last room that it has. */
  leave() { leave(this.#core, this) }
}

/** newRoom adds a room to a topic. */
export function newRoom(core, t) {
  const listeners = Object.assign(newListeners('join()'), { bytes: core.options.bytes })
  const room = new Room(core, t, listeners)
  room.ready = new Promise((ok, no) => t.rooms.set(room, { listeners, ok, no }))
  room.ready.catch(() => 0) // no unhandled rejection if the application ignores it
  return room
}

function tellRoom(core, room, type, more) {
  log(core, room.topic, type, more)
  room.dispatchEvent(Object.assign(new Event(type), more))
}

/** tellRooms dispatches an event in all rooms of a topic. */
export function tellRooms(core, t, type, more) {
  for (const room of [...t.rooms.keys()]) if (t.rooms.has(room)) tellRoom(core, room, type, more)
}

/** enter tells a room that it is joined, and what is lost. */
export function enter(core, t, room, { position, lost = null, reason = '' }) {
  if (!t.rooms.has(room) || room.state === 'joined' && !lost) return
  room.state = 'joined'
  room.key = t.key
  t.rooms.get(room).ok()
  tellRoom(core, room, 'mirage-joined', { position, lost, reason })
}

/** quit takes a room from its topic. Unless the application has left it, it is told. */
export function quit(core, t, room, error, isOwn) {
  const { listeners, no } = t.rooms.get(room)
  t.rooms.delete(room)
  Object.assign(room, { state: 'left', members: new Map(), count: 0 })
  no(error)
  listeners.ended = true
  endLoops(listeners)
  log(core, room.topic, 'left:', error.message)
  if (!isOwn) tellRoom(core, room, 'mirage-left', { status: error.status, reason: error.message })
}
