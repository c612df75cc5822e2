// The way up: one POST, or one WebSocket frame with messages, at a time.

import { sleep } from './backoff.js'
import { check, discard, failure, foreign, isEventStream } from './errors.js'

const LONGEST_ANSWER = 15_000 // milliseconds
const MOST = 100 // messages in a request
const ACK_AFTER = 16 // messages
const ACK_WITHIN = 500 // milliseconds
const KEEPALIVE = 60_000 // bytes that a request may have that outlives its page

export class Sender {
  busy = false
  most = MOST // messages in the next request
  tries = 0 // how many requests in a row failed
  unacked = 0 // messages that came and are not acknowledged
  due = false // an acknowledgement is to be sent, even without messages
  timer // until what is new is stored and acknowledged
  abort = new AbortController() // for the request under way
  hurry // ends the pause before the next request

  constructor(core) { this.core = core }

  /** soon stores and acknowledges in a moment. */
  soon() {
    this.timer ||= setTimeout(() => {
      this.timer = undefined
      this.core.save()
      if (this.unacked) this.flush()
    }, ACK_WITHIN)
  }

  /** flush acknowledges now. */
  flush() {
    this.due ||= this.unacked > 0
    this.pump()
  }

  /** came counts a message that came down. */
  came() {
    if (++this.unacked >= ACK_AFTER || globalThis.document?.hidden) this.flush() // the timers of a hidden page sleep
    else this.soon()
  }

  async pump() {
    if (this.busy) return
    this.busy = true
    for (let live; (live = this.core.links.live) && (this.due || this.core.outbox.queue[0]);) await this.send(live)
    this.busy = false
  }

  /** next returns the next body. It also acknowledges, and is stored before it is sent. */
  next(leaving) {
    const next = this.core.outbox.next(this.most, leaving)
    this.due = false
    this.unacked = 0
    this.core.save()
    return next
  }

  async send(link) {
    const { outbox } = this.core
    const { batch, w, body } = this.next()
    const { signal } = this.abort = new AbortController()
    const timer = setTimeout(() => this.abort.abort(), LONGEST_ANSWER)

    try {
      const { accepted, failed = [] } = await this.say(link, body, signal, batch[0]) || 0
      outbox.giveBack(batch.filter(m => failed.includes(m.n)), failure('the handler failed', 500))
      if (!outbox.accept(w, accepted) && outbox.queue.includes(batch[0])) throw failure('not accepted')
      if (this.most < MOST) this.most++
      this.recovered()
    } catch (error) {
      await this.failed(link, batch, w, error || failure('no answer'), signal.aborted)
    }
    clearTimeout(timer)
  }

  recovered() {
    this.tries = 0
    this.core.showStalled()
  }

  async failed(link, batch, w, error, aborted) {
    const { links, outbox } = this.core
    if (!batch[0]) this.due = true
    if (error.unfit && batch[0]) { // one of the messages is the reason: the others are sent without it
      this.most = batch.length + 1 >> 1
      if (!batch[1]) outbox.giveBack(batch, error)
      return
    }
    if (error.final) return this.core.finish(4000 + error.status, error.message)
    if (links.live?.token !== link.token || outbox.accept(w, error.expected - 1)) return

    if (error.status === 401 && !error.foreign) return links.over(link, error)

    const attempt = ++this.tries
    const delay = aborted ? 0 : this.core.delay(error, attempt)
    this.core.showStalled(aborted)
    if (attempt > 1) this.core.tell('mirage-retry', { what: 'send', error, attempt, delay })
    if (aborted) links.over(link, error) // it does not work any more
    else await sleep(delay, done => { this.hurry = done })
  }

  // say sends a body upstream and returns the server's answer. The server does not answer
  // a frame that is only an acknowledgement.
  async say(link, body, signal, wait) {
    const { socket, token } = link
    if (!socket) return this.post(token, body, signal)
    socket.readyState > 1 || socket.send(body) // otherwise its close event is on the way
    return wait && new Promise((ok, no) => {
      link.answer = answer =>
        answer.status === 200 ? ok(answer) : no(Object.assign(failure(answer.detail, answer.status), answer))
      signal.onabort = () => no()
    })
  }

  // A redirect with 301 or 302 turns the POST into a GET without a body, which the server
  // answers with a stream. request has adopted the path then, so the next attempt is not
  // redirected.
  async post(token, body, signal) {
    const { address } = this.core
    const keepalive = globalThis.document?.hidden && body.length < 16_000 // it may outlive a page that ends
    const answer = await check(await address.request('POST', token, { body, signal, keepalive }), address.url)
    if (isEventStream(answer)) {
      discard(answer)
      throw failure('redirected')
    }
    const result = await answer.json().catch(() => 0)
    if (!(result.accepted >= 0)) throw foreign(answer, address.url)
    address.adopt(answer)
    return result
  }

  /**
   * farewell sends the last messages of a page that ends, and says so, in case the server
   * does not see the link end. It may be called again: each call repeats what is not
   * accepted. The messages are also stored, and the server recognizes them if they come
   * again. What is too long for a request that outlives its page is only stored.
   */
  farewell(token) {
    let { body } = this.next(true)
    if (new Blob([body]).size > KEEPALIVE) body = body.split('\n\n', 1) + '\n\n'
    this.core.address.request('POST', token, { body, keepalive: true }).catch(() => 0)
  }

  /** stop gives up the request under way: its link is lost. */
  stop() { this.abort.abort() }

  /** end ends the timer. */
  end() { this.timer = clearTimeout(this.timer) }
}
