// The connections: which one is live, and how a lost one is replaced. The state:
//
//   all       links that have not ended
//   live      the link that counts: it brought the last hello
//   last      the one that was live last
//   looping   attempts are made until there is a link
//   failures  how many attempts in a row had no hello
//   strikes   how many links in a row ended young, at most 3
//   lostAt    when the last link was lost; like triedAt, by performance.now()
//   triedAt   when the last attempt began
//   asked     the server said when to come back
//   wake      ends the pause before the next attempt
//   pause     milliseconds that a link which ended at once asked for
//   rest      ends a pause of refresh(), and look is its last call

import { HOUR, delayBefore, sleep } from './backoff.js'
import { change, isActive, isHidden, log, tell } from './core.js'
import { failure } from './errors.js'
import { finish } from './finish.js'
import { firstVisit, seen } from './first_visit.js'
import { greet } from './hello.js'
import { receive } from './inbox.js'
import { restAll } from './joins.js'
import { end } from './link.js'
import { accept } from './outbox.js'
import { order, run } from './race.js'
import { takeTopic } from './topic_inbox.js'

const YOUNG = 10_000 // milliseconds; links that end earlier, one after another, are a symptom
const WORKS = 2000 // milliseconds after which a transport that brings something works
const QUICK = 60_000 // milliseconds after a loss for which the client hurries
const AGAIN = 1000 // milliseconds between attempts that the user asks for
const ANSWER = 700 // milliseconds in which a network that is back answers

// isQuick reports whether somebody may be waiting for the network to come back.
const isQuick = ({ links }) => links.last && !isHidden() && performance.now() - links.lostAt < QUICK

/** loop makes attempts until there is a link. */
export async function loop(core, wait) {
  const { links } = core
  if (links.looping) {
    links.pause = wait
    return links.wake?.()
  }
  links.looping = true
  const isFirst = !core.client.id && core.address.signed == null && !seen(core)
  const done = isFirst && await firstVisit(core.address.base.origin, core.options.timeout)
  for (;;) {
    if (wait && isActive(core)) await sleep(wait, awake => { links.wake = awake })
    links.wake = links.pause = wait = undefined
    if (!isActive(core) || links.live) break
    links.triedAt = performance.now()
    const error = await run(core, order(core), isQuick(core))
    if (done) done()
    if (!isActive(core) || links.live) continue
    if (error && !error.status) { // no transport works: the network is to blame for links that ended young
      links.strikes = 0
      core.race.mute = undefined
    }
    wait = error ? complain(core, error, ++links.failures, isQuick(core))
      : links.pause ?? delayBefore(links.strikes, failure('ended'), core.options.maxDelay)
  }
  if (done) done()
  links.looping = false
}

// complain tells the application that there is no link, and returns the delay.
function complain(core, error, attempt, quick) {
  const delay = delayBefore(attempt, error, core.options.maxDelay, quick)
  core.links.asked = error.retry
  if (core.links.last) change(core, 'reconnecting')
  tell(core, 'mirage-retry', { what: 'connect', topic: '', error, attempt, delay })
  return delay
}

/** hurry makes the next attempt now: the user does something, or sends. */
export function hurry({ links }) {
  if (!links.live && !links.asked && performance.now() - links.triedAt > AGAIN) links.wake?.()
}

/** welcome makes a link the live one: its hello has come. */
export function welcome({ links, sender }, link) {
  if (links.live !== link) {
    sender.abort.abort() // its request may be lost with the other link's connection
    for (const other of links.all) {
      if (other !== link && other.turn <= link.turn) end(other, failure('replaced'))
    }
  }
  links.live = links.last = link
  links.failures = links.asked = 0
  link.ok()
}

/** over removes a link that has ended, and replaces it if it was the live one. */
export function over(core, link, error) {
  const { links, race } = core
  log(core, link.name, 'ended:', error.message)
  links.all.delete(link)
  end(link, error)
  const isSpare = links.live && links.live !== link // what a gateway says of it is no reason to give up the other
  if (error.final && !(isSpare && error.foreign) || error.other && !isSpare && !core.options.transports[1]) {
    return finish(core, 4000 + error.status, error.message)
  }
  if (link !== links.live) return

  const age = Date.now() - link.born
  const young = age < YOUNG && !(link.drain > 0)
  links.strikes = young ? Math.min(3, links.strikes + 1) : 0
  if (!young || link.spoke && age > WORKS) race.worked.add(link.name)
  if (!young) race.doubts = 0
  if (links.strikes > 1 || link.late && !link.spoke) {
    race.mute = link.name
    race.doubts++
  }
  links.lostAt = performance.now()
  forget(core)
  if (!isActive(core)) return
  // A lost link is not reported, but the third in a row that ended early is.
  const delay = links.strikes > 2
    ? complain(core, error, links.strikes) : delayBefore(links.strikes - 2, error, core.options.maxDelay)
  links.asked = link.drain ?? error.retry
  loop(core, Math.max(delay, link.drain > 0 ? Math.min(link.drain, HOUR) : 0))
}

function forget({ links, race, sender }) {
  links.live = undefined
  sender.abort.abort()
  clearTimeout(race.probe)
}

/** drop ends all links, and no other follows. */
export function drop(core) {
  for (const link of core.links.all) end(link, failure('dropped'))
  core.links.rest?.()
  restAll(core)
  forget(core)
  core.links.wake?.()
  core.sender.hurry?.()
}

/**
 * refresh looks for a link when the network may have changed. The live one stays until
 * another has said hello. What it still brings proves nothing, because it may have been
 * waiting in the browser. If it is silent then, it is lost. With gently, it is trusted if
 * it spoke within its heartbeat.
 */
export async function refresh(core, gently) {
  const { links } = core, { live } = links
  if (!live) return links.wake?.()
  if (gently && Date.now() - live.heard <= 1.2 * (live.beat || 15_000) + 2000) return

  const look = links.look = {}
  const isLive = () => links.look === look && links.live === live && isActive(core) // and no later call
  const pause = ms => sleep(ms, done => { links.rest = done })
  links.rest?.()
  // The first attempts may go into connections of the browser that are dead.
  for (let i = 0; i < 4 && isLive(); i++) {
    run(core, i ? [live.name] : order(core, true))
    await pause(ANSWER)
  }
  if (!isLive()) return
  const began = Date.now()
  await pause(core.options.timeout)
  if (isLive() && live.heard < began) over(core, live, failure('silence'))
}

/** take takes a block that came down a link. */
export function take(core, link, block) {
  if (link.control.signal.aborted) return // some WebSockets bring frames while they close
  const { id, event, data } = block
  const about = event.startsWith('mirage') && JSON.parse(data)
  if (event === 'mirage') return greet(core, link, about, id.split('_')[0]) // the rest repeats the topics' positions
  if (link !== core.links.live) return // the link was replaced, or has not said hello
  if (event === 'mirage-ack') { // while a POST is under way, its answer says more
    return about.status ? link.answer?.(about) : core.sender.busy || accept(core, core.address.cid, about.accepted)
  }
  if (event === 'mirage-drain') {
    link.news = true
    link.drain = about.retry
    return tell(core, event, about)
  }
  if (event === 'mirage-end') throw Object.assign(failure(about.reason, about.status), { final: true })
  if (block.topic || about.topic || id?.[0] === '_') takeTopic(core, link, block, about)
  else if (id != null) receive(core, link, block)
}
