// mirage.js, mirage.d.ts and the lists of docs/client.md have the same names.

import assert from 'node:assert/strict'
import { readFileSync, readdirSync } from 'node:fs'
import { afterEach, beforeEach, test } from 'node:test'
import * as module from '../mirage.js'
import { defaults, others } from '../src/options.js'
import { Rooms } from './rooms.js'
import { Clock } from './world.js'

const { Mirage } = module
const read = path => readFileSync(new URL(path, import.meta.url), 'utf8')
const types = read('../mirage.d.ts'), manual = read('../../../docs/client.md')
const sorted = names => [...new Set(names)].sort()
const all = (text, pattern) => [...text.matchAll(pattern)].map(m => m[1])

const source = readdirSync(new URL('../src', import.meta.url), { recursive: true })
  .filter(file => file.endsWith('.js')).map(file => read('../src/' + file)).join('\n')

// members are the names in an interface or class of mirage.d.ts,
// each with the comment before it.
function members(name) {
  const flat = types
    .replace(/\{ (readonly [^{}]*) \}\n/g, '{ $1; }\n')
    .replace(/\{[^{}\n]*\}(?!\n)/g, '0')
  const [, body] = new RegExp(`(?:interface|class) ${name}\\b[^{]*\\{(.*?)\\}\\n`, 's').exec(flat)
  const out = new Map()
  const comment = /(?:\/\*\*((?:(?!\*\/).)*)\*\/)?/.source
  const member = /\s*(?:^|;)\s*(?:static )?(?:readonly )?(\[Symbol\.\w+\]|'?[\w-]+'?)\??[(:<]/.source
  for (const m of body.matchAll(new RegExp(comment + member, 'gms'))) {
    const key = m[2].replaceAll("'", '')
    out.set(key, (out.get(key) ?? '') + (m[1] ?? ''))
  }
  return out
}

// section is the text of the manual below a heading, up to the next one of that level.
function section(heading) {
  const [, text] = new RegExp(`\\n## ${heading}\\n(.*?)\\n## `, 's').exec(manual)
  return text
}

// items are the names that a list of the manual explains, each with its explanation. An
// item looks like "- `name(…)`: text", and its further lines are indented.
function items(text) {
  const out = new Map()
  for (const [, names, said] of text.matchAll(/^- (`[^:]*): (.*\n(?: +.*\n|\n(?= ))*)/gm)) {
    for (const name of all(names, /`(?:for await.*of )?(\[Symbol\.\w+\]|[\w-]+)/g)) {
      assert.ok(!out.has(name), `${name} twice`)
      out.set(name === 'client' ? '[Symbol.asyncIterator]' : name, said.replace(/\s+/g, ' '))
    }
  }
  return out
}

// firstCells are the names in the first column of the tables in a part of the manual.
const firstCells = text => all(text, /^\| \[?`([\w'-]+)`/gm)

// union is the texts that a type of mirage.d.ts allows.
const union = name => all(new RegExp(`(?:type ${name} =|readonly ${name}:) ('.*)`).exec(types)[1], /'([\w-]*)'/g)

// literals are the texts in the calls of a function in src.
const literals = name => all(source, new RegExp(`\\b${name}\\((.*)`, 'g')).flatMap(call => all(call, /'([\w-]*)'/g))

// missing are those of some names that others lack.
const missing = (names, others) => sorted(names).filter(name => !others.includes(name))

let clock, server, restore, browser
beforeEach(() => {
  clock = new Clock()
  restore = clock.install()
  server = new Rooms(clock)
  browser = new EventTarget()
  globalThis.addEventListener = browser.addEventListener.bind(browser)
})
afterEach(() => {
  restore()
  delete globalThis.addEventListener
})

const idle = () => new Mirage('http://mirage.test/live', { start: false, storage: null })

test('options, and their defaults', () => {
  const used = sorted([...Object.keys(defaults), ...others])
  // The modules use them all, and no other: they read options.timeout, or take it out, as
  // { options: { timeout } } or { timeout } = options.
  const taken = ['options: \\{([^{}]*)\\}', '\\{([^{}]*)\\} = (?:core\\.)?options\\b']
    .flatMap(pattern => all(source, new RegExp(pattern, 'g'))).flatMap(names => all(names, /(?:^|,)\s*(\w+)/g))
  assert.deepEqual(sorted([...all(source, /(?<!\/)\boptions\.(\w+)/g), ...taken]), used, 'src')
  const typed = members('MirageOptions'), told = items(section('Options'))
  assert.deepEqual(sorted(typed.keys()), used, 'mirage.d.ts')
  assert.deepEqual(sorted(told.keys()), used, 'docs/client.md')

  for (const [name, value] of Object.entries(defaults)) {
    const text = Array.isArray(value) ? `['${value.join("', '")}']`
      : typeof value === 'string' ? `'${value}'` : String(value)
    for (const [page, comment] of [['mirage.d.ts', typed.get(name)], ['docs/client.md', told.get(name)]]) {
      const says = comment.replaceAll('`', '').includes(`Default ${text}.`)
      assert.ok(says, `the default of ${name} in ${page}: ${comment}`)
    }
  }
})

// has returns the names of what an object has, up to EventTarget.
function has(object) {
  const platform = [...Reflect.ownKeys(new EventTarget()), 'constructor'], own = []
  for (let o = object; o !== EventTarget.prototype; o = Object.getPrototypeOf(o)) own.push(...Reflect.ownKeys(o))
  // In Node 20, Symbol.dispose has another description.
  const symbol = k => Object.getOwnPropertyNames(Symbol).find(name => Symbol[name] === k)
  return sorted(own.filter(k => !platform.includes(k)).map(k => typeof k === 'symbol' ? `[Symbol.${symbol(k)}]` : k))
}

test('methods and properties', () => {
  const names = has(idle())
  const handlers = /^on(open|message|mirage|close)$/
  const events = ['addEventListener', 'removeEventListener'] // EventTarget's
  const typed = [...members('Mirage').keys()].filter(k => !handlers.test(k) && !(k in Mirage))
  assert.deepEqual(sorted(typed), sorted([...names, ...events]), 'mirage.d.ts')
  const told = ['Methods', 'Properties'].flatMap(heading => [...items(section(heading)).keys()])
  assert.deepEqual(sorted(told), sorted([...names, 'addEventListener']), 'docs/client.md')
  const constants = Object.keys(Mirage)
  assert.deepEqual(sorted(all(types, /static readonly (\w+)/g)), sorted(constants))
  for (const name of constants) assert.ok(types.includes(`static readonly ${name}: ${Mirage[name]}\n`), name)
  const exported = all(types, /^export (?:class|function) (\w+)/gm)
  assert.deepEqual(sorted(Object.keys(module)), sorted([...exported, 'default']))
})

// part is the text of the manual's section about topics below one of its headings.
function part(heading) {
  const [, text] = new RegExp(`\n### ${heading}\n(.*?)(?:\n### |$)`, 's').exec(section('Topics'))
  return text
}

test('rooms: options, methods and properties', () => {
  assert.deepEqual(sorted(members('RoomOptions').keys()), sorted(items(part('Joining')).keys()))
  const names = has(idle().join('a'))
  assert.deepEqual(sorted(members('Room').keys()), sorted([...names, 'removeEventListener', '[Symbol.asyncIterator]']))
  const told = sorted(items(part('What a room has').replace('of room', 'of client')).keys())
  assert.deepEqual(told, names)
  assert.deepEqual(sorted(items(part('Who is there')).keys()), ['count', 'key', 'members'])
  assert.deepEqual(sorted(items(part('Growing messages')).keys()), sorted(members('Growing').keys()))
})

// watch calls see with each event that target dispatches.
function watch(target, see) {
  const dispatch = target.dispatchEvent
  target.dispatchEvent = e => {
    see(e)
    return dispatch.call(target, e)
  }
}

// life is all that happens to a client: its events, and the values of what changes.
async function life() {
  const client = new Mirage('http://mirage.test/live', { fetch: server.fetch, storage: null, ackAfter: 'promise' })
  const seen = new Map(), values = { state: [client.state], stalled: [client.stalled], transport: [], what: [] }
  client.on('mirage-queue', () => 0) // otherwise there is none
  watch(client, e => {
    seen.set(e.type, e)
    for (const name in values) if (name in e) values[name].push(e[name])
  })
  const until = async done => assert.ok(await clock.run(120_000, done))
  const open = () => until(() => client.state === 'open')

  await open()
  server.send('a')
  await until(() => seen.has('message'))
  server.restart()
  await until(() => seen.has('mirage-gap') && client.state === 'open')
  const link = [...server.links.values()].at(-1)
  server.refuse = () => ({ status: 503, reason: 'later' })
  client.join('a')
  await until(() => values.what.includes('join'))
  link.write('event: mirage-drain\ndata: {"retry":100}\n\n')
  await until(() => seen.has('mirage-drain'))
  browser.dispatchEvent(new Event('offline'))
  browser.dispatchEvent(new Event('online'))

  server.fault = r => r.method === 'POST' ? 'lost' : ''
  client.send('for visitor')
  await until(() => client.stalled === 'send')
  server.id = 'somebody'
  server.fault = () => 'lost'
  server.cut()
  await until(() => client.state === 'reconnecting')
  server.fault = () => ''
  await until(() => seen.has('mirage-returned'))
  await open()
  client.release()
  client.connect()
  await open()
  client.close()
  await until(() => client.state === 'closed')

  return { client, seen, values }
}

test('states, and other values', async () => {
  const { values } = await life()
  assert.deepEqual(sorted(values.state), sorted(union('State')), 'mirage.d.ts')
  assert.deepEqual(sorted(values.stalled), sorted(union('Stalled')), 'mirage.d.ts')
  assert.deepEqual(sorted(values.what), sorted(union('what')), 'mirage.d.ts')
  assert.deepEqual(missing(values.transport, union('TransportName')), [], 'mirage.d.ts')
  assert.deepEqual(sorted(defaults.transports), sorted(union('TransportName')), 'mirage.d.ts')

  // src says no other words when something changes.
  const changing = ['state', 'stalled', 'transport']
  assert.deepEqual(missing(literals('change'), [...values.state, ...values.stalled, ...changing]), [], 'src')

  const [states, stalled] = section('State').split('\n### `stalled`\n')
  assert.deepEqual(sorted(firstCells(states)), sorted(values.state), 'docs/client.md')
  const causes = firstCells(stalled).map(text => text.replaceAll("'", ''))
  assert.deepEqual(sorted(causes), sorted(values.stalled), 'docs/client.md')
  const [retry] = section('Events').split('### `mirage-retry`')[1].split('\n### ')
  for (const what of values.what) assert.ok(retry.includes(`\`'${what}'\``), `${what} in docs/client.md`)
})

test('events, and what they have', async () => {
  const { client, seen } = await life()
  const map = members('MirageEventMap')
  assert.deepEqual(sorted(seen.keys()), sorted(map.keys()), 'mirage.d.ts')
  const other = missing(all(source, /\btell\(core, '([\w-]+)',?/g), [...map.keys(), 'mirage-'])
  assert.deepEqual(other, [], 'events that the test does not see')
  const [overview, ...parts] = section('Events').split(/^### /m)
  const told = new Map(parts.map(part => [/`([\w-]+)`/.exec(part)[1], part]))
  assert.deepEqual(sorted(firstCells(overview)), sorted(map.keys()), 'the table in docs/client.md')
  assert.deepEqual(sorted(told.keys()), sorted(map.keys()), 'docs/client.md')
  for (const [type, part] of told) assert.ok(part.includes('**What do I do?** '), `${type} in docs/client.md`)

  const inherited = { message: ['data', 'lastEventId'] }
  // For the protocol alone, of no use to an application.
  const undeclared = { mirage: ['accepted', 'heartbeat', 'link', 'reader'] }
  for (const [type, e] of seen) {
    const own = sorted(Object.keys(e).filter(k => k !== 'isTrusted' && !undeclared[type]?.includes(k)))
    const [, name] = new RegExp(`'?${type}'?: (\\w+)`).exec(types.slice(types.indexOf('interface MirageEventMap')))
    assert.deepEqual(name === 'Event' ? [] : sorted(members(name).keys()), own, `${type} in mirage.d.ts`)
    const listed = sorted(items(told.get(type)).keys())
    assert.deepEqual(listed, sorted([...own, ...inherited[type] ?? []]), `${type} in docs/client.md`)
  }

  // on() and the handlers that can be set.
  for (const [type, e] of seen) {
    let heard, set = 0
    client.on(type, payload => { heard = payload })
    client['on' + type] = () => set++
    client.dispatchEvent(e)
    if (type === 'mirage') assert.equal(heard, e.mirage)
    else if (type === 'message') assert.equal(heard, e.data)
    else assert.equal(heard, e)
    assert.equal(set, types.includes(`\n  on${type}?: Handler<`) ? 1 : 0, `on${type} in mirage.d.ts`)
    assert.equal(set, manual.includes(`\`on${type}\``) ? 1 : 0, `on${type} in docs/client.md`)
  }
})

test('rooms: states, events, and what they have', async () => {
  const client = new Mirage('http://mirage.test/live', { fetch: server.fetch, storage: null, ackAfter: 'promise' })
  const room = client.join('a'), states = [], seen = new Map()
  watch(room, e => {
    states.push(room.state)
    seen.set(e.type, e)
  })
  states.push(room.state)
  const until = async done => assert.ok(await clock.run(120_000, done))
  await until(() => room.state === 'joined')
  server.note('event: mirage-members\ndata: {"topic":"a","count":0}\n\n')
  server.topic('a').log.push({ data: 'x' }, { data: 'y' })
  server.trim('a', 1)
  server.wake()
  await until(() => seen.has('message') && seen.has('mirage-members'))
  server.end('a')
  await until(() => room.state === 'left')
  client.disconnect()

  assert.deepEqual(sorted(states), sorted(union('RoomState')), 'mirage.d.ts')
  assert.deepEqual(sorted(firstCells(part('States of a room'))), sorted(states), 'docs/client.md')
  const map = members('RoomEventMap')
  assert.deepEqual(sorted(seen.keys()), sorted(map.keys()), 'mirage.d.ts')
  const told = all(source, /\btellRooms?\(core, \w+, '([\w-]+)'/g)
  assert.deepEqual(sorted([...told, 'message']), sorted(map.keys()), 'src')
  const [overview, ...parts] = part('Events of a room').split(/^#### /m)
  assert.deepEqual(sorted([...firstCells(overview), 'message']), sorted(map.keys()), 'docs/client.md')

  const texts = new Map(parts.map(text => [/`([\w-]+)`/.exec(text)[1], text]))
  for (const [type, e] of seen) {
    const own = sorted(Object.keys(e).filter(k => k !== 'isTrusted'))
    const [, name] = new RegExp(`'?${type}'?: (\\w+)`).exec(types.slice(types.indexOf('interface RoomEventMap')))
    assert.deepEqual(sorted(members(name).keys()), own, `${type} in mirage.d.ts`)
    if (type === 'message' || type === 'mirage-gap') continue // explained among the client's
    assert.deepEqual(sorted(items(texts.get(type)).keys()), own, `${type} in docs/client.md`)
    assert.ok(texts.get(type).includes('**What do I do?** '), type)
  }
  const [left] = texts.get('mirage-left').split('\n#### ')
  const statuses = comment => all(comment, /(?:^|[\s|*-])(\d{1,3})(?=[ :|])/gm)
  const [, comment] = /\/\*\*((?:(?!\*\/).)*)\*\/\nexport interface RoomLeftEvent/s.exec(types)
  assert.deepEqual(statuses(left), statuses(comment))
})
