// Which transport: the first one whose hello comes, in order of preference. The state:
//
//   bad     transport → until when it is not tried first
//   mute    the transport that says hello and then fails
//   worked  transports whose links brought more than hello
//   doubts  how often one of them was mute, since a link lasted
//   chosen  the argument of use()
//   turn    how often use() was called
//   probe   the timer of attempts with a better transport

import { renew, renews, request } from './address.js'
import { sleep } from './backoff.js'
import { isActive, log } from './core.js'
import { check, discard, failure } from './errors.js'
import { feeder, newLink, place, watch } from './link.js'
import { over, take } from './links.js'
import { MEMORY } from './storage.js'
import { poll } from './transports/poll.js'
import { stream } from './transports/stream.js'
import { websocket } from './transports/websocket.js'

const SOON = 10_000 // milliseconds until a transport that worked is tried again

const carriers = { websocket, sse: stream, poll }

/**
 * order returns the names of the transports. With all, those that failed keep their rank.
 */
export function order({ options, race }, all) {
  const rank = name => name === race.chosen ? -1 : !all && (race.bad[name] > Date.now() || name === race.mute)
  return [...options.transports].sort((a, b) => rank(a) - rank(b))
}

/**
 * run tries the transports one after the other: each has some time before the next one
 * starts beside it. The first hello wins. A transport that failed before the winner is
 * bad for half an hour. If none wins, the network is to blame. run returns the error if
 * none won.
 *
 * With again, the client had a link a moment ago: a connection that the browser reuses
 * may be dead. So each transport gets a second attempt at half its time, and run does not
 * wait for attempts that are merely slow. They may still win.
 *
 * A WebSocket does not follow the redirect that the winner followed. It failed at the
 * former path, which says nothing about WebSockets, so it is retried at the adopted path.
 */
export async function run(core, names, again) {
  const { race } = core, { live } = core.links
  const time = core.options.fallbackAfter / (again ? 2 : 1)
  const tried = []
  let won, why

  // attempt reports whether the next one has to be made.
  const attempt = async name => {
    const link = start(core, name)
    let failed, wake
    tried.push(link)
    const done = link.hello.then(() => { won = link }, error => { failed = why = error })
    await Promise.race([done, sleep(time, awake => { wake = awake })])
    wake() // no timer is left
    // A status is the server's own: the next transport would get the same. A link of
    // another run may have won, too.
    return isActive(core) && live === core.links.live && (!failed || failed.other || !failed.status)
  }
  for (const name of names) {
    if (!await attempt(name) || again && !why && !await attempt(name)) break
  }
  if (!again || why) await Promise.any(tried.map(link => link.hello)).catch(() => 0)
  if (!won) return why || failure('silence')
  if (!core.links.live) return // it was lost at once

  const failed = tried.slice(0, tried.indexOf(won)).filter(link => link.name !== won.name)
  const astray = failed.find(({ name, path }) => name === 'websocket' && path !== core.address.base.pathname)
  avoid(core, [race.mute, ...failed.filter(link => link !== astray).map(link => link.name)])
  race.mute = undefined
  delete race.bad[won.name]
  if (astray) run(core, [astray.name]).then(error => { if (error && core.links.live) avoid(core, [astray.name]) })
}

// avoid notes transports that failed where another one worked.
function avoid({ race: { bad, worked } }, names) {
  for (const name of names) if (name && !worked.has(name)) bad[name] = Date.now() + MEMORY
}

function start(core, name) {
  const link = newLink(name, core.address.base.pathname, core.race.turn)
  log(core, 'trying', name)
  core.links.all.add(link)
  watch(link, core.options.timeout)
  const { signal } = link.control
  const ended = new Promise(done => signal.addEventListener('abort', done)) // whatever carry waits for
  Promise.race([ended, carry(core, link)]).catch(error => error)
    .then(error => over(core, link, signal.aborted ? signal.reason : error ?? failure('ended')))
  return link
}

async function carry(core, link) {
  const { signal } = link.control
  if (renews(core)) {
    await renew(core)
    signal.throwIfAborted()
  }
  try {
    await carriers[link.name](core, link, () => feeder(link, block => take(core, link, block)))
  } catch (error) {
    // A WebSocket hides why its handshake failed. Where there is no other transport,
    // which would tell, a GET asks. It also follows a redirect.
    if (!error?.status && !link.token && core.options.transports.every(name => name === 'websocket')) {
      const answer = await request(core, 'GET', undefined, { signal }, place(core, link, { _wait: 0 }))
      discard(await check(answer, core.client.url))
    }
    throw error
  }
}

/** improve tries to reach a better transport from time to time. */
export function improve(core, name) {
  const { upgradeEvery } = core.options, { race } = core
  const [better] = order(core, true)
  clearTimeout(race.probe)
  if (better === name || !upgradeEvery || !core.links.live) return
  const look = () => {
    run(core, [better])
    race.probe = setTimeout(look, upgradeEvery)
  }
  const soon = Math.min(SOON * 2 ** race.doubts, upgradeEvery)
  race.probe = setTimeout(look, race.worked.has(better) ? soon : upgradeEvery)
}

/** prefer moves to a transport, undefined for the client's own choice. */
export async function prefer(core, name) {
  const { race } = core
  const before = race.chosen
  race.chosen = name
  race.turn++
  if (!isActive(core)) return
  const why = await run(core, name ? [name] : order(core, true))
  if (!why) return
  if (race.chosen === name) race.chosen = before
  throw why
}
