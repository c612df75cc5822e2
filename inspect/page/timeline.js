// The picture of a session: a lane for each tab, a colour for each transport, absence as
// a hole, and a mark for each thing that happened.

import { el, svg, clock, duration } from './dom.js'
import { sentence, meaning, tab } from './words.js'

const lane = 88,
  serverLane = 48,
  head = 22,
  left = 84

export function timeline(d, width) {
  const events = d.timeline
  if (events.length === 0) return el('p', { class: 'empty' }, 'This node remembers no event of it.')
  width = Math.max(300, width)
  const readers = [...new Set(events.map(e => e.reader).filter(Boolean))]
  const from = events[0].at,
    to = Math.max(d.links.length ? d.now : events.at(-1).until, from + 10_000)
  const x = at => left + ((at - from) / (to - from)) * (width - left - 12)
  const y = reader =>
    reader ? head + serverLane + (readers.indexOf(reader) + 0.5) * lane : head + serverLane / 2 + 6

  const height = head + serverLane + readers.length * lane + 4
  const rows = new Rows()
  return [
    svg(
      'svg',
      {
        class: 'timeline',
        width,
        height,
        viewBox: `0 0 ${width} ${height}`,
        role: 'img',
        'aria-label': `${readers.length} tabs in ${duration(to - from)}; the table below has the same events`,
      },
      axis(from, to, x, width, height),
      label('server', y('')),
      svg('line', { x1: left, y1: y(''), x2: width - 12, y2: y(''), class: 'axis' }),
      readers.map(reader => bars(reader, d, x, y(reader), from, to)),
      events.map(e => mark(e, x, y(e.reader), rows))
    ),
    el(
      'p',
      { class: 'legend' },
      ['websocket', 'sse', 'poll'].map(name => el('span', { class: 'key is-' + name }, name)),
      el('span', { class: 'key is-none' }, 'no link'),
      el('span', {}, '▼ to the client'),
      el('span', {}, '▽ again'),
      el('span', {}, '▲ from the client'),
      el('span', {}, '· acknowledged'),
      el('span', { class: 'trouble' }, '✕ lost or refused')
    ),
  ]
}

const label = (text, y) => svg('text', { x: 0, y: y + 4, class: 'lane' }, text)

// axis has about one line for each 110 pixels.
function axis(from, to, x, width, height) {
  const steps = [1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1800, 3600, 7200, 21600].map(s => s * 1000)
  const step = steps.find(s => (to - from) / s <= (width - left) / 110) ?? 86_400_000
  const lines = []
  for (let at = Math.ceil(from / step) * step; at <= to; at += step) {
    lines.push(
      svg('line', { x1: x(at), y1: head - 4, x2: x(at), y2: height, class: 'grid' }),
      svg('text', { x: x(at), y: 12, class: 'tick', 'text-anchor': x(at) > width - 40 ? 'end' : 'middle' }, clock(at))
    )
  }
  return lines
}

// bars are the links of one tab, and what is between them.
function bars(reader, d, x, y, from, to) {
  const mine = d.timeline.filter(e => e.reader === reader)
  const began = mine.filter(e => e.kind === 'link-began')
  const links = began.map(e => {
    const end = mine.find(o => o.kind === 'link-ended' && o.link === e.link)
    return { from: e.at, to: end?.at ?? to, transport: e.transport, reason: e.reason, end }
  })
  for (const end of mine.filter(e => e.kind === 'link-ended')) {
    // whose beginning is forgotten
    if (!began.some(e => e.link === end.link)) links.push({ from, to: end.at, transport: end.transport, end })
  }
  if (!links.length && mine.length) {
    // both ends are forgotten, or it only asked
    const carried = mine.find(e => e.link && e.transport)
    if (carried) links.push({ from, to, transport: carried.transport })
  }
  const first = Math.min(...links.map(l => l.from), mine[0]?.at ?? from)
  return [
    label(tab(reader), y),
    svg('line', { x1: x(first), y1: y, x2: x(to), y2: y, class: 'hole' }),
    links.map(l =>
      svg(
        'rect',
        {
          x: x(l.from),
          y: y - 5,
          width: Math.max(2, x(l.to) - x(l.from)),
          height: 10,
          rx: 3,
          class: 'link is-' + l.transport,
        },
        svg('title', {}, `${l.transport}, ${duration(l.to - l.from)}${l.end ? `, ended: ${l.end.reason}` : ''}`)
      )
    ),
  ]
}

