// The inbox on one of the user's devices. The server has joined it to the topic of the
// user, so that changes come without asking. What the page shows comes from /inbox, and
// both have versions: what is older than what the page has is passed over, and a hole
// makes it load the inbox again.

import Mirage from '/live/mirage.js'
import { Notes } from './notes.js'

const $ = id => document.getElementById(id)
const client = new Mirage('/live')
const notes = new Notes($('notes'), ids => client.emit('read', { ids }))
let version = -1 // of what is shown

// ---- what the server says

client.on('changed', change => {
  if (change.version <= version) return
  if (change.version > version + 1) return load()
  version = change.version
  if (change.note) {
    notes.add(change.note)
    $('said').textContent = `A note from ${change.note.from}: ${change.note.text}`
  }
  notes.read(change.read ?? [])
  show(change.unread)
})

client.on('devices', load)
client.on('mirage-gap', load)
client.on('mirage-state', ({ state }) => { if (state === 'open') load() })

async function load() {
  const response = await fetch('/inbox').catch(() => {}) // without a network: we load when it is back
  if (response?.status === 403) return location.reload() // the log-in
  if (!response?.ok) return
  const inbox = await response.json()
  showDevices(inbox.devices)
  if (inbox.version <= version) return // a change was faster
  version = inbox.version
  notes.replace(inbox.notes)
  show(inbox.unread)
}

// This device was logged out, here or on another one.
client.on('close', () => location.reload())

// ---- what we do

$('send').addEventListener('submit', async e => {
  e.preventDefault()
  const text = $('text').value.trim()
  if (!text) return
  const to = Number($('to').value), key = Date.now().toString(36) + Math.random().toString(36).slice(2)
  $('text').value = ''
  $('notice').textContent = client.state === 'open' ? '' : 'It goes out when there is a network again.'
  try {
    await client.emit('send', { to, text, key })
    $('notice').textContent = `Sent to ${$('to').querySelector(`[value="${to}"]`).textContent}.`
  } catch {
    if (client.state !== 'closed') $('notice').textContent = 'The server did not take the note.'
  }
})

$('all').addEventListener('click', () => client.emit('read', { ids: notes.unread() }))

// ---- display

function show(unread) {
  $('unread').textContent = unread
  $('all').hidden = unread === 0
  $('notes').ariaBusy = 'false'
  document.title = unread ? `(${unread}) Inbox` : 'Inbox'
}

function showDevices(devices) {
  $('devices').replaceChildren(...devices.map(({ name, since, here, this: own }) => {
    const li = document.createElement('li')
    const date = new Date(since).toLocaleString([], { dateStyle: 'medium', timeStyle: 'short' })
    const about = document.createElement('small')
    about.textContent = own ? 'this device' : here ? 'connected' : `not connected, logged in ${date}`
    li.append(name, about)
    li.classList.toggle('here', here)
    return li
  }))
}

document.addEventListener('click', e => { if (!$('account').contains(e.target)) $('account').open = false })
document.addEventListener('keydown', e => { if (e.key === 'Escape') $('account').open = false })
client.subscribe(() => { document.body.dataset.link = client.state })
