// The list of turns. A turn is in one of these states:
//
//   asking ──▶ answering ──▶ done, stopped, failed, interrupted
//      └─────▶ refused
//
// All but asking and refused are the server's.

const how = {
  asking: 'Waiting for the server …',
  refused: 'The server did not take the question.',
  stopped: 'Stopped.',
  failed: 'The model failed.',
  interrupted: 'The server ended before the answer did.',
}

export class Turns {
  #turns = new Map() // id → element
  #low = true // the page is scrolled to the end, and stays there

  // again gets the question of a turn that is to be asked once more.
  constructor(list, again) {
    this.list = list
    this.again = again
    for (const li of list.children) this.#adopt(li)

    // The end is where the reading goes on.
    history.scrollRestoration = 'manual'
    addEventListener('scroll', () => { this.#low = innerHeight + scrollY > document.body.scrollHeight - 120 })
    new ResizeObserver(() => { if (this.#low) this.#end() }).observe(list)
  }

  get size() { return this.#turns.size }

  /** title is the first question. */
  get title() { return this.list.querySelector('.question')?.textContent ?? '' }

  /** busy is the id of the turn that is being answered, or ''. */
  get busy() {
    return this.list.querySelector(':is([data-state=asking], [data-state=answering])')?.dataset.id ?? ''
  }

  answer(id) { return part(this.#turns.get(id), 'answer').textContent }

  /** tell takes a turn in a new state. */
  tell({ id, question, state }) {
    const li = this.#turn(id)
    if (question) part(li, 'question').textContent = question
    if (state === 'asking' && li.dataset.state) return // the server has it already
    li.dataset.state = state
    this.#explain(li)
  }

  /** write takes an answer, as far as it was written. It never becomes shorter. */
  write(id, text) {
    const answer = part(this.#turn(id), 'answer')
    if (text.length > answer.textContent.length) answer.textContent = text
  }

  /** follow scrolls to the end, and stays there. */
  follow() {
    this.#low = true
    this.#end()
  }

  #end() { scrollTo(0, document.body.scrollHeight) }

  // #turn returns the element of a turn, a new one at the end if there is none.
  #turn(id) {
    const known = this.#turns.get(id)
    if (known) return known
    const li = el('li', 'turn')
    li.dataset.id = id
    li.append(el('h2', 'question'), el('p', 'answer'), el('p', 'how'))
    for (const text of li.querySelectorAll('.question, .answer')) text.dir = 'auto'
    this.list.append(li)
    this.#adopt(li)
    return li
  }

  #adopt(li) {
    this.#turns.set(li.dataset.id, li)
    this.#explain(li)
  }

  // #explain says why there is no answer, or only the beginning of one.
  #explain(li) {
    const { state } = li.dataset
    const note = part(li, 'how')
    note.textContent = how[state] ?? ''
    li.ariaBusy = String(state === 'asking' || state === 'answering')
    if (!note.textContent || state === 'asking') return
    const button = el('button', '')
    button.type = 'button'
    button.textContent = 'Ask again'
    button.addEventListener('click', () => this.again(part(li, 'question').textContent))
    note.append(' ', button)
  }
}

const part = (li, name) => li.querySelector('.' + name)

const el = (tag, className) => Object.assign(document.createElement(tag), { className })