// Rows keeps texts from overlapping. Each lane has two rows above its line and two below.
class Rows {
  #ends = new Map() // where the last text of a row ends, by its y

  // place returns the y of the first row that is free at x, and whether a text fits
  // there.
  place(x, y, text, below) {
    const rows = [22, 35].map(d => (below ? y + d : y - d))
    const free = rows.find(row => x > (this.#ends.get(row) ?? -Infinity))
    if (free !== undefined) this.#ends.set(free, x + 16 + text.length * 6.5)
    return { row: free ?? rows.at(-1), fits: free !== undefined }
  }
}

// mark is the sign for one event.
function mark(e, x, y, rows) {
  const at = x(e.at),
    until = Math.max(x(e.until), at)
  const what = meaning(e.kind, e.reason)
  const named = (...nodes) =>
    svg(
      'g',
      { class: 'mark' },
      svg(
        'title',
        {},
        `${clock(e.at)} ${sentence(e)}${e.reason ? ` (${e.reason}${what ? `: ${what.means}` : ''})` : ''}`
      ),
      nodes
    )
  const size = Math.min(9, 4 + Math.log2((e.messages ?? 1) + 1))
  const down = (from, edge) => `M${from - size / 2},${edge - size}h${size}l${-size / 2},${size}z`
  const up = (from, edge) => `M${from - size / 2},${edge + size}h${size}l${-size / 2},${-size}z`
  const span = (edge, name) =>
    until - at > 3 && svg('line', { x1: at, y1: edge, x2: until, y2: edge, class: 'span ' + name })
  const cross = (text, below) => {
    const { row, fits } = rows.place(at - 6, y, text, below)
    return named(
      svg('path', { d: `M${at - 5},${row - 5}l10,10m0,-10l-10,10`, class: 'cross' }),
      fits && svg('text', { x: at + 9, y: row + 4, class: 'why' }, text)
    )
  }
  const word = (text, below) => {
    const { row, fits } = rows.place(at, y, text, below)
    return fits && svg('text', { x: at, y: row + 4, class: 'why' }, text)
  }

  switch (e.kind) {
    case 'sent':
      return named(span(y - 9, 'is-down'), svg('path', { d: down(at, y - 8), class: e.again ? 'again' : 'is-down' }))
    case 'handled':
      if ((e.reason ?? '').startsWith('handler')) return cross(e.reason, true)
      return named(span(y + 9, 'is-up'), svg('path', { d: up(at, y + 8), class: e.reason ? 'again' : 'is-up' }))
    case 'acked':
      return named(svg('circle', { cx: at, cy: y, r: 2, class: 'ack' }))
    case 'skipped':
      return named(svg('circle', { cx: at, cy: y - 12, r: 3, class: 'again' }))
    case 'lost':
      return cross(`${e.reason}: ${e.from}${e.to && e.to !== e.from ? '–' + e.to : ''}`, false)
    case 'refused':
      return cross(e.reason, true)
    case 'link-began':
      return ['resumed', 'new', 'continued'].includes(e.reason)
        ? named(svg('circle', { cx: at, cy: y, r: 5, class: 'begin is-' + e.transport }))
        : named(svg('circle', { cx: at, cy: y, r: 5, class: 'begin is-' + e.transport }), word(e.reason, true))
    case 'link-ended':
      return ['left', 'aged', 'superseded', 'drained'].includes(e.reason)
        ? ''
        : named(svg('text', { x: at, y: y + 18, class: 'why', 'text-anchor': 'end' }, e.reason))
    case 'appended':
      return e.reason
        ? cross(e.reason, true)
        : named(span(y, 'is-down'), svg('circle', { cx: at, cy: y, r: size / 2, class: 'is-down' }))
    case 'session-ended':
    case 'session-moved':
      return named(
        svg('line', { x1: at, y1: y - 12, x2: at, y2: y + 12, class: 'end' }),
        svg('text', { x: at - 4, y: y - 14, class: 'why', 'text-anchor': 'end' }, e.reason)
      )
    case 'left':
      return cross(`${e.topic}: ${e.reason}`, true)
  }
  return ''
}
