// The way down: which messages are new, how they reach the application, and how far the
// client has come.

import { failure } from './errors.js'
import { epochAndNumber } from './parser.js'

// report throws an error of a listener where nothing catches it: a page reports it, Node
// ends before the promise resolves.
const report = error => new Promise(done => {
  setTimeout(() => {
    setTimeout(done)
    throw error
  })
})

export class Inbox {
  taps = new Set() // loops over the client
  unheard = new Set() // event names of which the application was warned
  pending // with ackAfter: 'promise', resolves when the listeners so far have finished
  resets = 0

  constructor(core, { position, again }) {
    this.core = core
    this.came = core.client.position = position // up to here everything came
    // Up to this number an earlier page, which crashed, may have had the messages; -1
    // until hello says.
    this.repeats = again
  }

  /** reset continues at a position that no message led to. */
  reset(position) {
    this.came = this.core.client.position = position
    this.resets++
  }

  /** take takes a block with an id, and drops one that an earlier link brought. */
  take(link, { id, event, data }) {
    const [epoch, seq] = epochAndNumber(this.came), [other, n] = epochAndNumber(id)
    if (other !== epoch) throw failure('epoch')
    if (n - seq <= 0) return
    const gap = event === 'mirage-gap'
    if (!gap && n - seq > 1) throw failure('hole')

    const { client, sender, tell } = this.core
    const { resets, pending } = this
    const promises = []
    link.news = true
    this.came = id
    if (gap) {
      const about = JSON.parse(data)
      tell(event, { ...about, from: Math.max(about.from, +seq + 1) })
    } else if (!event.startsWith('mirage') && data != null) {
      this.dispatch(event, { data, lastEventId: id }, n <= this.repeats, promises)
    }

    // The position moves after the listeners have run, and in order.
    const delivered = () => {
      if (resets !== this.resets) return
      client.position = id
      if (link.name !== 'poll') sender.came() // otherwise the next poll acknowledges
    }
    if (!promises[0] && !pending) return delivered()
    const last = this.pending = Promise.all([pending, ...promises]).catch(report).then(() => {
      delivered()
      if (this.pending === last) this.pending = undefined
    })
  }

  dispatch(event, init, again, promises) {
    const { client, options } = this.core
    if (!client.hears(event) && !this.taps.size && !this.unheard.has(event)) {
      this.unheard.add(event)
      console.warn(`mirage: nobody listens to '${event}', and what came is not delivered again: `
        + 'add listeners right after new Mirage()')
    }
    const e = Object.assign(new MessageEvent(event, init), { again })
    if (options.ackAfter === 'promise') e.waitUntil = promise => promises.push(promise)
    client.dispatchEvent(e)
    for (const tap of this.taps) tap(e)
  }

  /** endLoops ends the loops over the client, once they have had what came. */
  endLoops() { for (const tap of this.taps) tap() }

  /** messages iterates over all messages, as they come. */
  async *messages() {
    const waiting = []
    let size = 0, ended = this.core.client.state === 'closed', ring
    const sizeOf = ({ data }) => data.length ?? data.byteLength
    const tap = e => {
      if (e) {
        waiting.push(e)
        size += sizeOf(e)
        e.waitUntil?.(new Promise(done => { e.done = done }))
      } else {
        ended = true
      }
      ring?.()
    }
    this.taps.add(tap)

    try {
      while (waiting[0] || !ended) {
        if (waiting.length > 1000 || size > this.core.options.bytes) throw failure('too slow')
        const e = waiting.shift()
        if (e) {
          size -= sizeOf(e)
          yield e
          e.done?.()
        } else {
          await new Promise(done => { ring = done })
        }
      }
    } finally {
      this.taps.delete(tap)
    }
  }
}
