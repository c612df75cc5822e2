// Records that another program, another version or an attacker wrote: the client starts,
// gets a link, delivers, stores, and closes; and a storage that is full or forbidden.

import assert from 'node:assert/strict'
import { afterEach, beforeEach, test } from 'node:test'
import { Page } from './page.js'
import { client, clock, server, until } from './stage.js'
import { Store } from './world.js'

const W = 'writer-00000000000000000'
const queue = (...messages) => JSON.stringify({ queue: messages })
const message = more => ({ w: W, n: 1, e: '', d: 'x', ...more })
const one = more => queue(message(more))
const deep = (n, open, close) => open.repeat(n) + close.repeat(n)

const POISONS = {
  // What a storage may have.
  'not JSON': '{', 'null': 'null', 'a number': '5', 'a string': '"x"', 'an array': '[]', 'true': 'true',
  'nothing': '', 'blanks': '  ', 'a byte order mark': '\uFEFF{}', 'undefined': 'undefined', 'NaN': 'NaN',
  'deep arrays': deep(5000, '[', ']'), 'deep objects': '{"queue":' + deep(2000, '{"a":', '}').replace('}', '1}') + '}',
  'a lone surrogate': '{"id":"\uD800","position":"\uDC00"}', 'a million blanks': ' '.repeat(1e6),

  // The queue.
  'queue: a number': '{"queue":5}', 'queue: an object': '{"queue":{}}', 'queue: a string': '{"queue":"abc"}',
  'queue: like an array': '{"queue":{"length":3,"0":{}}}', 'queue: null': '{"queue":null}',
  'queue of null': '{"queue":[null]}', 'queue of numbers': '{"queue":[5]}', 'queue of nothing': '{"queue":[{}]}',
  'queue of arrays': '{"queue":[[],[[]]]}', 'queue of strings': '{"queue":["a","b"]}',
  'queue of true': '{"queue":[true,false]}',
  'data: a number': one({ d: 5 }), 'data: null': one({ d: null }), 'data: an array': one({ d: ['x'] }),
  'data: none': one({ d: undefined }), 'data: true': one({ d: true }),
  'writer: none': one({ w: undefined }), 'writer: short': one({ w: 'short' }), 'writer: a number': one({ w: 5e30 }),
  'writer: long': one({ w: 'w'.repeat(65) }), 'writer: huge': one({ w: 'w'.repeat(1e6) }),
  'writer: blanks': one({ w: ' '.repeat(24) }),
  'writer: line break': one({ w: W + '\nx' }), 'writer: line break at the end': one({ w: W + '\n' }),
  'writer: an array': one({ w: [W] }), 'writer: quotes': one({ w: W + '"}' }),
  'writer: __proto__': one({ w: '__proto__' }),
  'number: none': one({ n: undefined }), 'number: negative': one({ n: -1 }), 'number: zero': one({ n: 0 }),
  'number: a string': one({ n: '1' }), 'number: lines': one({ n: 'a\n\nid: 5' }), 'number: huge': one({ n: 1e300 }),
  'number: half': one({ n: 1.5 }), 'number: beyond 2⁵³': one({ n: 2 ** 53 }), 'number: an array': one({ n: [1] }),
  'number: true': one({ n: true }),
  'event: none': one({ e: undefined }), 'event: null': one({ e: null }), 'event: a number': one({ e: 5 }),
  'event: an array': one({ e: ['a'] }),
  'event: an object': one({ e: {} }), 'event: line break': one({ e: 'a\ndata: b' }),
  'event: CR': one({ e: 'a\rdata: b' }),
  'base64: rubbish': one({ d: '***', x: 1 }), 'base64: an object': one({ d: {}, x: 2 }),
  'base64: a number': one({ d: 5, x: 2 }),
  'base64: half': one({ d: 'QUJ', x: 2 }), 'base64: none': one({ d: '', x: 2 }),
  'encoding: a string': one({ d: 'eA==', x: '1' }), 'encoding: an object': one({ d: 'eA==', x: {} }),
  'encoding: huge': one({ d: 'eA==', x: 9e99 }),
  'a good one among bad ones': queue(null, message({ n: 0 }), message(), message({ d: 5 })),
  'flags': one({ a: 'yes', t: {} }),

  // The rest.
  'position: a number': '{"position":5}', 'position: an object': '{"position":{}}',
  'position: nonsense': '{"position":"%%%"}',
  'position: CRLF': '{"position":"a\\r\\nX: y"}', 'position: long': JSON.stringify({ position: 'a-'.repeat(10000) }),
  'position: number too large': '{"position":"abc-99999999999999999999999"}', 'position: an array': '{"position":[]}',
  'position: dashes': '{"position":"-----"}', 'position: negative': '{"position":"e1--5"}',
  'position: ahead': '{"position":"e1-999"}',
  'position: not of the epoch': '{"position":"e0-7"}', 'position: no number': '{"position":"e1-x"}',
  'position: NUL': '{"position":"e1-1\\u0000"}',
  'id: an object': '{"id":{}}', 'id: markup': '{"id":"<img src=x onerror=alert(1)>"}', 'id: a number': '{"id":5}',
  'id: long': JSON.stringify({ id: 'i'.repeat(1e5) }),
  'bad: a number': '{"bad":5}', 'bad: all, for ever': '{"bad":{"websocket":9e99,"sse":9e99,"poll":9e99}}',
  'bad: null': '{"bad":null}',
  'bad: __proto__': '{"bad":{"__proto__":{"sse":1}}}',
  'bad: a prototype of numbers': '{"bad":{"__proto__":5,"constructor":1}}',
  'bad: strings': '{"bad":{"sse":"x","poll":"9999999999999"}}', 'bad: an array': '{"bad":[1,2,3]}',
  'bad: a string': '{"bad":"sse"}',
  'bad: null inside': '{"bad":{"sse":null,"poll":[]}}',
  'bad: thousands': JSON.stringify({ bad: Object.fromEntries(Array.from({ length: 5000 }, (_, i) => ['t' + i, 1])) }),
  'again: a string': '{"again":"x"}', 'again: huge': '{"again":1e300}', 'again: negative': '{"again":-99}',
  'again: an object': '{"again":{}}',
  'prototype': '{"__proto__":{"polluted":1},"queue":[]}', 'constructor': '{"constructor":{"prototype":{"polluted":1}}}',
  'prototype of a message': `{"queue":[{"__proto__":{"polluted":1},"w":"${W}","n":1,"e":"","d":"x"}]}`,
  'signed: forged': '{"signed":"~forged"}', 'signed: an object': '{"signed":{"a":1}}',
  'signed: a number': '{"signed":7}',
  'signed: CRLF': '{"signed":"a\\r\\nX: y"}', 'signed: long': JSON.stringify({ signed: 's'.repeat(1e5) }),
  'toJSON': '{"queue":[],"toJSON":1,"then":1}',
  'event: like a string': one({ e: { big: 1 } }), 'data: like a string, in base64': one({ d: { big: 1 }, x: 1 }),
  'functions that are none': one({ ok: 1, no: 1 }), 'data: like a string': one({ d: { big: 1 } }),
  'functions that are none, refused': one({ ok: 1, no: 1, e: 'mirage-end' }),
}

