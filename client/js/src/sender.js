// The way up: one POST, or one WebSocket frame with messages, at a time. The state:
//
//   busy     a request is under way, or the pause after one that failed
//   abort    ends the request
//   hurry    ends the pause
//   tries    how many requests in a row failed
//   most     messages in the next request
//   unacked  messages that came and are not acknowledged
//   due      an acknowledgement is to be sent, even without messages
//   timer    until what is new is stored and acknowledged

import { adopt, request } from './address.js'
import { delayBefore, sleep } from './backoff.js'
import { isHidden, reached, showStalled, tell } from './core.js'
import { check, discard, failure, foreign, isEventStream } from './errors.js'
import { finish } from './finish.js'
import { refuse } from './joins.js'
import { over } from './links.js'
import { accept, giveBack, nextBatch } from './outbox.js'
import { askAgain, hasRequests, takeRequests } from './requests.js'
import { save } from './storage.js'
import { noteAcked } from './topics.js'

const LONGEST_ANSWER = 15_000 // milliseconds
const MOST = 100 // messages in a request
const LONGEST = 16_384 // characters in a request, unless one message is longer
const ACK_AFTER = 16 // messages
const ACK_WITHIN = 500 // milliseconds
const KEEPALIVE = 60_000 // bytes that requests may have that outlive their page

/** soon stores and acknowledges in a moment. */
export function soon(core) {
  const { sender } = core
  sender.timer ||= setTimeout(() => {
    sender.timer = 0
    save(core)
    if (sender.unacked) flush(core)
  }, ACK_WITHIN)
}

/** calm takes back what soon() is to do. */
export function calm({ sender }) {
  clearTimeout(sender.timer)
  sender.timer = 0
}

/** flush acknowledges now. */
export function flush(core) {
  core.sender.due ||= core.sender.unacked
  pump(core)
}

/** count counts a message that came down. */
export function count(core) {
  if (++core.sender.unacked >= ACK_AFTER || isHidden()) flush(core)
  else soon(core)
}

/** pump sends what waits. */
export async function pump(core) {
  const { sender, links, outbox } = core
  if (sender.busy) return
  sender.busy = true
  while (links.live && (sender.due || outbox.queue[0] || hasRequests(core))) await send(core, links.live)
  sender.busy = false
}

// next returns the next body. It also acknowledges, and is stored before it is sent.
function next(core, most, longest, more, requests) {
  const batch = nextBatch(core, most, longest, more, requests)
  core.sender.due = core.sender.unacked = 0
  save(core)
  return batch
}

async function send(core, link) {
  const { sender } = core
  // Requests to join and leave go without messages, so that a refusal has one cause.
  const asked = hasRequests(core) ? takeRequests(core, link) : undefined
  const { batch, w, ack, body } = next(core, asked ? 0 : sender.most, LONGEST, {}, asked?.text)
  const abort = sender.abort = new AbortController()
  const timer = setTimeout(() => abort.abort(), LONGEST_ANSWER)

  try {
    const { accepted, failed = [] } = await say(core, link, body, abort.signal, batch[0], asked) || 0
    noteAcked(core, ack)
    giveBack(core, batch.filter(m => failed.includes(m.n)), failure('the handler failed', 500))
    if (!accept(core, w, accepted) && core.outbox.queue.includes(batch[0])) throw failure('not accepted')
    if (sender.most < MOST) sender.most++
    if (batch[0] || !link.socket) settle(core) // nobody answers an acknowledgement in a frame
  } catch (error) {
    await recover(core, link, { batch, w, asked }, error || failure('no answer'), abort.signal.aborted)
  }
  clearTimeout(timer)
}

// settle notes that the server has answered.
function settle(core) {
  core.sender.tries = 0
  reached(core)
}

async function recover(core, link, { batch, w, asked }, error, aborted) {
  const { sender } = core
  if (!batch[0]) sender.due = 1
  if (asked && error.unfit) {
    refuseAll(core, asked, error)
    return settle(core)
  }
  if (asked && link === core.links.live) askAgain(core, asked)
  if (error.unfit && batch[0]) { // one of the messages is the reason: the others are sent without it
    sender.most = batch.length + 1 >> 1
    if (!batch[1]) giveBack(core, batch, error)
    return settle(core)
  }
  if (error.final && !error.foreign) return finish(core, 4000 + error.status, error.message)
  if (core.links.live?.token !== link.token || accept(core, w, error.expected - 1)) return
  if (error.status === 401 && !error.foreign) return over(core, link, error)

  const attempt = ++sender.tries
  const delay = aborted ? 0 : delayBefore(attempt, error, core.options.maxDelay)
  showStalled(core, aborted || attempt > 1)
  if (attempt > 1) tell(core, 'mirage-retry', { what: 'send', topic: '', error, attempt, delay })
  if (aborted) over(core, link, error) // it does not work any more
  else await sleep(delay, done => { sender.hurry = done })
}

// refuseAll notes that the server does not take the requests.
function refuseAll(core, { topics }, error) { for (const t of topics) refuse(core, t, error) }

// say sends a body upstream and returns the server's answer. The server answers a frame
// without messages only if it refuses it, so nobody waits for that.
async function say(core, link, body, signal, wait, asked) {
  const { socket, token } = link
  if (!socket) return post(core, token, body, signal)
  const answered = new Promise((ok, no) => {
    link.answer = answer =>
      answer.status === 200 ? ok(answer) : no(Object.assign(failure(answer.detail, answer.status), answer))
    signal.onabort = () => no()
  })
  socket.readyState > 1 || socket.send(body) // otherwise its close event is on the way
  if (wait) return answered
  answered.catch(error => error && asked && refuseAll(core, asked, error))
}

// A redirect with 301 or 302 turns the POST into a GET without a body, which the server
// answers with a stream. request has adopted the path then, so the next attempt is not
// redirected.
async function post(core, token, body, signal) {
  const { url } = core.client
  const keepalive = isHidden() && body.length < LONGEST // it may outlive a page that ends
  const answer = await check(await request(core, 'POST', token, { body, signal, keepalive }), url)
  if (isEventStream(answer)) {
    discard(answer)
    throw failure('redirected')
  }
  const result = await answer.json().catch(() => 0)
  if (!(result.accepted >= 0)) throw foreign(answer, url)
  adopt(core, answer)
  return result
}

/**
 * farewell sends what waits in a request that outlives the page. more is for the head of
 * the body: it says that the page ends, in case the server does not see the link end.
 * farewell may be called again: each call repeats what is not accepted. The messages are
 * also stored, and the server recognizes them if they come again. What is too long for
 * such a request is only stored.
 */
export function farewell(core, token, more) {
  const isLong = () => new Blob([body]).size > KEEPALIVE
  let longest = KEEPALIVE, batch, body
  do {
    ({ batch, body } = next(core, MOST, longest, more))
    longest /= 2
  } while (isLong() && batch[1])
  if (isLong()) body = body.split('\n\n', 1) + '\n\n'
  request(core, 'POST', token, { body, keepalive: true }).catch(() => 0)
}
