// Who is in the room that is shown.

import { hue } from './log.js'

export class People {
  constructor(list, count) {
    this.list = list
    this.count = count
  }

  clear() {
    this.list.replaceChildren()
    this.count.textContent = '0'
  }

  /** show shows the members of a room. If there are many, only their number is known. */
  show({ members, count, key }) {
    this.count.textContent = count
    this.list.replaceChildren(...[...members].map(([one, { who, name }]) => {
      const li = document.createElement('li')
      li.textContent = name
      li.style.setProperty('--hue', hue(who))
      li.classList.toggle('me', one === key)
      return li
    }))
    if (!members.size) this.list.textContent = 'Too many to list.'
  }
}
