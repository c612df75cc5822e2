// The list of messages. It keeps them in the order of the server's stamps, whatever the
// order in which they come, and shows each once. What the server has not stamped yet
// stands at the end.

const keep = 2_000 // lines: twice what the server keeps for somebody who is away

export class Log {
  #shown = new Set() // stamps
  #waiting = new Map() // what is ours and not back yet: its key → its line

  constructor(list, last, again) {
    this.list = list
    this.last = last // the latest stamp shown, also before a refresh
    this.again = again // sends a text once more
    this.low = true // the reader is at the end, and stays there
    list.addEventListener('scroll', () => { this.low = list.scrollHeight - list.scrollTop - list.clientHeight < 80 })
    new ResizeObserver(() => this.#follow()).observe(list)
  }

  // add shows a message of the server: 'new', or 'echo' if it was ours that waited, or
  // 'known' if it is shown already.
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

  // wait shows a message of ours that the server has not sent back yet.
  wait(m) {
    const line = this.#line({ ...m, at: Date.now() * 1000 }, true)
    line.classList.add('waiting')
    this.low = true
    this.#waiting.set(m.key, line)
    this.#insert(line, Infinity)
  }

  // failed shows why a message will not be sent, and offers to send it as a new one.
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

  // mark writes a line of the page itself where the conversation is now.
  mark(text, kind = 'quiet') {
    const line = el('li', '', 'mark ' + kind)
    line.append(el('span', text))
    this.#insert(line, this.last + 0.5)
    return line
  }

  reword(mark, text) { if (mark) mark.firstChild.textContent = text }

  // hue is the colour of somebody.
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

  // #follow scrolls to the end before the next picture, once for all that comes together.
  #follow() {
    if (!this.low) return
    this.frame ??= requestAnimationFrame(() => {
      this.frame = undefined
      this.list.scrollTop = this.list.scrollHeight
    })
  }

  // #join hides the name over a message that follows one of the same person.
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
