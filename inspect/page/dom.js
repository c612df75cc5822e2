// Small helpers to make elements and texts.

const SVG = 'http://www.w3.org/2000/svg'

// el makes an element. Attributes whose names begin with "on" are listeners. Nothing that
// is passed becomes HTML.
export function el(tag, attributes = {}, ...children) {
  return fill(document.createElement(tag), attributes, children)
}

// svg is el for elements of a picture.
export function svg(tag, attributes = {}, ...children) {
  return fill(document.createElementNS(SVG, tag), attributes, children)
}

function fill(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === undefined || value === null || value === false) continue
    if (name.startsWith('on')) node.addEventListener(name.slice(2), value)
    else node.setAttribute(name, value === true ? '' : value)
  }
  node.append(...children.flat(Infinity).filter(child => child !== null && child !== undefined && child !== false))
  return node
}

// swap replaces the content of a node if it has changed. The element that had the focus
// has it again afterwards if there is one of its data-key.
export function swap(node, ...children) {
  const next = el('div', {}, ...children)
  if (node.innerHTML === next.innerHTML) return
  const key = node.contains(document.activeElement) ? document.activeElement.dataset.key : undefined
  node.replaceChildren(...next.childNodes)
  if (key)
    [...node.querySelectorAll('[data-key]')].find(one => one.dataset.key === key)?.focus({ preventScroll: true })
}

// table makes a table of rows of cells. A cell is a text, a number or a node. Columns
// whose names begin with "#" hold numbers.
export function table(caption, columns, rows, empty) {
  if (rows.length === 0) return el('p', { class: 'empty' }, empty)
  const number = columns.map(name => name.startsWith('#'))
  return el(
    'div',
    { class: 'scroll', tabindex: 0, role: 'region', 'aria-label': caption },
    el(
      'table',
      {},
      el('caption', { class: 'unseen' }, caption),
      el(
        'thead',
        {},
        el(
          'tr',
          {},
          columns.map((name, i) => el('th', { scope: 'col', class: number[i] && 'number' }, name.replace(/^#/, '')))
        )
      ),
      el(
        'tbody',
        {},
        rows.map(cells =>
          el(
            'tr',
            {},
            cells.map((cell, i) =>
              el('td', { class: number[i] && 'number' }, typeof cell === 'number' ? count(cell) : cell)
            )
          )
        )
      )
    )
  )
}

// meter shows how much of a bound is used. From nine tenths on it warns.
export function meter(value, max, label) {
  return el('meter', { min: 0, max, value, high: max * 0.9, optimum: 0, 'aria-label': label })
}

// count is a number with thin spaces. -1 means that nobody knows.
export function count(n) {
  return n < 0 ? 'unknown' : String(n).replace(/\B(?=(\d{3})+(?!\d))/g, ' ')
}

export function bytes(n) {
  if (n < 0) return 'unknown'
  for (const unit of ['B', 'KiB', 'MiB']) {
    if (n < 1024) return `${n < 10 && unit !== 'B' ? n.toFixed(1) : Math.round(n)} ${unit}`
    n /= 1024
  }
  return `${n.toFixed(1)} GiB`
}

export function duration(ms) {
  if (ms < 1000) return `${Math.round(ms)} ms`
  const s = ms / 1000
  if (s < 90) return `${s < 10 ? s.toFixed(1) : Math.round(s)} s`
  if (s < 5400) return `${Math.round(s / 60)} min`
  if (s < 129600) return `${Math.round(s / 3600)} h`
  return `${Math.round(s / 86400)} d`
}

export const ago = (at, now) => (at ? `${duration(Math.max(0, now - at))} ago` : '–')

export function clock(at) {
  const d = new Date(at),
    two = n => String(n).padStart(2, '0')
  return `${two(d.getHours())}:${two(d.getMinutes())}:${two(d.getSeconds())}`
}

// time is an element for a moment.
export const time = at => el('time', { datetime: new Date(at).toISOString() }, clock(at))
