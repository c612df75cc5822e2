// The messages of the room that is shown. Those of ours that the server has not accepted
// yet are at the end.

const keep = 1000 // lines

export class Log {
  #waiting = new Map() // our messages that have not come back: key → line
  #own = '' // who we are
  #low = true // the list is scrolled to the end, and stays there

  // again sends a text again.
  constructor(list, again) {
    this.list = list
    this.again = again
    list.addEventListener('scroll', () => { this.#low = list.scrollHeight - list.scrollTop - list.clientHeight < 80 })
    new ResizeObserver(() => this.#follow()).observe(list)
  }

  clear() {
    this.list.replaceChildren()
    this.list.ariaBusy = 'true' // screen readers do not read what was said before
    this.#waiting.clear()
    this.#low = true
  }

  /** live says that the history is complete. */
  live() { this.list.ariaBusy = 'false' }

  /** own says who we are. */
  own(who) {
    this.#own = who
    for (const line of this.list.children) line.classList.toggle('own', line.dataset.who === who)
  }

  /** add shows a message of the room. */
  add(m) {
    this.#waiting.get(m.key)?.remove()
    this.#waiting.delete(m.key)
    const line = this.#line(m)
    const first = this.#waiting.values().next().value
    if (first) first.before(line)
    else this.list.append(line)
    this.#group(line)
    if (this.list.childElementCount > keep) this.list.firstElementChild.remove()
    this.#follow()
  }

  /** wait shows a message of ours that the server has not accepted yet. */
  wait(m) {
    if (this.#waiting.has(m.key)) return
    const line = this.#line({ ...m, who: this.#own, at: Date.now() })
    line.classList.add('own', 'waiting')
    this.#waiting.set(m.key, line)
    this.list.append(line)
    this.#low = true
    this.#follow()
  }

  /** failed offers to send a message again, which the server did not take. */
  failed(key) {
    const line = this.#waiting.get(key)
    if (!line) return
    line.classList.replace('waiting', 'failed')
    const button = el('button', 'Not sent. Send it again')
    button.type = 'button'
    button.addEventListener('click', () => {
      this.#waiting.delete(key)
      line.remove()
      this.again(line.querySelector('.text').textContent)
    })
    line.append(button)
  }

  /** mark adds a line of the page itself. */
  mark(text) {
    const line = el('li', '', 'mark')
    line.append(el('span', text))
    this.list.append(line)
    this.#follow()
  }

  #line({ who, name, text, at }) {
    const line = el('li', '', 'message')
    line.dataset.who = who
    line.classList.toggle('own', who === this.#own)
    line.style.setProperty('--hue', hue(who))

    const date = new Date(at)
    const today = date.toDateString() === new Date().toDateString()
    const day = today ? {} : { weekday: 'short' }
    const time = el('time', date.toLocaleTimeString([], { hour: '2-digit', minute: '2-digit', ...day }))
    time.dateTime = date.toISOString()
    const by = el('p', '', 'by')
    by.append(el('b', name), ' ', time)

    const body = el('p', text, 'text')
    body.dir = 'auto'
    line.append(by, body)
    return line
  }

  // #group hides the name above a message that follows one by the same person.
  #group(line) {
    const before = line.previousElementSibling
    const same = before?.dataset.who === line.dataset.who
      && before.querySelector('b')?.textContent === line.querySelector('b').textContent
    line.classList.toggle('grouped', same)
  }

  // #follow scrolls to the end before the next frame, once for all messages that arrive
  // together.
  #follow() {
    if (!this.#low) return
    this.frame ??= requestAnimationFrame(() => {
      this.frame = undefined
      this.list.scrollTop = this.list.scrollHeight
    })
  }
}

/** hue returns the colour of a person. */
export const hue = who => parseInt(who.slice(0, 4) || '0', 16) % 360

function el(tag, text, className = '') {
  return Object.assign(document.createElement(tag), { textContent: text, className })
}
