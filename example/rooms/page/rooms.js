// The page: which room it shows, and what it sends. The address has the room's name
// behind a #, so that each tab may show another one.

import Mirage from '/live/mirage.js'
import { Log } from './log.js'
import { People } from './people.js'
import { Typing } from './typing.js'

const $ = id => document.getElementById(id)
const known = ['lobby', 'garden', 'workshop', 'night-shift']

const client = new Mirage('/live')
const log = new Log($('log'), text => say(text))
const people = new People($('people'), $('count'))
const typing = new Typing($('typing'))
let room // the one that is shown

// ---- the room

function enter(name) {
  room?.leave()
  log.clear()
  people.clear()
  typing.clear()

  room = client.join(`room:${name}`, { from: 'start', info: { name: myName() } })
  room.on('said', m => {
    typing.ended(m.who)
    log.add(m)
  })
  room.on('typing', by => typing.begun(by))
  room.on('mirage-members', () => people.show(room))
  room.on('mirage-joined', () => log.live()) // all that the room remembers came before
  room.on('mirage-gap', gap => log.mark(lost(gap)))
  room.on('mirage-left', ({ reason }) => log.mark(`You are not in this room: ${reason}.`))

  // What was written here and waits for the network, perhaps since before a reload.
  for (const { event, data } of client.queued()) {
    const m = event === 'say' ? JSON.parse(data) : {}
    if (m.room === name) log.wait(m)
  }
  document.title = name
  $('title').textContent = name
  listRooms(name)
}

function lost({ from, to, reason }) {
  if (to === null) return 'The server was restarted: what was said meanwhile may be missing here.'
  const why = reason === 'trimmed' ? 'more was said than the room remembers' : 'you were away for too long'
  return `${to - from + 1} messages are missing here: ${why}.`
}

const current = () => decodeURIComponent(location.hash.slice(1)) || known[0]

// ---- who we are

client.on('you', ({ who, name }) => {
  log.own(who)
  typing.own = who
  $('name').placeholder = name
})

const myName = () => localStorage.getItem('name') ?? ''

for (const event of ['change', 'submit']) {
  $('me').addEventListener(event, e => {
    e.preventDefault()
    const name = $('name').value.trim()
    if (name === myName()) return
    localStorage.setItem('name', name)
    client.join(room.topic, { info: { name } }).leave() // another join tells the others
  })
}

// ---- what we say

let typed = 0 // when the others were told that we type

function say(text) {
  const key = Date.now().toString(36) + Math.random().toString(36).slice(2)
  const m = { room: current(), name: myName(), text, key }
  typed = 0
  log.wait(m)
  client.emit('say', m)
}

client.on('mirage-returned', ({ messages, error }) => {
  for (const { event, data } of messages) {
    if (event !== 'say') continue
    const m = JSON.parse(data)
    if (error.status === 409) client.emit('say', m) // the server was restarted: we have a new id
    else log.failed(m.key)
  }
})

$('say').addEventListener('submit', e => {
  e.preventDefault()
  const text = $('text').value.trim()
  $('text').value = ''
  if (text) say(text)
})

$('text').addEventListener('input', () => {
  // Without a connection it would be told later, when it is not true any more.
  if (!$('text').value || client.state !== 'open' || Date.now() - typed < 2500) return
  typed = Date.now()
  client.emit('typing', { room: current(), name: myName() })
})

// ---- around it

function listRooms(name) {
  const opened = JSON.parse(localStorage.getItem('rooms') ?? '[]')
  if (!known.includes(name) && !opened.includes(name)) {
    opened.push(name)
    localStorage.setItem('rooms', JSON.stringify(opened.slice(-20)))
  }
  $('rooms').replaceChildren(...[...known, ...opened].map(one => {
    const a = Object.assign(document.createElement('a'), { href: `#${one}`, textContent: one })
    if (one === name) a.ariaCurrent = 'page'
    const li = document.createElement('li')
    li.append(a)
    return li
  }))
}

$('open').addEventListener('submit', e => {
  e.preventDefault()
  const name = $('other').value.toLowerCase().replace(/[^a-z0-9]+/g, '-').replace(/^-|-$/g, '')
  $('other').value = ''
  if (name) location.hash = name
})

function side(open) {
  document.body.classList.toggle('side', open)
  for (const id of ['log', 'say', 'here']) $(id).inert = open // they are below it
  $('back').ariaExpanded = String(open)
}

$('back').addEventListener('click', () => side(!document.body.classList.contains('side')))
$('rooms').addEventListener('click', e => { if (e.target.href) side(false) })
document.addEventListener('click', e => { if (!$('here').contains(e.target)) $('here').open = false })
document.addEventListener('keydown', e => {
  if (e.key !== 'Escape') return
  $('here').open = false
  side(false)
})

const states = {
  reconnecting: 'No connection. What you write is kept, and goes out when you are back.',
  closed: 'The connection has ended. Reload the page to go on.',
}

addEventListener('hashchange', () => {
  side(false)
  enter(current())
})
$('name').value = myName()
enter(current())
client.subscribe(() => {
  const state = client.stalled === 'offline' ? 'reconnecting' : client.state
  document.body.dataset.link = state
  $('notice').textContent = states[state] ?? ''
})
