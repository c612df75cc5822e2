// The topics, and who is present in one.

import { el, swap, table, bytes } from './dom.js'
import { get } from './api.js'

export function topics(main) {
  const list = el('div')
  main.append(list)
  return async here => {
    const found = await get('topics')
    if (!here()) return
    swap(
      list,
      table(
        'Topics',
        ['Topic', '#Present', '#Messages', '#Size', '#Last number'],
        found.topics.map(t => [
          el('a', { href: `#/topics/${encodeURIComponent(t.name)}`, 'data-key': t.name }, t.name),
          t.members,
          t.messages,
          bytes(t.bytes),
          t.top,
        ]),
        'No topic has begun.'
      )
    )
  }
}

export function topic(main, name) {
  const list = el('div')
  main.append(el('p', { class: 'title' }, el('a', { href: '#/topics' }, 'Topics'), ' / ', el('b', {}, name)), list)
  return async here => {
    const found = await get(`topics/${encodeURIComponent(name)}/members`)
    if (!here()) return
    swap(
      list,
      table(
        'Members',
        ['Session', 'Key', 'Info'],
        found.members.map(m => [
          el('a', { href: `#/sessions/${m.session}`, 'data-key': m.session }, el('code', {}, m.session)),
          el('code', {}, m.key),
          m.info === null ? '' : JSON.stringify(m.info),
        ]),
        'Nobody is present, or the topic has no presence.'
      )
    )
  }
}
