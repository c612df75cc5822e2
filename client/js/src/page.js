// The life of the page: shown, hidden, cached, ended; and the browser's view of the
// network. There are links only while it is shown:
//
//   prerendering ──▶ shown ◀──▶ left (back/forward cache, or the page ends)
//                      ▲
//                      └──▶ asleep (hidden for as long as the option hidden allows)
//
// The state:
//
//   phase      one of these
//   offline    the browser said so, and no request has got through since
//   reload     the page is about to be reloaded, in browsers with the Navigation API
//   token      of the link that the page had when it was left
//   saving     messages will be stored in this task
//   timer      until the page falls asleep
//   listening  ends the listeners

import { change, isActive, isHidden, showStalled } from './core.js'
import { drop, hurry, loop, refresh } from './links.js'
import { farewell, flush, soon } from './sender.js'
import { save } from './storage.js'

/** attach listens to the page. */
export function attach(core) {
  const { page } = core
  if (page.listening) return
  const { signal } = page.listening = new AbortController()
  page.phase = globalThis.document?.prerendering ? 'prerendering' : 'shown'
  page.offline = globalThis.navigator?.onLine === false
  showStalled(core)
  if (isHidden()) hide(core)
  const listen = (target, events) => {
    for (const type in events) target?.addEventListener?.(type, events[type], { signal, passive: true })
  }
  const onUse = () => hurry(core)

  listen(globalThis, {
    online: () => network(core, false),
    offline: () => network(core, true),
    pagehide: e => {
      leave(core, 'left')
      if (e.persisted && core.wanted) change(core, 'paused')
    },
    pageshow: e => e.persisted && show(core),
    pointerdown: onUse,
    keydown: onUse,
  })
  listen(globalThis.document, {
    visibilitychange: () => isHidden() ? hide(core) : see(core),
    resume: () => refresh(core),
    prerenderingchange: () => show(core),
  })
  listen(core.options.signal, { abort: () => core.stop() })
  listen(globalThis.navigation, { navigate: e => { page.reload = e.navigationType === 'reload' } })
}

/** detach lets go of the page. */
export function detach({ page }) {
  page.listening?.abort()
  page.listening = undefined
  clearTimeout(page.timer)
}

function network(core, offline) {
  core.page.offline = offline
  showStalled(core)
  if (!offline) refresh(core)
}

function hide(core) {
  const { hidden } = core.options, { live } = core.links
  save(core)
  // The page may end without a word, and a request is under way that it would take along.
  if (live && core.sender.busy && core.outbox.queue[0]) farewell(core, live.token)
  flush(core)
  if (hidden === 'keep') return
  core.page.timer = setTimeout(() => {
    if (!isActive(core)) return
    leave(core, 'asleep')
    change(core, 'paused')
  }, hidden === 'release' ? 0 : hidden)
}

function see(core) {
  clearTimeout(core.page.timer)
  if (core.page.phase === 'asleep') show(core)
  else refresh(core, true)
}

function show(core) {
  core.page.phase = 'shown'
  if (core.wanted) begin(core)
}

/** begin asks for a link. */
export function begin(core) {
  const { links } = core
  if (!links.live) {
    links.lostAt = performance.now()
    if (isActive(core)) change(core, links.last ? 'reconnecting' : 'connecting')
  }
  loop(core)
}

const sayGoodbye = core => farewell(core, core.page.token, { leaving: true, reload: core.page.reload })

/** leave ends the link: the page may end, and sends its last messages. */
export function leave(core, phase = core.page.phase) {
  const { live, last } = core.links
  const link = phase === 'left' ? last : live // browsers may end the requests of a page before pagehide
  core.page.phase = phase
  core.page.token = link?.token
  // The server does not see the end of a poll's link.
  if (link && (core.outbox.queue[0] || core.sender.unacked || link.name === 'poll')) sayGoodbye(core)
  save(core, true)
  drop(core)
}

/** store stores a new message soon. After pagehide it also sends last words. */
export function store(core) {
  const { page } = core
  if (page.phase === 'shown' && !isHidden() && page.listening) return soon(core)
  if (page.saving) return
  page.saving = true
  queueMicrotask(() => { // the page may end before a timer; once for all that a listener sends
    page.saving = false
    if (page.phase === 'left' && page.token) sayGoodbye(core)
    else save(core)
  })
}
