// Who is typing in the room that is shown.

const shownFor = 4500 // ms: somebody who types says so again before that

export class Typing {
  own = '' // who we are
  #typing = new Map() // who → { name, timer }

  constructor(line) { this.line = line }

  begun({ who, name }) {
    if (who === this.own) return
    clearTimeout(this.#typing.get(who)?.timer)
    this.#typing.set(who, { name, timer: setTimeout(() => this.ended(who), shownFor) })
    this.#show()
  }

  ended(who) {
    clearTimeout(this.#typing.get(who)?.timer)
    if (this.#typing.delete(who)) this.#show()
  }

  clear() { for (const who of [...this.#typing.keys()]) this.ended(who) }

  #show() {
    const names = [...this.#typing.values()].map(({ name }) => name)
    this.line.textContent = names.length > 2 ? `${names.length} people are typing …`
      : names.length ? `${names.join(' and ')} ${names.length > 1 ? 'are' : 'is'} typing …` : ''
  }
}
