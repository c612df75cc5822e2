// The chat itself: what to say and what to show. It knows nothing of links, positions and numbers; see client.js for those.

import { Mirage } from './client.js'
import { Log } from './log.js'
import { Strip } from './strip.js'

const $ = id => document.getElementById(id)
const mirage = new Mirage('/live')
const strip = new Strip($('strip'))

// What of our own outlives a refresh: the counters, the latest stamp shown, and how far our clock is ahead of the server's.
const kept = { sent: 0, received: 0, replayed: 0, last: 0, skew: Number.MAX_VALUE, ...JSON.parse(sessionStorage.getItem('chat') ?? '{}') }
const log = new Log($('log'), kept.last, say)
let showing // the timer of showCounts
let peopleAt = 0 // the stamp of the list that is shown
let back // how we came back: {at: when by our clock, how, mark, replayed}
let gone = 0 // since when there is no link; 0 before the first

// ---- what comes

mirage.addEventListener('message', ({ detail: { event, data } }) => {
  switch (event) {
    case 'say': return heard(data)
    case 'past': return log.add(data, data.id === mirage.id)
    case 'people': return showPeople(data)
    case 'welcome': return welcome(data)
  }
})

function heard(m) {
  clock(m.at)
  const late = m.at / 1000 + kept.skew < back.at // it was said while we had no link
  const fate = log.add(m, m.id === mirage.id, late)
  if (fate !== 'new') return // an echo of our own, or shown already
  count('received')
  if (late) {
    count('replayed')
    back.replayed++
    log.reword(back.mark, backText())
  }
  strip.message(late ? 'late' : 'down')
}

// clock learns from a stamp: the quickest way here is the nearest to the truth.
function clock(stamp) { kept.skew = Math.min(kept.skew, Date.now() - stamp / 1000) }

function welcome({ name, now }) {
  clock(now)
  const mine = localStorage.getItem('name')
  if (mine && mine !== name) mirage.send('name', { name: mine })
  $('name').value = mine ?? name
  $('log').setAttribute('aria-busy', 'false') // the history is here: from now on, read aloud
}

function showPeople({ at, total, here }) {
  clock(at)
  if (at < peopleAt) return
  peopleAt = at
  $('total').textContent = total
  $('people').replaceChildren(...here.map(({ id, name }) => {
    const li = document.createElement('li')
    li.style.setProperty('--hue', log.hue(id))
    li.classList.toggle('me', id === mirage.id)
    li.append(el('b', name), el('code', id))
    return li
  }))
}

// ---- what goes

function say(text) {
  const key = `${Date.now().toString(36)}-${Math.random().toString(36).slice(2)}`
  log.wait({ key, text, name: '', id: mirage.id })
  mirage.send('say', { text, key, name: localStorage.getItem('name') ?? '' })
  showCounts()
}

$('say').addEventListener('submit', e => {
  e.preventDefault()
  const text = $('text').value.trim()
  $('text').value = ''
  if (text) say(text)
})

for (const event of ['change', 'submit']) {
  $('me').addEventListener(event, e => {
    e.preventDefault()
    const name = $('name').value.trim()
    if (name === localStorage.getItem('name')) return
    localStorage.setItem('name', name)
    mirage.send('name', { name })
  })
}

// each hands the keys of chat messages among those of the session to f.
const each = (messages, f) => messages.filter(m => m.event === 'say').forEach(m => f(JSON.parse(m.data)))

mirage.addEventListener('accepted', e => each(e.detail, ({ key }) => {
  log.accepted(key)
  strip.message('up')
  count('sent')
}))
mirage.addEventListener('accepted', showCounts)
mirage.addEventListener('failed', e => each(e.detail, ({ key }) => log.failed(key, 'the server refused it')))
mirage.addEventListener('returned', e => each(e.detail, ({ key }) => log.failed(key, 'not sent: it was written as somebody else')))

// ---- the link

mirage.addEventListener('state', ({ detail }) => {
  const { state, transport } = mirage
  $('status').textContent = {
    connecting: 'connecting', open: `open · ${transportName()}`, reconnecting: 'reconnecting', away: 'away', ended: `ended: ${detail}`,
  }[state]
  document.body.dataset.state = state
  document.body.dataset.transport = transport
  $('away').textContent = state === 'away' ? 'Come back now' : 'Go away for 10 s'
  strip.link(state === 'open' ? transport : 'none')
  if (state === 'open') opened(detail)
  else if (gone) gone = Math.min(gone, Date.now())
  showCounts()
})

function opened({ hello, stranger, why }) {
  const seconds = (Date.now() - gone) / 1000
  const how = !gone ? 'Refreshed' : why === 'switch' ? `Now over ${transportName()}` : `Back after ${seconds.toFixed(1)} s`
  back = { at: Date.now(), how, replayed: 0 }
  gone = Infinity
  $('id').textContent = hello.id
  if (stranger) log.mark('You are somebody else now: the server has new keys. It keeps them with -keys FILE', 'loss')
  switch (hello.reason) {
    case '': if (how === 'Refreshed' || why || seconds > 0.5) back.mark = log.mark(backText())
    case 'new': case 'trimmed': return // nothing is missing, or mirage-gap says what is
    case 'restarted': return log.mark('The server restarted: what it had not delivered is lost', 'loss')
    case 'expired': return log.mark('You were away for too long: your session ended, and what was in it is lost', 'loss')
    default: log.mark(`The server cannot go on where you were: ${hello.reason}`, 'loss')
  }
}

function backText() {
  return `${back.how} · nothing lost` + (back.replayed ? ` · ${back.replayed} replayed` : '')
}

mirage.addEventListener('gap', ({ detail: { from, to, reason } }) => {
  const n = to - from + 1
  log.mark(`${n} message${n === 1 ? ' was' : 's were'} lost here: ${reason}`, 'loss')
})

for (const radio of document.getElementsByName('transport')) {
  radio.checked = radio.value === mirage.transport
  radio.addEventListener('change', () => mirage.use(radio.value))
}
$('cut').addEventListener('click', () => mirage.cut())
$('away').addEventListener('click', () => mirage.away(mirage.state === 'away' ? 0 : 10_000))
$('toggle').addEventListener('click', () => {
  const open = document.body.classList.toggle('panel')
  $('toggle').setAttribute('aria-expanded', open)
  $('toggle').textContent = open ? 'Chat' : 'Session'
})

// ---- small things

const transportName = () => mirage.transport === 'sse' ? 'SSE' : 'long-poll'

function count(what) {
  kept[what]++
  showCounts()
}

// showCounts shows and keeps the counters, once for all that comes together.
function showCounts() {
  showing ??= setTimeout(() => {
    showing = undefined
    sessionStorage.setItem('chat', JSON.stringify({ ...kept, last: log.last }))
    const waiting = mirage.queue.filter(m => m.event === 'say').length
    const { sent, received, replayed } = kept
    for (const [what, n] of Object.entries({ sent, waiting, received, replayed })) $(what).textContent = n
    $('waiting').parentElement.classList.toggle('some', waiting > 0)
  })
}

function el(tag, text) {
  const e = document.createElement(tag)
  e.textContent = text
  return e
}

// What was kept from before a refresh is shown again, as waiting.
each(mirage.queue, m => log.wait({ ...m, id: mirage.id }))
document.body.dataset.state = mirage.state
showCounts()
