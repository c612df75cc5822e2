// The topics that the client reads: those that it has joined, which have rooms, and those
// that the server has let the whole session join. The state:
//
//   all      name → topic
//   toLeave  names of topics that the server is to be told of
//
// The state of a topic:
//
//   joining ──mirage-joined──▶ joined
//      │ ▲                         │ │
//      │ └──refused for a while────┘ │
//      └───────────▶ left ◀──────────┘
//
// joined is what mirage-joined says, and also the state of a topic without a room. One
// that was left stays here until the next link, because some of it may be under way. The
// fields of a topic:
//
//   name      of the topic, or the beginning of its positions until a message names it
//   state     one of these; that of a room which has just come may still be joining
//   rooms     room → { listeners, ok, no }; the last two settle its promise ready
//   whole     the session has joined it: messages came while there was no room
//   came      the position up to which everything came
//   position  up to where everything was delivered; '' if not known
//   acked     the last position that the server was told
//   growing   growing messages: growing.js
//   members, count, key  as rooms have them
//   from, info, ask, link, owed, stale, anew, tries, until, timer  of the client's join:
//             joins.js

import { epochAndNumber } from './parser.js'

const MOST_OTHERS = 64 // topics without a room
const LONGEST = 2048 // characters of positions

/** newTopic adds a topic, perhaps in place of one that was left. */
export function newTopic({ topics: { all } }, name, whole) {
  const t = {
    name, whole, state: whole ? 'joined' : 'joining', rooms: new Map(), came: '', position: '', acked: '',
    growing: new Map(), members: new Map(), count: 0, key: '', tries: 0, until: 0,
  }
  all.set(name, t)
  const others = [...all.values()].filter(t => !t.rooms.size)
  if (whole && others[MOST_OTHERS]) all.delete(others[0].name)
  return t
}

/** find returns the topic of a block. If the name is missing, the position shows it. */
export function find({ topics: { all } }, name, id) {
  const [beginning] = epochAndNumber(id ?? '')
  const t = all.get(name) ?? [...all.values()].find(({ came }) => id && epochAndNumber(came)[0] === beginning)
  if (t && name && t.name !== name) {
    all.delete(t.name)
    all.set(t.name = name, t)
  }
  return t
}

/**
 * positions returns the position of the session, followed by those of the topics that
 * isWanted accepts. What would make it too long is left out, topics without a room first.
 */
export function positions({ client, topics }, isWanted = () => true) {
  let text = client.position
  for (const t of [...topics.all.values()].sort((a, b) => b.rooms.size - a.rooms.size)) {
    const longer = text + t.position
    if (t.state !== 'left' && isWanted(t) && longer.length <= LONGEST) text = longer
  }
  return text
}

/** acknowledgement is positions without those that the server was told. */
export const acknowledgement = core => positions(core, t => t.position !== t.acked)

/** noteAcked notes that the server was told the positions in a text. */
export function noteAcked({ topics }, text) {
  for (const t of topics.all.values()) if (text.includes(t.position)) t.acked = t.position
}
