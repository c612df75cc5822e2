// What happens on this node, at a glance.

import { el, svg, swap, table, meter, count, bytes, duration, clock } from './dom.js'
import { get } from './api.js'
import { meaning, isTrouble } from './words.js'

export function overview(main) {
  const page = el('div')
  main.append(page)
  return async here => {
    const o = await get('overview')
    if (here())
      swap(
        page,
        cards(o),
        el('section', { class: 'card wide' }, el('h2', {}, 'Messages in five minutes'), chart(o.rates, o.now)),
        why(o)
      )
  }
}

const card = (title, big, ...rest) =>
  el('section', { class: 'card' }, el('h2', {}, title), el('p', { class: 'big' }, big), rest)

function cards(o) {
  const m = o.messages
  const links = Object.values(o.links).reduce((a, b) => a + b, 0)
  const resumes = o.reasons.filter(r => r.kind === 'link-began' && !['continued', 'new'].includes(r.reason))
  const came = resumes.reduce((n, r) => n + r.count, 0)
  const resumed = resumes.filter(r => r.reason === 'resumed').reduce((n, r) => n + r.count, 0)
  return el(
    'div',
    { class: 'cards' },
    card(
      'Links',
      count(links),
      shares(o.links, links),
      o.draining && el('p', { class: 'trouble' }, 'The server is shutting down.')
    ),
    card(
      'Sessions',
      count(o.store ? o.store.sessions : o.sessions),
      el('p', {}, o.store ? `${count(o.sessions)} of them on this node` : 'on this node')
    ),
    card('Came back', came ? `${count(resumed)} of ${count(came)}` : '–', el('p', {}, 'continued where they were')),
    card('Gaps', count(m.gaps), el('p', {}, 'that clients were told of')),
    card(
      'Lag',
      o.lag.median ? `≤ ${duration(o.lag.median)}` : '–',
      el(
        'p',
        {},
        o.lag.p99 ? `from sent to acknowledged; 99 % ≤ ${duration(o.lag.p99)}` : 'from sent to acknowledged'
      )
    ),
    card('Memory', o.store ? bytes(o.store.bytes) : '–', budget(o.store)),
    card(
      'Down',
      count(m.sent),
      el('p', {}, `${bytes(m.bytes)}; ${count(m.again)} again, ${count(m.skipped)} superseded or expired`)
    ),
    card('Up', count(m.handled), el('p', {}, 'messages from clients')),
    card('Topics', count(o.topics), el('p', {}, `read on this node; ${count(m.published)} messages published`))
  )
}

// shares is a bar of the transports.
function shares(links, total) {
  const names = Object.keys(links).sort()
  if (total === 0) return el('p', {}, 'none are open')
  let x = 0
  return [
    svg(
      'svg',
      { class: 'shares', viewBox: '0 0 100 6', preserveAspectRatio: 'none', 'aria-hidden': 'true' },
      names.map(name => {
        const width = (links[name] / total) * 100
        x += width
        return svg('rect', { x: x - width, y: 0, width, height: 6, class: 'is-' + name })
      })
    ),
    el(
      'p',
      { class: 'legend' },
      names.map(name => el('span', { class: 'key is-' + name }, `${name} ${count(links[name])}`))
    ),
  ]
}

function budget(store) {
  if (!store) return el('p', {}, 'this store does not tell')
  if (store.budget < 0) return el('p', {}, 'no bound is set')
  return [
    meter(store.bytes, store.budget, 'use of the budget'),
    el('p', {}, `of ${bytes(store.budget)}`),
  ]
}

// chart draws the rates as lines.
function chart(rates, now) {
  const width = 600,
    height = 90,
    names = ['appended', 'sent', 'handled']
  const titles = { appended: 'sent by the application', sent: 'written to clients', handled: 'from clients' }
  const most = Math.max(1, ...names.flatMap(name => rates[name]))
  const x = i => ((i / (rates.sent.length - 2)) * width).toFixed(1)
  const y = n => (height - 2 - (n / most) * (height - 8)).toFixed(1)
  const points = name => rates[name].slice(0, -1).map((n, i) => `${x(i)},${y(n)}`).join(' ')
  return [
    svg(
      'svg',
      {
        class: 'chart',
        viewBox: `0 0 ${width} ${height}`,
        preserveAspectRatio: 'none',
        role: 'img',
        'aria-label': `Messages in steps of ${rates.step / 1000} seconds, at most ${count(most)}`,
      },
      svg('line', { x1: 0, y1: height - 2, x2: width, y2: height - 2, class: 'axis' }),
      names.map(name => svg('polyline', { points: points(name), class: 'line is-' + name }))
    ),
    el(
      'p',
      { class: 'axis-text' },
      el('span', {}, clock(now - rates.step * rates.sent.length)),
      el('span', {}, `at most ${count(Math.round((most / rates.step) * 10_000) / 10)} a second`),
      el('span', {}, clock(now))
    ),
    el(
      'p',
      { class: 'legend' },
      names.map(name => el('span', { class: 'key is-' + name }, titles[name]))
    ),
  ]
}

const kinds = {
  'link-began': 'came back',
  'link-ended': 'link ended',
  lost: 'gap',
  refused: 'refused',
  appended: 'message refused',
  published: 'publish refused',
  'session-ended': 'session ended',
  'session-moved': 'session moved',
  handled: 'from a client',
  left: 'topic',
  hook: 'hook',
}

function why(o) {
  const reasons = o.reasons.toSorted((a, b) => isTrouble(b) - isTrouble(a)) // otherwise as they come, by count
  return el(
    'section',
    { class: 'card wide' },
    el('h2', {}, 'Why'),
    table(
      'What happened, by reason',
      ['What', 'Reason', '#Count', 'Meaning', 'What to do'],
      reasons.map(r => {
        const what = meaning(r.kind, r.reason)
        return [
          `${kinds[r.kind] ?? r.kind}${r.transport ? `, ${r.transport}` : ''}`,
          el('code', { class: isTrouble(r) && 'trouble' }, r.reason),
          r.count,
          what?.means ?? 'a word of the application',
          what?.do ?? '',
        ]
      }),
      'Nothing has happened yet.'
    )
  )
}
