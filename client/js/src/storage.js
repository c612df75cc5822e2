// The record that outlives the page: id, position, signed id, the messages that are not
// accepted yet, and which transports failed. Whatever the storage has or does, nothing
// here throws.

import { decode } from './parser.js'

/** MEMORY is for how many milliseconds a transport that failed is tried last. */
export const MEMORY = 1_800_000

const matching = (value, pattern, other) => typeof value === 'string' && pattern.test(value) ? value : other
const isCount = (n, least) => Number.isSafeInteger(n) && n >= least

// isMessage reports whether m can be sent as it is.
function isMessage(m) {
  try {
    decode(m.d, m.x)
    return matching(m.w, /^[\w-]{22,64}$/) && isCount(m.n, 1) && matching(m.e + '\n', /^[^\0-\x1f]*\n$/)
      && matching(m.d, m.x ? /^/ : /^[^\r\0]*$/, '\0') !== '\0'
  } catch {
    return false
  }
}

// parse returns what is usable in the text of a record. Another program may have written
// it, or another version of this one.
function parse(text) {
  let found
  try { found = JSON.parse(text) } catch { /* it is not ours */ }
  const { id, position, signed, queue, bad, again } = found ?? {}
  const kept = {
    id: matching(id, /^[!-~]{1,256}$/, ''),
    position: matching(position, /^[\w.-]{1,64}$/, ''),
    signed: matching(signed, /^[!-~]{1,4096}$/),
    queue: Array.isArray(queue) ? queue.filter(isMessage) : [],
    bad: {},
    again: isCount(again, -1) ? again : 0,
  }
  for (const name in bad) if (bad[name] <= Date.now() + MEMORY) kept.bad[name] = bad[name]
  return kept
}

export class Record {
  storage
  text // of the record, as this client read or wrote it last

  /** full is true if messages that wait could not be stored. */
  full = true

  constructor(options, url) {
    // /live and /live/ are the same.
    this.key = 'mirage:' + (options.name || url.replace(/^([^?#]*)\/(?=[?#]|$)/, '$1'))
    try {
      const { storage = globalThis.document && sessionStorage } = options
      this.storage = storage
      this.text = storage.getItem(this.key)
    } catch { /* there is no storage, or it is forbidden */ }
    this.kept = parse(this.text)
  }

  /**
   * save stores the record. Messages in it that this client does not know belong to
   * another client with the same record, and stay.
   */
  save(record, knows) {
    const queue = [...this.others(knows), ...record.queue]
    this.full = !this.write({ ...record, queue })
    if (this.full) this.write({ ...record, queue: [] }) // at least the position
  }

  /** remove removes what this client stored, for good. */
  remove(knows) {
    const queue = this.others(knows)
    try {
      if (!queue[0]) this.storage.removeItem(this.key)
    } catch { /* there is no storage */ }
    if (queue[0]) this.write({ queue })
    this.storage = undefined
  }

  others(knows) {
    try {
      const text = this.storage.getItem(this.key)
      return text === this.text ? [] : parse(text).queue.filter(m => !knows(m))
    } catch {
      return []
    }
  }

  // write reports whether the record is stored.
  write(record) {
    const text = JSON.stringify(record)
    try {
      this.storage.setItem(this.key, text)
      this.text = text
      return true
    } catch { /* there is no storage, or it is full or forbidden */ }
  }
}
