// The chat: it sends and shows messages. It does not deal with the network; link.js shows
// the state of the link.

import Mirage from '/live/mirage.js'
import { Link } from './link.js'
import { Log } from './log.js'

const $ = id => document.getElementById(id)

// The state that survives a reload: the chosen transport, the counters, the latest stamp
// shown, and how far our clock is ahead of the server's.
const kept = {
  choice: '', sent: 0, received: 0, replayed: 0, last: 0, skew: Number.MAX_VALUE,
  ...JSON.parse(sessionStorage.getItem('chat') ?? '{}'),
}

const client = new Mirage('/live', { start: false })
const log = new Log($('log'), kept.last, text => { say(text); $('text').focus() })
const link = new Link(client, log, kept, save)
const people = new Map() // who is here: id → name
let peopleAt = 0 // the stamp of the latest news of them
let saving // the timer of save

// ---- receiving

client.on('say', m => {
  clock(m.at)
  const late = link.missed(m.at / 1000 + kept.skew)
  if (log.add(m, m.id === client.id, late) !== 'new') return // an echo of our own message, or already shown
  kept.received++
  if (late) kept.replayed++
  link.strip.message(late ? 'late' : 'down')
  save()
})

client.on('past', m => log.add(m, m.id === client.id)) // on arrival, and after a gap

client.on('welcome', ({ name, now }) => {
  clock(now)
  const mine = localStorage.getItem('name')
  if (mine && mine !== name) client.emit('name', { name: mine })
  $('name').value = mine ?? name
  $('log').setAttribute('aria-busy', 'false') // the history is shown: from now on, screen readers announce messages
})

client.on('people', list => { // the whole list, for a new reader
  if (list.at < peopleAt) return
  people.clear()
  change(list)
})

client.on('changes', change) // of the list, for everybody, at most once a second

function change({ at, total, here, gone = [] }) {
  clock(at)
  if (at < peopleAt) return
  peopleAt = at
  for (const id of gone) people.delete(id)
  for (const { id, name } of here) people.set(id, name)
  $('total').textContent = total
  $('people').replaceChildren(...[...people].slice(0, 200).map(([id, name]) => {
    const li = document.createElement('li')
    li.style.setProperty('--hue', log.hue(id))
    li.classList.toggle('me', id === client.id)
    li.append(el('b', name), el('code', id))
    return li
  }))
}

// clock adjusts our clock by a stamp. The message that arrived fastest gives the best
// estimate.
function clock(stamp) { kept.skew = Math.min(kept.skew, Date.now() - stamp / 1000) }

// ---- sending

function say(text) {
  const key = `${Date.now().toString(36)}-${Math.random().toString(36).slice(2)}`
  log.wait({ key, text, id: client.id })
  client.emit('say', { text, key, name: localStorage.getItem('name') ?? '' }).then(() => {
    kept.sent++
    link.strip.message('up')
    save()
  }, error => log.failed(key, words(error)))
  save()
}

// waiting returns the messages that were sent and have not arrived, including those sent
// before a reload.
const waiting = messages => messages.filter(m => m.event === 'say').map(m => JSON.parse(m.data))

// Messages that will not arrive are reported here, too, because those sent before a
// reload have no promise.
client.on('mirage-returned', ({ messages, error }) => {
  for (const { key } of waiting(messages)) log.failed(key, words(error))
  save()
})

function words({ status }) {
  if (client.state === 'closed' || status >= 1000) return 'not sent: the session has ended'
  switch (status) {
    case 413: return 'not sent: it is too long'
    case 429: return 'not sent: too many messages wait already'
    case 400: case 500: return 'not sent: the server refused it'
    default: return 'not sent: it was written as somebody else'
  }
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
    client.emit('name', { name })
  })
}

// ---- helpers

// save shows and stores the counters, once for all messages that arrive together.
function save() {
  saving ??= setTimeout(() => {
    saving = undefined
    sessionStorage.setItem('chat', JSON.stringify({ ...kept, last: log.last }))
    const { sent, received, replayed } = kept, { length } = waiting(client.queued())
    for (const [what, n] of Object.entries({ sent, waiting: length, received, replayed })) $(what).textContent = n
    $('waiting').parentElement.classList.toggle('some', length > 0)
  })
}

function el(tag, text) {
  const e = document.createElement(tag)
  e.textContent = text
  return e
}

// Messages that were waiting before a reload are shown again. The client resends them
// itself.
for (const m of waiting(client.queued())) log.wait({ ...m, id: client.id })
save()
client.use(kept.choice || undefined)
client.connect()
