// The record that outlives the page: id, position, signed id, the messages that are not
// accepted yet, and which transports failed. Whatever the storage has or does, nothing
// here throws. The state:
//
//   storage  undefined if there is none
//   key      the record's name there
//   text     of the record, as this client read or wrote it last
//   others   the messages in it that this client does not know. They belong to another
//            client with the same record, and stay
//   full     messages that wait could not be stored

import { changed, knows } from './outbox.js'
import { decode } from './parser.js'

/** MEMORY is for how many milliseconds a transport that failed is tried last. */
export const MEMORY = 1_800_000

const isText = value => typeof value === 'string' && value.length < 4096 && /^[!-~]*$/.test(value)
const isCount = (n, least) => Number.isSafeInteger(n) && n >= least

// isMessage reports whether m has the form of a message. The server checks the rest.
function isMessage(m) {
  try {
    decode(m.d, m.x)
    return /^[\w-]{22,64}$/.test(m.w) && isCount(m.n, 1) && [m.e, m.d].every(is => typeof is === 'string')
      && !/[\r\n]/.test(m.e)
  } catch { /* it has not even the fields */ }
}

// parse returns what is usable in the text of a record. Another program may have written
// it, or another version of this one.
function parse(text) {
  let found
  try { found = JSON.parse(text) } catch { /* it is not ours */ }
  const { id, position, signed, queue, bad, again } = found ?? {}
  const kept = {
    id: isText(id) ? id : '',
    position: isText(position) ? position : '',
    signed: isText(signed) ? signed : undefined,
    queue: Array.isArray(queue)
      ? queue.filter(isMessage).map(({ w, n, e, d, x, t, a }) => ({ w, n, e, d, x, t, a })) : [],
    bad: {},
    again: isCount(again, -1) ? again : 0,
  }
  for (const name in bad) if (bad[name] <= Date.now() + MEMORY) kept.bad[name] = bad[name]
  return kept
}

/** load returns what an earlier page left. */
export function load({ client, record, options }) {
  // /live and /live/ are the same.
  record.key = 'mirage:' + (options.name || client.url.replace(/^([^?#]*)\/(?=[?#]|$)/, '$1'))
  try {
    const { storage = globalThis.document && sessionStorage } = options
    record.storage = storage
    record.text = storage.getItem(record.key)
  } catch { /* there is no storage, or it is forbidden */ }
  return parse(record.text)
}

// others returns the messages of others, as they are now.
function others(core) {
  const { record } = core
  try {
    const now = record.storage.getItem(record.key)
    if (now !== record.text) record.others = parse(now).queue.filter(m => !knows(core, m))
  } catch { /* there is no storage */ }
  return record.others
}

// write reports whether the record is stored.
function write({ record }, value) {
  const text = JSON.stringify(value)
  try {
    record.storage.setItem(record.key, text)
    record.text = text
    return true
  } catch { /* there is no storage, or it is full or forbidden */ }
}

/** save stores the record. It is clean if no message can come any more. */
export function save(core, clean) {
  const { client, record } = core
  if (!record.storage) return
  const value = {
    id: client.id, position: client.position, signed: core.address.signed, bad: core.race.bad,
    again: core.links.live && !clean ? -1 : core.inbox.repeats,
  }
  const { full } = record
  record.full = !write(core, { ...value, queue: [...core.outbox.queue, ...others(core)] })
  if (record.full) write(core, { ...value, queue: [] }) // at least the position
  if (full !== record.full) changed(core)
}

/** remove removes what this client stored, for good. */
export function remove(core) {
  const { record } = core, queue = others(core)
  try {
    if (!queue[0]) record.storage.removeItem(record.key)
    else write(core, { id: core.client.id, queue }) // the visitor who wrote them
  } catch { /* there is no storage */ }
  record.storage = undefined
}
