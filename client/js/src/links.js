// The connections: which one is live, and how a lost one is replaced.

import { sleep } from './backoff.js'
import { failure } from './errors.js'
import { firstVisit } from './first_visit.js'

const YOUNG = 10_000 // milliseconds; links that end earlier, one after another, are a symptom
const QUICK = 60_000 // milliseconds after a loss for which the client hurries
const AGAIN = 1000 // milliseconds between attempts that the user asks for
const ANSWER = 700 // milliseconds in which a network that is back answers

export class Links {
  all = new Set() // that have not ended
  live // the link that counts: it brought the last hello
  opened = false // there was a live link
  looping = false
  failures = 0 // how many attempts in a row had no hello
  strikes = 0 // how many links in a row ended young, at most 3
  lost = 0 // when the last link was lost, as performance.now()
  tried = 0 // when the last attempt began
  wake // ends the pause before the next attempt
  asked = false // the server said when to come back

  constructor(core) { this.core = core }

  /** quick is true while somebody may be waiting for the network to come back. */
  get quick() { return this.opened && !globalThis.document?.hidden && performance.now() - this.lost < QUICK }

  /** loop makes attempts until there is a link. */
  async loop(wait) {
    if (this.looping) return this.wake?.()
    const { core } = this
    this.looping = true
    const done = !this.opened && core.address.signed == null && await firstVisit(core.address.base.origin)
    for (;;) {
      if (wait) await sleep(wait, done => { this.wake = done })
      this.wake = wait = undefined
      if (!core.active || this.live) break
      this.tried = performance.now()
      const error = await core.race.run(core.race.order(), this.quick)
      done && done()
      if (!error || !core.active || this.live) continue
      wait = this.complain(error, ++this.failures, this.quick)
    }
    done && done()
    this.looping = false
  }

  /** complain tells the application that there is no link, and returns the delay. */
  complain(error, attempt, quick) {
    const { core } = this
    const delay = core.delay(error, attempt, quick)
    this.asked = error.retry > 0
    if (this.opened) core.change('reconnecting')
    core.tell('mirage-retry', { what: 'connect', error, attempt, delay })
    return delay
  }

  /** hurry makes the next attempt now: the user does something, or sends. */
  hurry() {
    if (!this.live && !this.asked && performance.now() - this.tried > AGAIN) this.wake?.()
  }

  /** over removes a link that has ended, and replaces it if it was the live one. */
  over(link, error = failure('ended')) {
    const { core } = this, { race } = core
    this.all.delete(link)
    link.end(error)
    if (error.final || error.other && !core.options.transports[1]) return core.finish(4000 + error.status, error.message)
    if (link !== this.live) return

    const young = Date.now() - link.born < YOUNG && link.drain == null
    this.strikes = young ? Math.min(3, this.strikes + 1) : 0
    if (!young) race.worked.add(link.name)
    if (this.strikes > 1 || link.late && !link.spoke) race.mute = link.name
    this.lost = performance.now()
    this.forget()
    // A lost link is not reported, but the third in a row that ended early is.
    if (core.active) {
      this.loop(link.drain ?? (this.strikes > 2 ? this.complain(error, this.strikes) : core.delay(error, this.strikes)))
    }
  }

  /** welcome makes a link the live one: its hello has come. */
  welcome(link) {
    if (this.live !== link) {
      this.core.sender.stop() // its request may be lost with the other link's connection
      for (const other of this.all) {
        if (other !== link && other.turn <= link.turn) other.end(failure('replaced'))
      }
    }
    this.live = link
    this.opened = true
    this.failures = 0
    link.ok()
  }

  forget() {
    this.live = undefined
    this.core.sender.stop()
    this.core.race.stop()
  }

  /** drop ends all links, and no other follows. */
  drop() {
    for (const link of this.all) link.end(failure('dropped'))
    this.all.clear()
    this.forget()
    this.wake?.()
  }

  /**
   * refresh looks for a link when the network may have changed. The live one stays until
   * another has said hello. If neither says anything, it is lost. With gently, it is
   * trusted if it spoke within its heartbeat.
   */
  async refresh(gently) {
    const { live, core } = this
    if (!live) return this.wake?.()
    if (gently && Date.now() - live.heard <= 1.2 * (live.beat || 15_000) + 2000) return

    const began = live.heard = Date.now()
    const silent = () => this.live === live && live.heard === began && core.active
    // The first attempts may go into connections of the browser that are dead.
    for (let i = 0; i < 4 && silent(); i++) {
      const run = core.race.run(i ? [live.name] : core.race.order(true))
      await Promise.race([run, sleep(ANSWER)])
    }
    await sleep(core.options.timeout)
    if (silent()) this.over(live, failure('silence'))
  }
}