let page
beforeEach(() => { page = new Page() })
afterEach(() => page.remove())

async function survives(text, transports) {
  const kept = new Map([['mirage:http://mirage.test/live', text]])
  const storage = {
    getItem: k => kept.get(k) ?? null,
    setItem: (k, v) => kept.set(k, v),
    removeItem: k => kept.delete(k),
  }
  // The server refuses what is malformed, as the real one does.
  server.script = r => {
    if (r.method !== 'POST') return
    const [head, ...blocks] = r.body.split('\n\n')
    const up = JSON.parse(head.split('\ndata: ')[1])
    const ids = blocks.slice(0, -1).map(b => +/\nid: (.*)$/.exec(b)?.[1])
    const isWrong = (n, i) => !Number.isSafeInteger(n) || n < 1 || i && n !== ids[i - 1] + 1
    if (!/^[\w-]{22,64}$/.test(up.writer) || ids.some(isWrong)) {
      return server.answer(400, { detail: 'malformed' })
    }
    if (/event: mirage-end/.test(r.body)) return server.answer(400, { detail: 'reserved' })
  }
  const got = [], told = []
  const c = client({ storage, transports, start: false })
  for (const type of ['close', 'mirage-retry']) c.on(type, e => told.push(type + ' ' + (e.reason ?? e.error.message)))
  c.on('message', data => got.push(data))
  c.on('mirage', () => 0)
  c.queued()
  assert.ok(c.bufferedAmount >= 0 && c.waiting >= 0)
  c.connect()
  c.send('ping')
  await until('accepted', () => c.state === 'open' && server.got.some(m => m.data === 'ping'), 60_000)
  server.send('pong')
  await until('pong', () => got.includes('pong'), 20_000)
  await until('nothing waits', () => c.waiting === 0, 120_000)
  await clock.run(1000)
  assert.deepEqual([c.bufferedAmount, c.state, told], [0, 'open', []])
  assert.ok(JSON.parse(kept.get('mirage:http://mirage.test/live')).position.startsWith('e1-'))
  assert.equal({}.polluted, undefined)
  for (const { query } of server.requests) {
    for (const k in query) assert.match(query[k], /^[!-~]{0,4096}$/, k)
    assert.doesNotMatch(query._mirage ?? '', /object/)
  }
  c.close()
  await until('closed', () => c.state === 'closed')
  assert.equal(kept.size, 0)
}

