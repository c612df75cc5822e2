// The list of messages. It shows each message once, in the order of the server's stamps,
// whatever the order of arrival. Messages without a stamp yet are at the end.

const keep = 2_000 // lines: twice as many as the server keeps for a reader that is away

export class Log {
  #shown = new Set() // stamps
  #waiting = new Map() // our messages that the server has not echoed yet: key → line

  constructor(list, last, again) {
    this.list = list
    this.last = last // the latest stamp shown, also before a reload
    this.again = again // sends a text again
    this.low = true // the list is scrolled to the end, and stays there
    list.addEventListener('scroll', () => { this.low = list.scrollHeight - list.scrollTop - list.clientHeight < 80 })
    new ResizeObserver(() => this.#follow()).observe(list)
  }

  // add shows a message of the server. It returns 'echo' for a waiting message of ours,
  // 'known' if the message is already shown, and 'new' otherwise.
  add(m, own, late = false) {
    if (this.#shown.has(m.at)) return 'known'
    this.#shown.add(m.at)
    this.last = Math.max(this.last, m.at)
    const waiting = own ? this.#waiting.get(m.key) : undefined
    waiting?.remove()
    if (waiting) this.#waiting.delete(m.key)
    this.#insert(this.#line(m, own, late), m.at)
    return waiting ? 'echo' : 'new'
  }

  // wait shows a message of ours that the server has not echoed yet.
  wait(m) {
    const line = this.#line({ ...m, at: Date.now() * 1000 }, true)
    line.classList.add('waiting')
    this.low = true
    this.#waiting.set(m.key, line)
    this.#insert(line, Infinity)
  }

  // failed shows why a message was not sent, and offers to send it again as a new one.
  failed(key, why) {
    const line = this.#waiting.get(key)
    if (!line?.classList.contains('waiting')) return
    line.className = 'message own failed'
    const button = el('button', 'Send it now')
    button.addEventListener('click', () => {
      this.#waiting.delete(key)
      line.remove()
      this.again(line.querySelector('.text').textContent)
    })
    const note = el('p', why + ' ', 'note')
    note.append(button)
    line.append(note)
  }

  // mark adds a line of the page itself at the current place in the conversation.
  mark(text, kind = 'quiet') {
    const line = el('li', '', 'mark ' + kind)
    line.append(el('span', text))
    this.#insert(line, this.last + 0.5)
    return line
  }

  reword(mark, text) { if (mark) mark.firstChild.textContent = text }

  // hue returns the colour of a person.
  hue(id) { return [...id].reduce((h, c) => Math.imul(h ^ c.charCodeAt(0), 16777619) >>> 0, 2166136261) % 360 }

  #line(m, own, late) {
    const line = el('li', '', 'message' + (own ? ' own' : '') + (late ? ' late' : ''))
    line.dataset.by = m.id
    line.style.setProperty('--hue', this.hue(m.id))

    const date = new Date(m.at / 1000)
    const time = el('time', date.toLocaleTimeString([], { hour: '2-digit', minute: '2-digit' }))
    time.dateTime = date.toISOString()

    const who = el('p', '', 'who')
    who.append(el('b', m.name), time)
    if (late) who.append(el('span', 'replayed', 'badge'))

    const text = el('p', m.text, 'text')
    text.dir = 'auto'

    line.append(who, text)
    return line
  }

  #insert(line, at) {
    const { list } = this
    line.at = at

    let before = list.lastElementChild
    while (before && before.at > at) before = before.previousElementSibling
    if (before) before.after(line)
    else list.prepend(line)

    this.#join(line)
    this.#join(line.nextElementSibling)
    if (list.childElementCount > keep) list.firstElementChild.remove()
    this.#follow()
  }

  // #follow scrolls to the end before the next frame, once for all messages that arrive
  // together.
  #follow() {
    if (!this.low) return
    this.frame ??= requestAnimationFrame(() => {
      this.frame = undefined
      this.list.scrollTop = this.list.scrollHeight
    })
  }

  // #join hides the name above a message that follows one by the same person.
  #join(line) {
    if (!line) return
    const { by } = line.dataset
    line.classList.toggle('joined', by !== undefined && line.previousElementSibling?.dataset.by === by)
  }
}

function el(tag, text, name = '') {
  const e = document.createElement(tag)
  e.textContent = text
  e.className = name
  return e
}
