// Requests to join and leave topics, as blocks of the wire. The server answers them down
// the link. They have no number: one that may be lost is repeated.

import { awaitAnswer, sizeOf } from './joins.js'

const LARGEST = 3072 // bytes of data in a block
const MOST_BLOCKS = 5 // in a body
const MOST_NAMES = 200 // in a body

// A topic whose join the server has not answered is left when it has: the answers to
// several requests could not be told apart.
const namesToLeave = ({ topics: { all, toLeave } }) => [...toLeave].filter(name => !all.get(name)?.owed)
const topicsToJoin = ({ topics }) => [...topics.all.values()].filter(t => t.ask && t.rooms.size && !t.stale)

/** hasRequests reports whether there is something to ask. */
export const hasRequests = core => namesToLeave(core)[0] || topicsToJoin(core)[0]

/**
 * takeRequests returns the blocks that ask for what is due as text, and what that is:
 * names to leave, and topics to join. A name may be left and joined again, in this order.
 */
export function takeRequests(core, link) {
  const { toLeave } = core.topics
  const blocks = [], names = [], topics = []
  // add reports whether there was room.
  const add = (event, json) => {
    if (names.length + topics.length === MOST_NAMES) return
    const size = sizeOf(json) + 1
    let last = blocks.at(-1)
    if (last?.event !== event || last.size + size > LARGEST) {
      if (blocks.length === MOST_BLOCKS) return
      blocks.push(last = { event, size: 0, list: [] })
    }
    last.size += size
    last.list.push(json)
    return true
  }

  for (const name of namesToLeave(core)) {
    if (!add('mirage-leave', JSON.stringify(name))) break
    toLeave.delete(name)
    names.push(name)
  }
  for (const t of topicsToJoin(core)) {
    const { name: topic, position, came, from, info } = t
    const start = JSON.stringify({ topic, from: position || came || from }).slice(0, -1)
    const json = start + (info ? `,"info":${info}}` : '}')
    if (toLeave.has(topic) || !add('mirage-join', json)) break
    topics.push(t)
    t.link = link.token
    awaitAnswer(core, t)
  }

  const text = blocks.map(({ event, list }) => `event: ${event}\ndata: {"topics":[${list}]}\n\n`).join('')
  return { text, names, topics }
}

/** askAgain takes back requests that failed. */
export function askAgain(core, { names, topics }) {
  const { all, toLeave } = core.topics
  for (const name of names) toLeave.add(name)
  for (const { name } of topics) {
    const t = all.get(name) // perhaps another one, which waits for the answer
    if (t) Object.assign(t, { owed: false, stale: false, ask: true })
  }
}
