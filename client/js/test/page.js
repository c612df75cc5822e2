// A page around the clients: a window and a document, whose listeners are counted.

import { getEventListeners } from 'node:events'
import { Store } from './world.js'

const METHODS = ['addEventListener', 'removeEventListener', 'dispatchEvent']

export class Page {
  window = new EventTarget()
  document = Object.assign(new EventTarget(), { hidden: false })
  navigation = new EventTarget()
  types = new Map() // target → types that somebody listened to

  constructor() {
    for (const target of [this.window, this.document, this.navigation]) this.observe(target)
    for (const name of METHODS) globalThis[name] = this.window[name].bind(this.window)
    Object.assign(globalThis, { document: this.document, navigation: this.navigation, sessionStorage: new Store() })
  }

  observe(target) {
    const types = new Set(), add = target.addEventListener
    this.types.set(target, types)
    target.addEventListener = (type, listener, { signal, ...options } = {}) => {
      types.add(type)
      add.call(target, type, listener, options)
      // Node 20 forgets to obey a signal of several listeners once memory is collected.
      signal?.addEventListener('abort', () => target.removeEventListener(type, listener))
    }
  }

  /** listeners is how many there are. */
  get listeners() {
    let n = 0
    for (const [target, types] of this.types) for (const type of types) n += getEventListeners(target, type).length
    return n
  }

  /** say dispatches an event on the window. */
  say(type, more) { this.window.dispatchEvent(Object.assign(new Event(type), more)) }

  /** hide and show do what happens when the user changes tabs. */
  hide() { this.turn(true) }
  show() { this.turn(false) }

  turn(hidden) {
    this.document.hidden = hidden
    this.document.dispatchEvent(new Event('visibilitychange'))
  }

  /** end is a page that is left for good: hidden, then ended. */
  end() {
    this.hide()
    this.say('pagehide', { persisted: false })
  }

  remove() {
    for (const name of [...METHODS, 'document', 'navigation', 'sessionStorage']) delete globalThis[name]
  }
}