for (const transports of [['sse', 'poll'], ['websocket']]) {
  for (const name in POISONS) test(`${name}, on ${transports}`, () => survives(POISONS[name], transports))
}

test('what is good in a queue of thousands is sent, in order', async () => {
  const storage = new Store()
  const writers = Array.from({ length: 5 }, (_, i) => `writer-0000000000000000${i}`)
  const numbered = (_, i) => message({ w: writers[Math.floor(i / 800)], n: i % 800 + 1, d: 'm' + i })
  const all = Array.from({ length: 4000 }, numbered)
  const bad = all.flatMap(m => Math.floor(+m.d.slice(1) / 7) % 7 ? [m] : [m, { ...m, n: 'x' }, null])
  storage.setItem('mirage:http://mirage.test/live', JSON.stringify({ queue: bad }))
  const c = client({ storage, transports: ['sse'] })
  assert.equal(c.waiting, 4000)
  assert.throws(() => c.send('x'), { status: 429 })
  await until('sent', () => c.waiting === 0)
  assert.deepEqual(server.got.map(m => m.data), all.map(m => m.d))
  c.send('x')
})

test('a bad transport in a record is believed for half an hour only', async () => {
  for (const [ms, first] of [[-1, 'sse'], [60_000, 'poll'], [1_799_000, 'poll'], [1_900_000, 'sse'], [9e15, 'sse']]) {
    const storage = new Store()
    storage.setItem('mirage:http://mirage.test/live', JSON.stringify({ bad: { sse: Date.now() + ms } }))
    const c = client({ storage, transports: ['sse', 'poll'] })
    await until('open', () => c.state === 'open')
    assert.equal(c.transport, first, ms + ' ms')
    c.disconnect()
  }
})

// quota is a storage that holds texts of n characters.
function quota(n) {
  const storage = new Store()
  storage.setItem = (k, v) => {
    if (k.length + v.length > n) throw Object.assign(new Error('full'), { name: 'QuotaExceededError' })
    storage.set(k, v)
  }
  return storage
}

