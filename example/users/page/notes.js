// The list of notes, the newest first.

export class Notes {
  #notes = new Map() // id → element

  // opened gets the ids of notes that are being read.
  constructor(list, opened) {
    this.list = list
    this.opened = opened
  }

  /** replace shows these notes, the newest of which is the last, and no others. */
  replace(notes) {
    const focused = this.list.contains(document.activeElement) && document.activeElement.closest('li').dataset.id
    this.#notes.clear()
    this.list.replaceChildren()
    for (const note of notes) this.add(note)
    this.#notes.get(Number(focused))?.querySelector('button')?.focus()
  }

  add({ id, from, text, at, read }) {
    const by = el('b', from)
    const date = new Date(at)
    const today = date.toDateString() === new Date().toDateString()
    const time = el('time', today ? date.toLocaleTimeString([], { timeStyle: 'short' }) : date.toLocaleDateString())
    time.dateTime = date.toISOString()
    const body = el('p', text)
    body.dir = 'auto'
    const button = el('button', 'Mark as read')
    button.type = 'button'
    button.addEventListener('click', () => this.opened([id]))

    const li = el('li', '')
    li.dataset.id = id
    li.classList.toggle('unread', !read)
    li.append(by, time, body)
    if (!read) li.append(button)
    this.list.prepend(li)
    this.#notes.set(id, li)
  }

  /** read shows that notes were read. */
  read(ids) {
    for (const id of ids) {
      const li = this.#notes.get(id)
      li?.classList.remove('unread')
      li?.querySelector('button')?.remove()
    }
  }

  /** unread returns the ids of the notes that are not read. */
  unread() { return [...this.#notes].filter(([, li]) => li.classList.contains('unread')).map(([id]) => id) }
}

function el(tag, text) {
  return Object.assign(document.createElement(tag), { textContent: text })
}
