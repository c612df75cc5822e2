// Which transport: the first one whose hello comes, in order of preference.

import { sleep } from './backoff.js'
import { Link } from './link.js'
import { MEMORY } from './storage.js'
import { poll } from './transports/poll.js'
import { stream } from './transports/stream.js'
import { websocket } from './transports/websocket.js'

const carriers = { websocket, sse: stream, poll }

const SOON = 10_000 // milliseconds until a transport that had worked is tried again

export class Race {
  turn = 0 // how often use() was called
  chosen = undefined // the argument of use()
  mute = undefined // the transport that says hello and then fails
  worked = new Set() // transports whose links lasted
  probe = 0 // the timer of attempts with a better transport

  /** bad says until when a transport is not tried first. */
  constructor(core, bad) { Object.assign(this, { core, bad }) }

  /** order returns the names of the transports. With all, those that failed keep their rank. */
  order(all) {
    const rank = name => name === this.chosen ? -1 : !all && (this.bad[name] > Date.now() || name === this.mute)
    return [...this.core.options.transports].sort((a, b) => rank(a) - rank(b))
  }

  /**
   * run tries the transports one after the other: each has some time before the next one
   * starts beside it. The first hello wins. A transport that failed before the winner is
   * bad for half an hour. If none wins, the network is to blame. run returns the error if
   * none won.
   *
   * With again, the client had a link before: a connection that the browser reuses may be
   * dead. So each transport gets a second attempt at half its time, and run does not wait
   * for attempts that are merely slow. They may still win.
   *
   * A WebSocket does not follow the redirect that the winner followed. It failed at the
   * former path, which says nothing about WebSockets, so it is retried at the adopted path.
   */
  async run(names, again) {
    const { core } = this, { links } = core
    const time = core.options.fallbackAfter / (again ? 2 : 1)
    const tried = []
    let won, why

    // attempt reports whether the next transport has to be tried.
    const attempt = async name => {
      const link = this.start(name)
      tried.push(link)
      let failed
      const done = link.hello.then(() => { won = link }, error => { failed = why = error })
      await Promise.race([done, sleep(time)])
      return failed ? failed.other || !failed.status : !won
    }
    for (const name of names) {
      // A status is the server's own: the next transport would get the same.
      if (!await attempt(name) || !core.active) break
      if (again && !why && (!await attempt(name) || !core.active)) break
    }
    const all = Promise.any(tried.map(link => link.hello)).catch(() => 0)
    await (again && !why ? Promise.race([all, sleep(0)]) : all)
    if (!won || !links.live) return why

    const failed = tried.slice(0, tried.indexOf(won)).filter(link => link.name !== won.name)
    const astray = failed.find(({ name, path }) => name === 'websocket' && path !== core.address.base.pathname)
    this.forget([this.mute, ...failed.filter(link => link !== astray).map(link => link.name)])
    this.mute = undefined
    delete this.bad[won.name]
    if (astray) this.run([astray.name]).then(error => { if (error && links.live) this.forget([astray.name]) })
  }

  // forget notes transports that failed where another one worked.
  forget(names) {
    for (const name of names) {
      if (name && (name === this.mute || !this.worked.has(name))) this.bad[name] = Date.now() + MEMORY
    }
  }

  start(name) {
    const { core } = this
    const link = new Link(core, name, this.turn)
    core.links.all.add(link)
    link.watch(core.options.timeout)
    this.carry(link).catch(error => error).then(error => core.links.over(link, link.signal.reason || error))
    return link
  }

  async carry(link) {
    const { core } = this
    if (core.address.renews) {
      await core.address.renew()
      link.signal.throwIfAborted()
    }
    await carriers[link.name](core, link)
  }

  /** improve tries to reach a better transport from time to time. */
  improve(name) {
    const { upgradeEvery } = this.core.options
    const [better] = this.order(true)
    this.stop()
    if (better === name || !upgradeEvery) return
    const wait = this.worked.has(better) && !this.bad[better] ? Math.min(SOON, upgradeEvery) : upgradeEvery
    const look = () => {
      this.run([better])
      this.probe = setTimeout(look, upgradeEvery)
    }
    this.probe = setTimeout(look, wait)
  }

  stop() { clearTimeout(this.probe) }

  /** use prefers a transport, undefined for none, and moves to it. */
  async use(name) {
    const before = this.chosen
    this.chosen = name
    this.turn++
    if (!this.core.active) return
    const why = await this.run(name ? [name] : this.order(true))
    if (!why) return
    if (this.chosen === name) this.chosen = before
    throw why
  }
}