test('a full storage: the position is stored without the queue, and the messages go', async () => {
  const storage = quota(600)
  const c = client({ storage, transports: ['sse'] })
  const got = []
  c.on('message', data => got.push(data))
  await until('open', () => c.state === 'open')
  server.fault = r => r.method === 'POST' ? 'lost' : ''
  c.send('x'.repeat(2000))
  server.send('a')
  await until('a', () => got.length === 1)
  await clock.run(2000)
  const { position, queue } = JSON.parse([...storage.values()][0])
  assert.deepEqual([position, queue], ['e1-1', []])
  server.fault = () => ''
  await until('sent', () => c.waiting === 0)
  c.send('short')
  await until('sent', () => c.waiting === 0)
  assert.deepEqual(server.got.map(m => m.data.length), [2000, 5])
})

test('a full storage: mirage-queue says so while something waits', async () => {
  const storage = quota(600)
  const c = client({ storage, transports: ['sse'] })
  const told = []
  c.on('mirage-queue', ({ waiting, stored }) => told.push([waiting, stored]))
  await until('open', () => c.state === 'open')
  await clock.run(2000)
  server.fault = r => r.method === 'POST' ? 'lost' : ''
  c.send('x'.repeat(2000))
  await clock.run(2000)
  c.send('y')
  await clock.run(2000)
  assert.deepEqual(told.at(-1), [2, false])
  server.fault = () => ''
  await until('sent', () => c.waiting === 0)
  await clock.run(2000)
  c.send('z')
  await clock.run(2000)
  assert.deepEqual(told.slice(-2), [[1, true], [0, true]])
})

const forbidden = () => { throw new DOMException('denied', 'SecurityError') }
for (const [what, broken] of [
  ['getItem throws', { getItem: forbidden }],
  ['setItem throws', { setItem: forbidden }],
  ['removeItem throws', { removeItem: forbidden }],
  ['everything throws', { getItem: forbidden, setItem: forbidden, removeItem: forbidden }],
  ['getItem gives an object', { getItem: () => ({}) }], ['getItem gives a number', { getItem: () => 5 }],
  ['getItem gives undefined', { getItem: () => undefined }], ['getItem gives a promise', { getItem: async () => '{}' }],
  ['it has no methods', { getItem: undefined, setItem: undefined, removeItem: undefined }],
]) {
  test(`storage: ${what}`, async () => {
    for (const transports of [['websocket'], ['sse'], ['poll']]) {
      server.got = []
      const c = client({ storage: Object.assign(new Store(), broken), transports })
      const got = []
      c.on('message', data => got.push(data))
      c.send('up')
      await until('open', () => c.state === 'open')
      server.send('down')
      await until('both', () => got.at(-1) === 'down' && c.waiting === 0)
      page.hide()
      page.show()
      c.release()
      c.connect()
      await until('open', () => c.state === 'open')
      c.close()
      await until('closed', () => c.state === 'closed')
      assert.equal(server.got.length, 1)
    }
  })
}

test('a storage whose getter throws, as in a sandboxed frame, is none', async () => {
  Object.defineProperty(globalThis, 'sessionStorage', { get: forbidden, configurable: true })
  const c = client({ storage: undefined, transports: ['sse'] })
  c.send('x')
  await until('sent', () => server.got.length === 1 && c.waiting === 0)
  c.close()
  await until('closed', () => c.state === 'closed')
})

test('a storage that somebody else clears, or writes to, meanwhile', async () => {
  for (const text of [null, '{', '{"queue":5}', '[]', one({ d: 5 })]) {
    const storage = new Store()
    const c = client({ storage, transports: ['sse'] })
    await until('open', () => c.state === 'open')
    server.fault = r => r.method === 'POST' ? 'lost' : ''
    c.send('mine')
    await clock.run(2000)
    if (text === null) storage.clear()
    else storage.setItem('mirage:http://mirage.test/live', text)
    c.release()
    assert.deepEqual(JSON.parse([...storage.values()][0]).queue.map(m => m.d), ['mine'])
    server.fault = () => ''
  }
})
