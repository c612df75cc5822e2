// The life of the page: shown, hidden, cached, ended; and the browser's view of the
// network.
//
//   prerendering ──▶ shown ◀──▶ left (back/forward cache, or the page ends)
//                      ▲
//                      └──▶ asleep (hidden for as long as the option hidden allows)
//
// There are links only while the page is shown.

export class Page {
  phase = globalThis.document?.prerendering ? 'prerendering' : 'shown'
  offline = false // the browser said so, and nothing has come since
  token // of the link that the page had when it was left
  speaking = false // last words are due
  timer // until the page falls asleep
  listening // ends the listeners

  constructor(core) { this.core = core }

  /** attach listens to the page. */
  attach() {
    if (this.listening) return
    const { core } = this, { links } = core
    const { signal } = this.listening = new AbortController()
    const listen = (target, events) => {
      for (const type in events) target?.addEventListener?.(type, events[type], { signal, passive: true })
    }
    const hurry = () => links.hurry()

    listen(globalThis, {
      online: () => this.network(false),
      offline: () => this.network(true),
      pagehide: e => {
        this.leave('left')
        if (e.persisted) core.change('paused')
      },
      pageshow: e => e.persisted && this.show(),
      pointerdown: hurry,
      keydown: hurry,
    })
    listen(globalThis.document, {
      visibilitychange: () => document.hidden ? this.hide() : this.see(),
      resume: () => links.refresh(),
      prerenderingchange: () => this.show(),
    })
  }

  /** detach lets go of the page. */
  detach() {
    this.listening?.abort()
    this.listening = undefined
    clearTimeout(this.timer)
  }

  network(offline) {
    this.offline = offline
    this.core.showStalled()
    if (!offline) this.core.links.refresh()
  }

  hide() {
    const { core } = this, { hidden } = core.options
    core.save()
    core.sender.flush()
    if (hidden === 'keep') return
    this.timer = setTimeout(() => {
      if (!core.active) return
      this.leave('asleep')
      core.change('paused')
    }, hidden === 'release' ? 0 : hidden)
  }

  see() {
    clearTimeout(this.timer)
    if (this.phase === 'asleep') this.show()
    else this.core.links.refresh(true)
  }

  show() {
    this.phase = 'shown'
    if (this.core.wanted) this.core.client.connect()
  }

  /** leave ends the link: the page may end, and sends its last messages. */
  leave(phase = this.phase) {
    const { core } = this, { links, outbox, sender } = core, { live } = links
    this.phase = phase
    this.token = live?.token
    // The server does not see the end of a poll's link.
    if (live && (outbox.queue[0] || sender.unacked || live.name === 'poll')) sender.farewell(live.token)
    core.save(true)
    links.drop()
  }

  /** sent takes notice of a new message. After pagehide there are only last words. */
  sent() {
    const { core } = this
    if (this.phase === 'shown' && !globalThis.document?.hidden && this.listening) return core.sender.soon()
    if (this.speaking) return
    this.speaking = true
    queueMicrotask(() => { // the page may end before a timer; once for all that a listener sends
      this.speaking = false
      if (this.phase === 'left' && this.token) core.sender.farewell(this.token)
      else core.save()
    })
  }
}
