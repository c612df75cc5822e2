// The views, one for each beginning of the fragment, and the loop that keeps them
// current.

import { el } from './dom.js'
import { overview } from './overview.js'
import { sessions } from './sessions.js'
import { session } from './session.js'
import { topics, topic } from './topics.js'
import { log } from './log.js'

// Each view is made once when its page is opened. It puts its elements into main, and
// returns a function that brings them up to date.
const views = [
  [/^#?\/?$/, overview, 'Overview'],
  [/^#\/sessions$/, sessions, 'Sessions'],
  [/^#\/sessions\/([a-z2-7]+)$/, session, 'Session'],
  [/^#\/topics$/, topics, 'Topics'],
  [/^#\/topics\/(.+)$/, topic, 'Topic'],
  [/^#\/log$/, log, 'Log'],
]

const every = 2000 // milliseconds
const main = document.getElementById('main')
const error = document.getElementById('error')
const button = document.getElementById('live')
let update = async () => {}
let generation = 0
let live = true
let timer

async function open() {
  const mine = ++generation
  for (const [pattern, view, title] of views) {
    const match = pattern.exec(location.hash)
    if (!match) continue
    document.title = `${title} · Mirage inspector`
    for (const link of document.querySelectorAll('nav a')) {
      const here = link.hash === '#/' ? pattern.test('#/') : location.hash.startsWith(link.hash)
      if (here) link.setAttribute('aria-current', 'page')
      else link.removeAttribute('aria-current')
    }
    main.replaceChildren()
    const next = view(main, match[1] && decodeURIComponent(match[1]))
    update = async () => {
      if (mine === generation) await next(() => mine === generation)
    }
    return refresh()
  }
  main.replaceChildren(el('p', { class: 'empty' }, 'There is no such page.'))
}

async function refresh() {
  clearTimeout(timer)
  try {
    await update()
    error.hidden = true
  } catch (failure) {
    error.textContent = failure.message
    error.hidden = false
  }
  clearTimeout(timer)
  if (live && !document.hidden) timer = setTimeout(refresh, every)
}

button.addEventListener('click', () => {
  live = !live
  button.setAttribute('aria-pressed', live)
  button.textContent = live ? 'Live' : 'Paused'
  if (live) refresh()
})
let resized
addEventListener('resize', () => {
  // pictures are made for the width
  clearTimeout(resized)
  resized = setTimeout(refresh, 100)
})
document.addEventListener('visibilitychange', () => {
  if (!document.hidden && live) refresh()
})
addEventListener('hashchange', () => {
  if (location.hash === '#main') return
  open()
  main.focus({ preventScroll: true })
})
open()
