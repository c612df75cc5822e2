// The list of sessions, with a search.

import { el, swap, table, bytes, duration, ago, count } from './dom.js'
import { post } from './api.js'

let search = '' // stays while other views are open

export function sessions(main) {
  const list = el('div')
  const input = el('input', {
    id: 'search',
    type: 'search',
    autocomplete: 'off',
    spellcheck: 'false',
    placeholder: 'The id, or the beginning of the name in the log',
  })
  input.value = search
  let update
  const form = el(
    'form',
    { class: 'search', role: 'search' },
    el('label', { for: 'search' }, 'Find a session'),
    input
  )
  form.addEventListener('submit', event => event.preventDefault())
  let waiting
  input.addEventListener('input', () => {
    search = input.value
    clearTimeout(waiting)
    waiting = setTimeout(() => update?.(() => list.isConnected).catch(() => {}), 200)
  })
  main.append(form, list)

  update = async here => {
    const asked = search
    const found = await post('sessions', { search: asked })
    if (!here() || asked !== search) return
    const now = Date.now()
    swap(
      list,
      el(
        'p',
        { class: 'note', role: 'status' },
        `${count(found.total)} ${found.total === 1 ? 'session' : 'sessions'}` +
          (found.total > found.sessions.length ? `, of which ${found.sessions.length} are shown` : '') +
          (found.shared ? '' : ', those that this node remembers') +
          (found.whole ? '' : '. There are more than were looked at.')
      ),
      table(
        'Sessions',
        ['Session', 'State', '#Tabs', '#Messages', '#Size', '#Gaps', 'Last event'],
        found.sessions.map(s => [
          el(
            'a',
            { href: `#/sessions/${s.key}`, 'data-key': s.key },
            el('code', {}, s.key),
            s.id && el('span', { class: 'id' }, s.id)
          ),
          state(s),
          s.readers,
          s.messages,
          bytes(s.bytes),
          s.gaps ? el('b', { class: 'trouble' }, count(s.gaps)) : 0,
          ago(s.event, now),
        ]),
        asked ? 'No session matches.' : 'There are no sessions.'
      )
    )
  }
  return update
}

function state(s) {
  if (s.ended && s.links <= 0) return `ended: ${s.ended}`
  if (s.links > 0) return `${count(s.links)} ${s.links === 1 ? 'link' : 'links'}`
  return s.links < 0 ? 'unknown' : `away for ${duration(s.idle)}`
}
