// mirage.js, mirage.d.ts and the lists of docs/client.md have the same names.

import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { afterEach, beforeEach, test } from 'node:test'
import * as module from '../mirage.js'
import { Clock, Server } from './world.js'

const { Mirage } = module
const read = path => readFileSync(new URL(path, import.meta.url), 'utf8')
const source = read('../mirage.js'), types = read('../mirage.d.ts'), manual = read('../../../docs/client.md')
const sorted = names => [...new Set(names)].sort()
const all = (text, pattern) => [...text.matchAll(pattern)].map(m => m[1])

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
    for (const name of all(names, /`(?:for await.*of )?([\w-]+)/g)) {
      assert.ok(!out.has(name), `${name} twice`)
      out.set(name === 'client' ? '[Symbol.asyncIterator]' : name, said.replace(/\s+/g, ' '))
    }
  }
  return out
}

// firstCells are the names in the first column of a table of the manual.
const firstCells = text => all(text, /^\| \[?`([\w-]+)`/gm)

let clock, server, restore
beforeEach(() => {
  clock = new Clock()
  restore = clock.install()
  server = new Server(clock)
})
afterEach(() => restore())

test('options, and their defaults', () => {
  const [statement, literal] = /const \{([^}]*)\} = options\n/.exec(source)
  const locals = [...literal.matchAll(/(?:^|,)\s*(\w+)(?:: (\w+))?/g)]
    .map(([, name, local = name]) => `${name}: ${local}`)
  const { transports } = new Mirage('http://mirage.test/live', { start: false, storage: null })
  const defaults = { ...new Function('options', `${statement}return { ${locals} }`)({}), transports }
  const used = sorted([
    ...Object.keys(defaults),
    ...all(source, /\boptions\.(\w+)/g),
    ...all(source, /\(\{ (\w+) .* \} = options\)/g),
  ])
  const typed = members('MirageOptions'), told = items(section('Options'))
  assert.deepEqual(sorted(typed.keys()), used, 'mirage.d.ts')
  assert.deepEqual(sorted(told.keys()), used, 'docs/client.md')

  for (const [name, value] of Object.entries(defaults)) {
    if (['function', 'undefined'].includes(typeof value)) continue // fetch and WebSocket, where there is one
    const text = Array.isArray(value) ? `['${value.join("', '")}']`
      : typeof value === 'string' ? `'${value}'` : String(value)
    for (const [page, comment] of [['mirage.d.ts', typed.get(name)], ['docs/client.md', told.get(name)]]) {
      const says = comment.replaceAll('`', '').includes(`Default ${text}.`)
      assert.ok(says, `the default of ${name} in ${page}: ${comment}`)
    }
  }
})

test('methods and properties', () => {
  const client = new Mirage('http://mirage.test/live', { start: false, storage: null })
  const platform = [...Reflect.ownKeys(new EventTarget()), 'constructor']
  const own = [...Reflect.ownKeys(client), ...Reflect.ownKeys(Mirage.prototype)].filter(k => !platform.includes(k))
  const has = sorted(own.map(k => typeof k === 'symbol' ? `[${k.description}]` : k))
  const handlers = /^on(open|message|mirage|error|close)$/
  const events = ['addEventListener', 'removeEventListener'] // EventTarget's
  const typed = [...members('Mirage').keys()].filter(k => !handlers.test(k) && !(k in Mirage))
  assert.deepEqual(sorted(typed), sorted([...has, ...events]), 'mirage.d.ts')
  const told = ['Methods', 'Properties'].flatMap(heading => [...items(section(heading)).keys()])
  assert.deepEqual(sorted(told), sorted([...has, 'addEventListener']), 'docs/client.md')
  const constants = Object.keys(Mirage)
  assert.deepEqual(sorted(all(types, /static readonly (\w+)/g)), sorted(constants))
  for (const name of constants) assert.ok(types.includes(`static readonly ${name}: ${Mirage[name]}\n`), name)
  const exported = all(types, /^export (?:class|function) (\w+)/gm)
  assert.deepEqual(sorted(Object.keys(module)), sorted([...exported, 'default']))
})

test('states and transports', () => {
  const union = name => all(new RegExp(`type ${name} = (.*)`).exec(types)[1], /'(\w+)'/g)
  const changes = all(source, /change\(([^,]*?)\)/g).flatMap(call => all(call, /'(\w+)'/g))
  const states = sorted([...changes, ...all(source, /^ {2}state = '(\w+)'/gm)])
  assert.deepEqual(sorted(union('State')), states)
  assert.deepEqual(sorted(firstCells(section('State'))), states, 'docs/client.md')
  const { transports } = new Mirage('http://mirage.test/live', { start: false, storage: null })
  assert.deepEqual(sorted(union('TransportName')), sorted(transports))
})

// All events of a client.
async function life() {
  const client = new Mirage('http://mirage.test/live', { fetch: server.fetch, storage: null })
  const seen = new Map()
  const dispatch = client.dispatchEvent
  client.dispatchEvent = e => {
    seen.set(e.type, e)
    return dispatch.call(client, e)
  }
  const until = async done => assert.ok(await clock.run(120_000, done))
  const open = () => until(() => client.state === 'open')

  await open()
  server.send('a')
  await until(() => seen.has('message'))
  server.restart()
  await until(() => seen.has('mirage-gap') && client.state === 'open')
  const link = [...server.links.values()].at(-1)
  link.write('event: mirage-drain\ndata: {"retry":100}\n\n')
  await until(() => seen.has('mirage-drain'))
  server.fault = r => r.method === 'POST' ? 'lost' : ''
  client.send('for visitor')
  await clock.run(50)
  server.id = 'somebody'
  server.fault = () => 'lost'
  server.cut()
  await until(() => seen.has('mirage-retry'))
  server.fault = () => ''
  await until(() => seen.has('mirage-returned'))
  await open()
  client.close()
  await until(() => client.state === 'closed')

  return { client, seen }
}

test('events, and what they have', async () => {
  const { client, seen } = await life()
  const map = members('MirageEventMap')
  assert.deepEqual(sorted(seen.keys()), sorted(map.keys()), 'mirage.d.ts')
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
