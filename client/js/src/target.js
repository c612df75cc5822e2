// What the client and its rooms have in common: events with listeners, and loops over
// them. The state:
//
//   target  the client or the room
//   made    how the application made it, for a warning
//   heard   event names that have or had a listener, or of which the application was
//           warned
//   taps    loops over the messages
//   bytes   how much may wait for a loop
//   ended   there will be no message any more

import { failure } from './errors.js'

const MOST_WAITING = 1000 // messages for one loop

export const newListeners = made => ({ made, heard: new Set(), taps: new Set() })

// payload returns what listeners of on() get.
function payload(e, type) {
  const { data, key, text, done } = e
  if (data == null) return e.mirage ?? e
  if (text != null) return { key, piece: data, text, done }
  return type === 'message' || data instanceof ArrayBuffer ? data : JSON.parse(data)
}

export class Target extends (globalThis.EventTarget || Object) {
  #listeners

  constructor(listeners) {
    super()
    listeners.target = this
    this.#listeners = listeners
  }

  addEventListener(type, listener, options) {
    this.#listeners.heard.add(type)
    super.addEventListener(type, listener, options)
  }

  /**
   * on calls listener with the payload of each event: its data, parsed if the event has a
   * name. It returns the function that removes the listener.
   */
  on(type, listener, options) {
    const call = e => {
      const result = listener(payload(e, type), e)
      if (result?.then) e.waitUntil?.(result)
    }
    this.addEventListener(type, call, options)
    return () => this.removeEventListener(type, call, options)
  }

  /** once is on, for one event. */
  once(type, listener) { return this.on(type, listener, { once: true }) }

  [Symbol.asyncIterator]() { return messages(this.#listeners) }
}

/** dispatch hands a message over. Promises of its listeners are added to promises. */
export function dispatch({ options }, { target, made, heard, taps }, e, promises) {
  if (!heard.has(e.type) && !taps.size && !target['on' + e.type]) {
    heard.add(e.type)
    console.warn(`mirage: '${e.type}' came before its listener: add it right after ${made}`)
  }
  if (options.ackAfter === 'promise') e.waitUntil = promise => promises.push(promise)
  target.dispatchEvent(e)
  for (const tap of taps) tap(e)
}

/** endLoops ends the loops, once they have had what came. */
export const endLoops = ({ taps }) => { for (const tap of taps) tap() }

const sizeOf = ({ data }) => data.length ?? data.byteLength

// messages iterates over all messages, as they come.
async function* messages(listeners) {
  const { taps, bytes } = listeners
  let waiting = []
  let size = 0, { ended } = listeners, ring
  const tap = e => {
    if (e) {
      let done
      e.waitUntil?.(new Promise(resolve => { done = resolve }))
      waiting.push([e, done])
      size += sizeOf(e)
      if (waiting.length > MOST_WAITING || size > bytes) leave()
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
