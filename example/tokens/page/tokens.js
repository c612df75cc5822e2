// One conversation with the model. The page comes with all turns that are complete. It
// joins the conversation's topic at the position after them, and gets what follows.

import Mirage from '/live/mirage.js'
import { listRecent, remember } from './recent.js'
import { Turns } from './turns.js'

const $ = id => document.getElementById(id)
const { conversation, after } = document.body.dataset

const client = new Mirage('/live')
const room = client.join(`conversation:${conversation}`, { from: after })
const turns = new Turns($('turns'), question => compose(question))

// ---- what the model says

room.on('turn', turn => {
  if (turn.reload) return location.reload() // the server has more of the answer than was streamed
  turns.tell(turn)
  remember(conversation, turns.title)
  if (turn.state === 'done') $('said').textContent = turns.answer(turn.id) // for screen readers: once, as a whole
  show()
})

room.on('answer', ({ key, text }) => turns.write(key, text))

// Something is missing, because the page was away for longer than the topic remembers.
// The page that the server renders has everything.
room.on('mirage-gap', () => location.reload())

// ---- what we ask

function ask(question) {
  const id = Date.now().toString(36) + Math.random().toString(36).slice(2, 10).padEnd(8, '0')
  turns.tell({ id, question, state: 'asking' })
  client.emit('ask', { conversation, id, question })
  turns.follow()
  show()
}

client.on('mirage-returned', ({ messages, error }) => {
  for (const { event, data } of messages) {
    if (event !== 'ask') continue
    const turn = JSON.parse(data)
    if (error.status === 409) client.emit('ask', turn) // the server was restarted: we have a new id
    else turns.tell({ ...turn, state: 'refused' })
  }
  show()
})

$('ask').addEventListener('submit', e => {
  e.preventDefault()
  const question = $('question').value.trim()
  if (!question || turns.busy) return
  compose('')
  ask(question)
})

$('stop').addEventListener('click', () => {
  client.emit('stop', { conversation, id: turns.busy })
  $('question').focus()
})

$('question').addEventListener('keydown', e => {
  if (e.key !== 'Enter' || e.shiftKey || e.isComposing) return
  e.preventDefault()
  $('ask').requestSubmit()
})

for (const suggestion of $('empty').querySelectorAll('button')) {
  suggestion.addEventListener('click', () => ask(suggestion.textContent))
}

// ---- the draft, which survives a reload

const draft = `draft:${conversation}`

function compose(text) {
  $('question').value = text
  sessionStorage.setItem(draft, text)
  if (text) $('question').focus()
}

$('question').addEventListener('input', () => sessionStorage.setItem(draft, $('question').value))

// ---- around it

$('share').addEventListener('click', async () => {
  try {
    await navigator.clipboard.writeText(location.href)
    $('notice').textContent = 'The address is in the clipboard. Who opens it reads along.'
  } catch {
    $('notice').textContent = `Give this address to others: ${location.href}`
  }
})

document.addEventListener('click', e => { if (!$('menu').contains(e.target)) $('menu').open = false })
document.addEventListener('keydown', e => { if (e.key === 'Escape') $('menu').open = false })

const offline = {
  reconnecting: 'No connection. The model goes on meanwhile, and you get the rest when you are back.',
  closed: 'The connection has ended. Reload the page to go on.',
}

function show() {
  const { state } = client, { busy } = turns
  document.body.dataset.link = state
  $('notice').textContent = offline[client.stalled === 'offline' ? 'reconnecting' : state] ?? ''
  $('stop').hidden = busy === ''
  $('send').hidden = busy !== ''
  $('empty').hidden = turns.size > 0
}

// Questions that an earlier page asked without a network still go out: show them.
for (const { event, data } of client.queued()) {
  const turn = event === 'ask' ? JSON.parse(data) : {}
  if (turn.conversation === conversation) turns.tell({ ...turn, state: 'asking' })
}
if (turns.size) remember(conversation, turns.title)
listRecent($('recent'), conversation)
compose(sessionStorage.getItem(draft) ?? '')
client.subscribe(show)
