// The log of reasons: what was refused or lost, the newest first.

import { el, swap, table, time } from './dom.js'
import { get } from './api.js'
import { sentence, meaning, tab } from './words.js'

const most = 300

export function log(main) {
  const list = el('div')
  main.append(el('p', { class: 'note' }, 'Refusals, losses, and ends that no client asked for, on this node.'), list)
  let lines = [],
    last = 0
  return async here => {
    const found = await get(`log?after=${last}`)
    if (!here()) return
    if (found.lines.length) {
      last = found.lines.at(-1).number
      lines = found.lines.toReversed().concat(lines).slice(0, most)
    }
    swap(
      list,
      table(
        'Log of reasons',
        ['At', 'Session', 'Tab', 'What', 'Reason', 'Meaning'],
        lines.map(e => [
          time(e.at),
          e.session
            ? el('a', { href: `#/sessions/${e.session}`, 'data-key': e.number }, el('code', {}, e.session))
            : '',
          e.reader ? tab(e.reader) : '',
          sentence(e),
          el('code', {}, e.reason ?? ''),
          meaning(e.kind, e.reason)?.means ?? '',
        ]),
        'Nothing was refused or lost.'
      )
    )
  }
}
