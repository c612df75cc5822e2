// The state of the link, in words and as a picture. The chat does not need this file: a
// page may leave it out.

import { Strip } from './strip.js'

const $ = id => document.getElementById(id)

const names = { websocket: 'WebSocket', sse: 'SSE', poll: 'Long-poll' }

const lost = {
  restarted: 'The server restarted: what it had not delivered is lost',
  expired: 'You were away for too long: your session ended, and what was in it is lost',
}
const why = {
  trimmed: 'more was said than the server keeps for somebody who is away',
  expired: 'you were away for too long',
}

export class Link {
  #gone = 0 // when the link was lost; 0 before the first link
  #back = { at: 0, how: '', lost: false, replayed: 0, mark: undefined } // how we reconnected
  #refreshed // this page was reloaded
  #timer // for the return from being away

  constructor(client, log, kept, save) {
    Object.assign(this, { client, log, kept, save })
    this.#refreshed = client.id !== ''
    this.strip = new Strip($('strip'))

    this.#switcher()

    client.subscribe(() => this.#show())
    client.on('mirage-state', e => this.#changed(e))
    client.on('mirage', (_, e) => this.#hello(e))
    client.on('mirage-gap', e => this.#gap(e))
    client.on('mirage-retry', e => this.#failed(e))
    client.on('close', e => this.#closed(e))

    $('cut').addEventListener('click', () => { client.disconnect(); this.#return() })
    $('away').addEventListener('click', () => client.state === 'paused' ? this.#return() : this.#leave())
    $('restart').addEventListener('click', () => location.reload())
    $('toggle').addEventListener('click', () => {
      const open = document.body.classList.toggle('panel')
      $('toggle').setAttribute('aria-expanded', open)
      $('toggle').textContent = open ? 'Chat' : 'Session'
    })
  }

  /**
   * missed reports whether a message with a time by our clock was sent while we had no
   * link, and counts it.
   */
  missed(at) {
    const late = at < this.#back.at
    if (late) {
      this.#back.replayed++
      this.#reword()
    }
    return late
  }

  #leave() {
    this.client.disconnect()
    this.#timer = setTimeout(() => this.client.connect(), 10_000)
  }

  #return() {
    clearTimeout(this.#timer)
    this.client.connect()
  }

  // ---- the switcher

  #switcher() {
    for (const value of ['', ...this.client.transports]) {
      const textContent = value ? names[value] ?? value : 'Automatic'
      const radio = el('input', { type: 'radio', name: 'transport', value, checked: value === this.kept.choice })
      radio.addEventListener('change', () => this.#use(value))
      const label = el('label')
      label.append(radio, el('span', { textContent, className: value }))
      $('transport').append(label)
    }
  }

  async #use(choice) {
    const { client, kept } = this, before = kept.choice
    this.#choose(choice)
    try {
      await client.use(choice || undefined)
      if (client.state === 'open') this.#say(`Now over ${names[client.transport]}. Nothing was lost.`)
    } catch {
      if (kept.choice !== choice || client.state !== 'open') return // another one was chosen since, or none worked
      this.#choose(before)
      this.#say(`${names[choice] ?? 'Another transport'} does not work here: it stays with ${names[client.transport]}.`)
    }
  }

  #choose(choice) {
    this.kept.choice = choice
    $('transport').querySelector(`[value="${choice}"]`).checked = true
    this.save()
  }

  // ---- events of the client

  #changed({ state, previous }) {
    if (previous === 'open') this.#gone = Date.now()
    if (state === 'paused') this.#say('You are away. What you write is kept, and goes out when you are back.')
    if (state !== 'open') return

    this.#say('')
    const seconds = (Date.now() - this.#gone) / 1000
    const how = this.#gone ? `Back after ${seconds.toFixed(1)} s` : 'Refreshed'
    this.#back = { at: Date.now(), how, lost: false, replayed: 0 }
    if (this.#gone ? seconds > 0.5 : this.#refreshed) this.#back.mark = this.log.mark(this.#words())
  }

  #hello({ id, known, previous, resumed, reason }) {
    $('id').textContent = id
    if (known && known !== id && known !== previous) {
      this.log.mark('You are somebody else now: the server has new keys. It keeps them with -data DIR', 'loss')
    }
    if (resumed || reason === 'new' || reason === 'trimmed') return // nothing is missing, or mirage-gap reports it
    this.#lose(lost[reason] ?? `The server cannot go on where you were (${reason}): something may be lost`)
  }

  #gap({ from, to, reason }) {
    if (to === null) return // the server cannot know how many: hello has reported it
    const n = to - from + 1
    this.#lose(`${n} message${n === 1 ? ' was' : 's were'} lost here: ${why[reason] ?? reason}`)
  }

  #lose(text) {
    this.#back.lost = true
    this.#reword()
    this.log.mark(text, 'loss')
  }

  #failed({ error, delay }) {
    const what = error.status ? `The server says: ${error.message}.`
      : navigator.onLine ? 'The server cannot be reached.' : 'This device is offline.'
    this.#say(`${what} Next try in ${Math.max(1, Math.round(delay / 1000))} s; what you write is kept.`)
  }

  #closed({ code, reason }) {
    this.#say(`This session has ended: ${reason || 'code ' + code}.`)
    const controls = '#text, #say button:first-of-type, #transport, #cut, #away'
    for (const control of document.querySelectorAll(controls)) control.disabled = true
    $('restart').hidden = false
    $('restart').focus()
  }

  // ---- display

  #show() {
    const { state, transport } = this.client
    const text = {
      connecting: 'connecting',
      open: `open · ${names[transport] ?? transport}`,
      reconnecting: 'reconnecting',
      paused: 'away',
      closing: 'leaving',
      closed: 'ended',
    }[state]
    $('status').textContent = text
    this.strip.link(state === 'open' ? transport : 'none')
    document.body.dataset.state = state
    document.body.dataset.transport = transport
    $('away').textContent = state === 'paused' ? 'Come back now' : 'Go away for 10 s'
  }

  #say(text) { $('notice').textContent = text || 'Whatever the network does, what you write arrives once.' }

  #words() {
    const { how, lost, replayed } = this.#back
    return how + (lost ? '' : ' · nothing lost') + (replayed ? ` · ${replayed} replayed` : '')
  }

  #reword() { this.log.reword(this.#back.mark, this.#words()) }
}

const el = (tag, more) => Object.assign(document.createElement(tag), more)
