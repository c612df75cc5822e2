// One session: its time-line, its log, its tabs and links.

import { el, swap, table, meter, bytes, duration, count, time } from './dom.js'
import { get, post } from './api.js'
import { timeline } from './timeline.js'
import { sentence, meaning, isTrouble, tab } from './words.js'

export function session(main, key) {
  const head = el('div'),
    picture = el('section', { class: 'card wide' }),
    rest = el('div'),
    actions = el('div')
  main.append(head, picture, rest, actions)
  let options
  return async here => {
    options ??= await get('overview')
    const d = await get(`sessions/${key}`)
    if (!here()) return
    swap(head, title(d))
    swap(picture, el('h2', {}, 'Time-line', el('span', {}, ' on this node')), timeline(d, picture.clientWidth - 34))
    swap(rest, d.log && facts(d), el('div', { class: 'pair' }, d.log && tabs(d), links(d)), events(d))
    if (!actions.hasChildNodes()) actions.append(...buttons(key, options))
  }
}

const title = d =>
  el(
    'p',
    { class: 'title' },
    el('a', { href: '#/sessions', 'data-key': 'back' }, 'Sessions'),
    ' / ',
    el('b', {}, el('code', {}, d.key)),
    d.id && el('span', { class: 'id' }, d.id),
    d.ended && !d.links.length && el('span', { class: 'ended' }, `ended: ${d.ended}`)
  )

function facts(d) {
  const { log } = d
  const fact = (name, value, ...more) => el('div', {}, el('dt', {}, name), el('dd', {}, value, more))
  return el(
    'section',
    { class: 'card wide' },
    el('h2', {}, 'Log'),
    el(
      'dl',
      { class: 'facts' },
      fact(
        'Messages',
        `${count(log.messages)} of ${count(log.maxMessages)}`,
        meter(log.messages, log.maxMessages, 'messages of the bound')
      ),
      fact(
        'Size',
        `${bytes(log.bytes)} of ${bytes(log.maxBytes)}`,
        meter(log.bytes, log.maxBytes, 'size of the bound')
      ),
      fact('Numbers', log.messages ? `${log.first} to ${log.top}` : `none; the last was ${log.top}`),
      fact('Retention', duration(log.retention)),
      fact('Writers', count(log.writers)),
      fact(
        'Topics',
        log.topics.length
          ? log.topics.flatMap(name => [
              el('a', { href: `#/topics/${encodeURIComponent(name)}`, 'data-key': 'topic ' + name }, name),
              ' ',
            ])
          : 'none'
      )
    )
  )
}

const tabs = d =>
  el(
    'section',
    { class: 'card' },
    el('h2', {}, 'Tabs'),
    table(
      'Tabs',
      ['Tab', 'State', '#Acknowledged', '#Behind'],
      d.log.readers.map(r => [
        tab(r.reader),
        r.links ? 'here' : `away for ${duration(r.away)}`,
        r.plain ? '–' : r.acked,
        Math.max(0, d.log.top - Math.max(r.acked, r.plain ? r.sent : 0)),
      ]),
      'No tab is remembered.'
    )
  )

const links = d =>
  el(
    'section',
    { class: 'card' },
    el('h2', {}, 'Links', el('span', {}, ' on this node')),
    table(
      'Links on this node',
      ['Tab', 'Transport', 'From', '#Age', '#Written'],
      d.links.map(l => [
        tab(l.reader),
        el('span', { class: 'key is-' + l.transport }, l.transport + (l.waiting ? ', between polls' : '')),
        l.remote,
        duration(l.age),
        bytes(l.bytes),
      ]),
      'There are none.'
    )
  )

function events(d) {
  return el(
    'section',
    { class: 'card wide' },
    el('h2', {}, 'Events', el('span', {}, ' the newest first')),
    table(
      'Events of the session',
      ['At', 'Tab', 'What', 'Why'],
      d.timeline.toReversed().map(e => [time(e.at), e.reader ? tab(e.reader) : '', sentence(e), why(e)]),
      'This node remembers no event of it.'
    )
  )
}

function why(e) {
  if (!e.reason) return ''
  const what = meaning(e.kind, e.reason)
  return el(
    'span',
    { class: isTrouble(e) && 'trouble' },
    el('code', {}, e.reason),
    ' ',
    what?.means,
    what && isTrouble(e) && what.do !== 'Nothing.' && el('span', { class: 'todo' }, ' ', what.do)
  )
}

// buttons are for what the options allow.
function buttons(key, options) {
  const all = []
  const said = el('p', { role: 'status', class: 'note' })
  if (options.showMessages) {
    const list = el('div')
    all.push(
      el(
        'section',
        { class: 'card wide' },
        el('h2', {}, 'Messages'),
        el(
          'button',
          {
            type: 'button',
            onclick: async () => {
              const { messages } = await get(`sessions/${key}/messages`).catch(failure => ({
                messages: [],
                error: (said.textContent = failure.message),
              }))
              swap(
                list,
                table(
                  'Messages',
                  ['#Number', 'Event', 'Key', '#Size', 'Text'],
                  messages.map(m => [
                    m.number,
                    m.event ?? '',
                    m.key ?? '',
                    bytes(m.bytes),
                    el('span', { class: 'text' }, m.text),
                  ]),
                  'It retains none.'
                )
              )
            },
          },
          'Show what is retained'
        ),
        list
      )
    )
  }
  if (options.allowActions) {
    const act = (name, body, question) => async () => {
      if (question && !confirm(question)) return
      said.textContent = await post(`sessions/${key}/${name}`, body?.() ?? {}).then(
        () => `Done: ${name}.`,
        failure => failure.message
      )
    }
    const text = el('input', { id: 'say', type: 'text', value: 'a test message' })
    all.push(
      el(
        'section',
        { class: 'card wide' },
        el('h2', {}, 'Actions'),
        el(
          'div',
          { class: 'actions' },
          el('label', { for: 'say' }, 'Message'),
          text,
          el('button', { type: 'button', onclick: act('send', () => ({ text: text.value })) }, 'Send'),
          el('button', { type: 'button', onclick: act('revalidate') }, 'Revalidate'),
          el(
            'button',
            { type: 'button', class: 'danger', onclick: act('end', undefined, 'End this session? Its tabs stop.') },
            'End'
          ),
          el(
            'button',
            {
              type: 'button',
              class: 'danger',
              onclick: act('revoke', undefined, 'Revoke this id? The visitor is logged out.'),
            },
            'Revoke'
          )
        ),
        said
      )
    )
  }
  return all
}
