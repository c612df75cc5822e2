// Growing messages: their text comes in pieces, each with its offset in bytes of UTF-8.
// What a topic has of them, by event and key:
//
//   event, key  the name of the message
//   first       the number of its first piece, 0 if it was read whole
//   text        what there is of it
//   size        the offset in bytes at which it continues
//   done        it is complete

const MOST = 64 // growing messages of a topic
const LONGEST = 1 << 20 // bytes of a text

/**
 * grow takes the block with the number n, 0 for none. Its piece begins at an offset. At 0
 * the message begins anew, unless isKnown says that the number has come before: after a
 * cut, a piece may come again, and with more than it had. grow returns what is new, the
 * text, and whether that is complete, or undefined if nothing is new.
 */
export function grow({ growing }, { event, key, data = '', grow: offset, done }, n, isKnown) {
  const bytes = data.big ? new TextEncoder().encode(data) : new Uint8Array(data)
  const name = event + '\n' + key
  const known = offset || isKnown ? growing.get(name) : undefined
  if (isKnown && n < known?.first) return // of a message before this one

  const { size = offset, text = '', first = n } = known ?? {}
  const piece = new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytes.subarray(Math.max(0, size - offset)))
  if (known && !piece && (known.done || !done)) return
  const end = Math.max(size, offset + bytes.length)
  const now = { event, key, first, text: end > LONGEST ? text : text + piece, size: end, done: done || !!known?.done }
  if (!known) {
    growing.delete(name) // it is the youngest now
    makeRoom(growing)
  }
  growing.set(name, now)
  return { piece, text: now.text, done: now.done }
}

// makeRoom evicts the oldest message that is complete, or the oldest one.
function makeRoom(growing) {
  if (growing.size < MOST) return
  const names = [...growing.keys()]
  growing.delete(names.find(name => growing.get(name).done) ?? names[0])
}

/** textOf returns what there is of a growing message. */
export function textOf({ growing }, key, event) {
  const found = [...growing.values()].reverse().find(m => m.key === key && (event ?? m.event) === m.event)
  return found?.text ?? ''
}
