// The chat: what to say and what to show. It may forget that there is a network; link.js shows how that fares to whoever wants to know.

import Mirage from '/live/mirage.js'
import { Link, transports } from './link.js'
import { Log } from './log.js'

const $ = id => document.getElementById(id)

// What of our own outlives a refresh: the choice of a transport, counters, what waits by its key, the latest stamp shown, and how far our
// clock is ahead of the server's.
const kept = { choice: '', sent: 0, received: 0, replayed: 0, waiting: {}, last: 0, skew: Number.MAX_VALUE, ...JSON.parse(sessionStorage.getItem('chat') ?? '{}') }

const client = new Mirage('/live', { transports: transports(kept.choice) })
const log = new Log($('log'), kept.last, text => { say(text); $('text').focus() })
const link = new Link(client, log, kept, save)
let peopleAt = 0 // the stamp of the list that is shown
let saving // the timer of save

// ---- what comes

client.on('say', m => {
  clock(m.at)
  const late = link.missed(m.at / 1000 + kept.skew)
  if (show(m, late) !== 'new') return // an echo of our own, or shown already
  kept.received++
  if (late) kept.replayed++
  link.strip.message(late ? 'late' : 'down')
  save()
})

client.on('past', m => show(m, false)) // on arrival, and to make up for a gap

client.on('welcome', ({ name, now }) => {
  clock(now)
  const mine = localStorage.getItem('name')
  if (mine && mine !== name) client.emit('name', { name: mine })
  $('name').value = mine ?? name
  $('log').setAttribute('aria-busy', 'false') // the history is here: from now on, read aloud
})

client.on('people', ({ at, total, here }) => {
  clock(at)
  if (at < peopleAt) return
  peopleAt = at
  $('total').textContent = total
  $('people').replaceChildren(...here.map(({ id, name }) => {
    const li = document.createElement('li')
    li.style.setProperty('--hue', log.hue(id))
    li.classList.toggle('me', id === client.id)
    li.append(el('b', name), el('code', id))
    return li
  }))
})

function show(m, late) {
  const own = m.id === client.id
  if (own) delete kept.waiting[m.key]
  return log.add(m, own, late)
}

// clock learns from a stamp: the quickest way here is the nearest to the truth.
function clock(stamp) { kept.skew = Math.min(kept.skew, Date.now() - stamp / 1000) }

// ---- what goes

function say(text) {
  const key = `${Date.now().toString(36)}-${Math.random().toString(36).slice(2)}`
  kept.waiting[key] = text
  log.wait({ key, text, id: client.id })
  client.emit('say', { text, key, name: localStorage.getItem('name') ?? '' }).then(() => {
    kept.sent++
    link.strip.message('up')
    save()
  }, error => failed(key, words(error)))
  save()
}

function failed(key, why) {
  delete kept.waiting[key]
  log.failed(key, why)
  save()
}

// words says why a message was not taken.
function words({ status, message }) {
  if (client.state === 'closed') return 'not sent: the session has ended'
  if (status === 413) return client.bufferedAmount ? 'not sent: too many messages wait already' : 'not sent: it is too long'
  if (status === 500) return 'the server refused it'
  return 'not sent: ' + message
}

// Somebody else must not say what we wrote. What an earlier page wrote has no promise, but is handed back like the rest.
client.on('mirage-returned', ({ messages }) => {
  for (const { event, data } of messages) if (event === 'say') failed(JSON.parse(data).key, 'not sent: it was written as somebody else')
})

client.on('close', () => { for (const key in kept.waiting) failed(key, 'not sent: the session has ended') })

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
    client.emit('name', { name })
  })
}

// ---- small things

// save shows and keeps the counters, once for all that comes together.
function save() {
  saving ??= setTimeout(() => {
    saving = undefined
    keep()
    const { sent, received, replayed } = kept, waiting = Object.keys(kept.waiting).length
    for (const [what, n] of Object.entries({ sent, waiting, received, replayed })) $(what).textContent = n
    $('waiting').parentElement.classList.toggle('some', waiting > 0)
  })
}

function keep() { sessionStorage.setItem('chat', JSON.stringify({ ...kept, last: log.last })) }

addEventListener('pagehide', keep)

function el(tag, text) {
  const e = document.createElement(tag)
  e.textContent = text
  return e
}

// What waited before a refresh is shown again; the client sends it by itself.
for (const key in kept.waiting) log.wait({ key, text: kept.waiting[key], id: client.id })
save()
