import assert from 'node:assert/strict'
import { afterEach, beforeEach, test } from 'node:test'
import { Mirage } from '../mirage.js'
import { socketTo } from './socket.js'
import { Clock, Server, Store, random } from './world.js'

const URL_ = 'http://mirage.test/live'
let clock, server, restore, opened

beforeEach(() => {
  clock = new Clock()
  restore = clock.install()
  Math.random = random(1)
  server = new Server(clock)
  opened = []
})
afterEach(async () => {
  for (const c of opened) c.disconnect()
  server.cut()
  await clock.run(10)
  restore()
  assert.deepEqual(server.faults, [])
})

// client opens one and keeps what it is told.
function client(options = {}) {
  const c = new Mirage(URL_, {
    fetch: server.fetch, WebSocket: socketTo(server), transports: ['sse', 'poll'], storage: null, ...options,
  })
  opened.push(c)
  c.got = []
  c.told = []
  c.on('message', (data, e) => c.got.push(e.again ? data + ' again' : data))
  for (const type of ['open', 'mirage', 'mirage-gap', 'mirage-drain', 'mirage-returned', 'close', 'mirage-retry']) {
    c.addEventListener(type, e => c.told.push(e))
  }
  return c
}
const told = (c, type) => c.told.filter(e => e.type === type)
const until = async (what, done, ms = 120_000) => assert.ok(await clock.run(ms, done), 'waited in vain: ' + what)
const is = (c, state) => until('state ' + state + ', is ' + c.state, () => c.state === state)
const posts = () => server.requests.filter(r => r.method === 'POST' && r.up)
const gets = () => server.requests.filter(r => r.method === 'GET')
const sequence = (prefix, n) => Array.from({ length: n }, (_, i) => prefix + (i + 1))

test('X1: hello and a message in one piece, and then nothing: the link lasts', async () => {
  const first = client({ transports: ['sse'] })
  await until('open', () => first.state === 'open')
  server.send('waits')
  const c = client({ transports: ['sse'] })
  await until('the message', () => c.state === 'open')
  await clock.run(14_000)
  assert.equal(server.requests.filter(r => r.method === 'GET').length, 2)
})

test('D2: open is when hello has come', async () => {
  const c = client()
  assert.equal(c.state, 'connecting')
  assert.equal(c.readyState, Mirage.CONNECTING)
  await is(c, 'open')
  assert.equal(c.readyState, Mirage.OPEN)
  assert.equal(c.transport, 'sse')
  assert.equal(c.id, 'visitor')
  assert.equal(c.mirage, 'signed-visitor') // no cookie in Node: the signed value
  assert.equal(told(c, 'open').length, 1)
  assert.equal(told(c, 'mirage')[0].reason, 'new')
  server.send('a')
  server.send('b')
  await until('both', () => c.got.length === 2)
  assert.deepEqual(c.got, ['a', 'b'])
})

test('U2: emit resolves once the server has accepted the message, and rejects if its handler failed', async () => {
  server.handler = m => m.event === 'bad'
  const c = client()
  const early = c.emit('good', { n: 1 }) // U3: before the id is known
  const bad = c.emit('bad')
  c.send('plain\nlines')
  let result = ''
  early.then(() => { result += 'good ' })
  bad.then(() => { result += 'no' }, e => { result += e.status })
  await until('accepted', () => c.bufferedAmount === 0 && result.length > 5)
  assert.ok(result === 'good 500' || result === '500good ', result)
  assert.deepEqual(server.got.map(g => [g.n, g.event, g.data]), [
    [1, 'good', '{"n":1}'],
    [2, 'bad', 'null'],
    [3, 'message', 'plain\nlines'],
  ])
})

test('W4: what lines cannot carry, bytes, and names, both ways', async () => {
  const c = client()
  const texts = ['', ' ', '\r', 'a\r\nb', '\0', ':x', '\uFEFFa', '\u2028', 'data: x\n\nevent: y', '🎉é']
  for (const t of texts) c.send(t)
  c.send(new Uint8Array([0, 13, 10, 255]))
  c.send(new Uint8Array([9, 1, 2, 9]).subarray(1, 3))
  await until('sent', () => server.got.length === texts.length + 2)
  assert.deepEqual(server.got.slice(0, -2).map(g => g.data), texts)
  assert.deepEqual(server.got.slice(-2).map(g => [g.type, g.data]), [['binary', '\0\r\n\xff'], ['binary', '\x01\x02']])
  server.log.push('encoding: base64\ntype: binary\ndata: AP8=\n\n', 'event: note\ndata: {"a":1}\n\n')
  const notes = []
  c.on('note', (data, e) => notes.push(data, e.lastEventId))
  server.send('end')
  await until('end', () => c.got.includes('end'))
  assert.deepEqual([...new Uint8Array(c.got[0])], [0, 255])
  assert.deepEqual(notes, [{ a: 1 }, 'e1-2'])
  for (const name of ['a\nb', 'a\r', '\0']) await assert.rejects(c.emit(name, 1), { status: 400 })
})

test('the queue says when it is full', async () => {
  server.fault = () => 'lost'
  const c = client({ messages: 3, bytes: 100 })
  c.send('1')
  assert.throws(() => c.send('x'.repeat(100)), { status: 429 })
  c.send('2')
  c.send('3')
  assert.throws(() => c.send('4'), { status: 429 })
  await assert.rejects(c.emit('x'), { status: 429 })
  assert.equal(c.bufferedAmount, 3)
  server.fault = () => ''
  await until('sent', () => server.got.length === 3)
  assert.deepEqual(server.got.map(g => g.data), ['1', '2', '3'])
})

test('D4: acknowledged within a second, or 16 messages; stored before that', async () => {
  const storage = new Store()
  const c = client({ storage })
  await is(c, 'open')
  await until('spoke', () => posts().length === 1)
  server.script = r => { // checks the storage when an acknowledgement arrives
    if (r.method !== 'POST') return
    const [kept] = [...storage.values()].map(JSON.parse)
    const ack = JSON.parse(/data: (.*)/.exec(r.body)[1]).ack
    if (+kept.position.split('-')[1] < +ack.split('-')[1]) server.faults.push('acknowledged before it was stored')
  }
  server.send('one')
  await until('one', () => c.got.length === 1)
  const at = clock.now
  await until('acknowledged', () => posts().length === 2)
  assert.ok(clock.now - at <= 1000)
  assert.equal(posts()[1].up.ack, 'e1-1')
  for (let i = 0; i < 16; i++) server.send('more')
  const now = clock.now
  await until('acknowledged', () => posts().length === 3)
  assert.ok(clock.now - now < 200)
  assert.equal(posts()[2].up.ack, 'e1-17')
})

test('D4: a poll acknowledges by its position: stored before that', async () => {
  const storage = new Store()
  const c = client({ storage, transports: ['poll'] })
  await is(c, 'open')
  let polls = 0
  server.script = r => {
    if (r.method !== 'GET') return
    polls++
    const [kept] = [...storage.values()].map(JSON.parse)
    if (kept.position !== r.query._pos) server.faults.push('acknowledged before it was stored')
  }
  for (let i = 0; i < 5; i++) {
    server.send('one')
    await until('one', () => c.got.length === i + 1 && polls > i)
  }
})

test('M1: numbers jump over messages that were superseded or have expired, without a gap', async () => {
  const c = client()
  await is(c, 'open')
  server.send('a')
  await until('a', () => c.got.length === 1)
  const [link] = [...server.links.values()].slice(-1)
  server.log.push('', '', '', 'key: k\ndata: c\n\n')
  link.cursor = 5
  link.write('key: k\ndata: c\nid: e1-5\n\n')
  await until('both', () => c.got.length === 2)
  assert.deepEqual(c.got, ['a', 'c'])
  assert.equal(c.position, 'e1-5')
  await until('acknowledged', () => posts().at(-1)?.up.ack === 'e1-5')
  assert.deepEqual(told(c, 'mirage-gap'), [])
  assert.equal(gets().length, 1)
})

test('D1: an id alone moves the position; another epoch without a hello does not', async () => {
  const c = client()
  await is(c, 'open')
  const [link] = [...server.links.values()].slice(-1)
  server.log.push('\n', 'data: b\n\n')
  link.cursor = 2
  link.write('id: e1-1\n\nid: e1-2\ndata: b\n\nid: e1-2\ndata: b\n\nid: zz-3\ndata: foreign\n\n')
  await until('back', () => gets().length === 2)
  assert.deepEqual(c.got, ['b'])
  assert.equal(gets()[1].query._pos, 'e1-2')
})

test('D3: a gap is told once, with its range, from hello and from its own event', async () => {
  const c = client()
  await is(c, 'open')
  for (const t of ['a', 'b', 'c']) server.send(t)
  await until('three', () => c.got.length === 3)
  server.restart()
  await until('back', () => told(c, 'mirage').length === 2)
  assert.deepEqual(told(c, 'mirage-gap').map(({ from, to, reason }) => [from, to, reason]), [[4, null, 'restarted']])
  const [link] = [...server.links.values()].slice(-1)
  server.log.push('', '', '', 'data: d\n\n')
  link.cursor = 4
  link.write('id: e1x-3\nevent: mirage-gap\ndata: {"from":1,"to":3,"reason":"trimmed"}\n\nid: e1x-4\ndata: d\n\n')
  await until('d', () => c.got.length === 4)
  assert.deepEqual(told(c, 'mirage-gap').map(({ from, to }) => [from, to]), [[4, null], [1, 3]])
  assert.equal(told(c, 'open').length, 1)
})

test('U1: after a hello that did not resume, what was tried is flagged', async () => {
  const c = client()
  await is(c, 'open')
  let n = 0
  server.fault = r => r.method === 'POST' && n++ < 1 ? 'unanswered' : ''
  c.send('a')
  await until('called', () => server.got.length === 1)
  server.restart()
  c.send('b')
  await until('both', () => server.got.length === 3)
  assert.deepEqual(server.got.map(g => [g.data, g.again]), [['a', false], ['a', true], ['b', false]])
})

test('U1: 409 goes on from the number expected', async () => {
  const c = client()
  await is(c, 'open')
  let said
  server.script = r => r.method === 'POST' && r.body.includes('id: 1\n') && !said
    ? (said = true, server.answer(409, { expected: 3 }))
    : undefined
  server.writers.set(gets()[0].query._cid, 2) // an earlier attempt had arrived
  for (const t of ['a', 'b', 'c']) c.send(t)
  await until('c', () => server.got.length === 1 && !c.bufferedAmount)
  assert.deepEqual(server.got.map(g => [g.n, g.data]), [[3, 'c']])
})

test('413 and 400 concern one message: it is rejected, the others arrive', async () => {
  const c = client()
  await is(c, 'open')
  server.script = r => r.method === 'POST' && r.body.includes('"huge"')
    ? server.answer(413, { detail: 'too large' })
    : undefined
  const outcomes = []
  for (const t of ['a', 'b', 'huge', 'c', 'd']) {
    c.emit('x', t).then(() => outcomes.push(t), e => outcomes.push(t + e.status + e.message))
  }
  await until('the others', () => outcomes.length === 5)
  assert.deepEqual(outcomes, ['a', 'b', 'huge413too large', 'c', 'd'])
  assert.deepEqual(server.got.map(g => g.data), ['"a"', '"b"', '"c"', '"d"'])
})

test('U3: messages for another id are handed back, not sent; for a previous one they are', async () => {
  const c = client()
  await is(c, 'open')
  server.fault = r => r.method === 'POST' ? 'lost' : ''
  let why
  c.emit('note', 'for visitor').catch(e => { why = e })
  c.send('text')
  await clock.run(50)
  server.id = 'somebody'
  server.cut()
  await until('told', () => told(c, 'mirage').length === 2)
  server.fault = () => ''
  assert.match(why.message, /id has changed/)
  assert.deepEqual(told(c, 'mirage-returned').map(({ id, messages }) => [id, messages]),
    [['visitor', [{ event: 'note', data: '"for visitor"' }, { event: 'message', data: 'text' }]]])
  await clock.run(5000)
  assert.deepEqual(server.got, [])

  server.fault = r => r.method === 'POST' ? 'lost' : ''
  c.send('for somebody')
  await clock.run(50)
  server.id = 'renamed'
  server.previous = 'somebody'
  server.cut()
  server.fault = () => ''
  await until('sent', () => server.got.length === 1)
  assert.equal(server.got[0].data, 'for somebody')
  assert.equal(told(c, 'mirage-returned').length, 1)
})

test('X2: a new page goes on at the stored position, '
  + 'and sends what is stored first, under its old writer', async () => {
  const storage = new Store()
  const a = client({ storage })
  await is(a, 'open')
  server.send('1')
  await until('1', () => a.got.length === 1)
  server.fault = r => r.method === 'POST' ? 'unanswered' : ''
  a.send('from a')
  await until('called', () => server.got.length === 1)
  a.send('late')
  a.disconnect() // as pagehide does
  server.fault = () => ''
  server.send('2')
  const copy = new Store(storage) // the tab is duplicated
  const b = client({ storage }), twin = client({ storage: copy })
  b.send('from b')
  await until('all', () => server.got.length === 3 && b.got.length && twin.got.length
    && !b.bufferedAmount && !twin.bufferedAmount)
  assert.deepEqual(b.got, ['2']) // nothing is flagged: the earlier page ended properly
  assert.deepEqual(twin.got, ['2'])
  assert.deepEqual(server.got.map(g => g.data), ['from a', 'late', 'from b'])
  const cids = new Set(gets().map(r => r.query._cid))
  assert.equal(cids.size, 3)
  assert.equal(server.got[0].writer, server.got[1].writer)
})

test('X2: after a crash what repeats is flagged', async () => {
  const storage = new Store()
  const a = client({ storage })
  await is(a, 'open')
  server.send('1')
  await until('stored', () => [...storage.values()][0].includes('e1-1'))
  const crashed = new Store(storage)
  server.send('2')
  await until('2', () => a.got.length === 2)
  a.disconnect()
  const b = client({ storage: crashed })
  await is(b, 'open')
  server.send('3')
  await until('3', () => b.got.length === 2)
  assert.deepEqual(b.got, ['2 again', '3'])
})

test('terminal answers stop, with the reason', async () => {
  for (const status of [204, 400, 403, 410, 413, 415]) {
    server = new Server(clock)
    server.script = () => server.answer(status, { detail: 'because' })
    const c = client()
    let closes = 0
    c.onclose = () => closes++
    const rejected = c.emit('x').catch(e => e)
    await is(c, 'closed')
    const { code, reason, wasClean } = told(c, 'close')[0]
    const why = status === 204 ? 'status 204' : 'because'
    assert.deepEqual([code, reason, wasClean, closes], [4000 + status, why, false, 1])
    assert.ok(await rejected instanceof Error)
    await clock.run(60_000)
    assert.equal(server.requests.length, 1)
    assert.throws(() => c.send('x'), /closed/)
  }
  for (const status of [410, 451, 503]) { // whatever it is
    server = new Server(clock)
    const c = client()
    await is(c, 'open')
    const data = JSON.stringify({ status, reason: 'the id was revoked' })
    ;[...server.links.values()][0].write(`event: mirage-end\ndata: ${data}\n\n`)
    await is(c, 'closed')
    assert.deepEqual([told(c, 'close')[0].code, told(c, 'close')[0].reason], [4000 + status, 'the id was revoked'])
  }
})

test('503 and 429 come again after Retry-After, others after full jitter up to 20 s', async () => {
  let n = 0
  server.script = () => n++ === 0 ? server.answer(503, {}, { 'Retry-After': '7' }) : undefined
  const c = client()
  await is(c, 'open')
  assert.equal(gets().length, 2)
  assert.ok(gets()[1].at - gets()[0].at >= 7000)
  server.fault = () => 'lost'
  server.cut()
  await clock.run(300_000)
  const rounds = gets().slice(2).filter(r => !('_wait' in r.query))
  const waits = rounds.map((r, i, all) => i ? r.at - all[i - 1].at : 0).slice(1)
  assert.ok(waits.every(ms => ms <= 20_100), waits.join())
  assert.ok(waits.length > 15 && Math.max(...waits) > 10_000)
  assert.equal(c.transport, 'sse')
  server.fault = () => ''
  await until('back', () => gets().at(-1).at > clock.now - 50, 21_000)
  await clock.run(100)
  assert.equal(c.transport, 'sse', 'a dead network made no transport bad')
})

test('X1: a drain is not a reconnect', async () => {
  const c = client()
  await is(c, 'open')
  const states = []
  c.addEventListener('mirage-state', e => states.push(e.state))
  const link = [...server.links.values()][0]
  link.write('event: mirage-drain\ndata: {"retry":3000}\n\n')
  clock.add(() => link.cut(), 1)
  await until('back', () => gets().length === 2)
  assert.ok(clock.now - server.requests.at(-1).at < 50)
  await clock.run(100)
  assert.ok(gets()[1].at - gets()[0].at >= 3000)
  assert.deepEqual(states, [])
})

test('a stream that is held back: poll within 5 s, remembered with expiry, and sse again later', async () => {
  const storage = new Store()
  server.held = true
  const began = clock.now
  const c = client({ storage })
  c.send('hello')
  await is(c, 'open')
  assert.equal(c.transport, 'poll')
  assert.ok(clock.now - began < 5000)
  await until('sent', () => server.got.length === 1)
  c.disconnect()
  const d = client({ storage })
  const now = clock.now
  await is(d, 'open')
  assert.ok(clock.now - now < 100, 'the memory of what worked')
  assert.equal(d.transport, 'poll')
  server.held = false
  await until('sse again', () => d.transport === 'sse', 400_000)
  server.send('x')
  await until('x', () => d.got.length === 1)
  assert.equal(told(d, 'mirage-retry').length, 0)
})

test('a stream that is held back after its hello: the second sign is missed', async () => {
  server.silent = true
  const c = client()
  await is(c, 'open')
  server.send('a')
  const began = clock.now
  await until('poll', () => c.transport === 'poll' && c.got.length === 1)
  assert.ok(clock.now - began <= 5000)
})

test('501 polls at once', async () => {
  server.script = r => r.method === 'GET' && !('_wait' in r.query)
    ? server.answer(501, { detail: 'cannot stream' })
    : undefined
  const c = client()
  await is(c, 'open')
  assert.equal(c.transport, 'poll')
  assert.ok(gets()[1].at - gets()[0].at < 50)
})

test('silence ends a link, and only that: heartbeats keep it', async () => {
  const c = client()
  await is(c, 'open')
  await clock.run(200_000)
  assert.equal(gets().length, 1)
  server.silent = true
  const began = clock.now
  await until('another link', () => gets().length === 2)
  assert.ok(clock.now - began <= 36_000)
  server.silent = false
  await clock.run(1000)
  assert.equal(c.state, 'open')
  assert.equal(told(c, 'mirage-retry').length, 0) // none was seen: the first try succeeded
})

test('disconnect keeps the session, close ends it', async () => {
  const storage = new Store()
  const c = client({ storage })
  await is(c, 'open')
  c.disconnect()
  assert.equal(c.state, 'paused')
  server.send('meanwhile')
  c.send('kept')
  await clock.run(60_000)
  assert.equal(server.got.length, 0)
  c.connect()
  await until('both', () => server.got.length === 1 && c.got.length === 1)
  c.send('last')
  c.close(1000, 'bye')
  assert.equal(c.readyState, Mirage.CLOSING)
  await is(c, 'closed')
  await clock.run(50)
  assert.deepEqual(server.got.map(g => g.data), ['kept', 'last'])
  assert.equal(server.requests.filter(r => r.method === 'DELETE').length, 1)
  assert.equal(storage.size, 0)
  const { code, reason, wasClean } = told(c, 'close')[0]
  assert.deepEqual([code, reason, wasClean], [1000, 'bye', true])
})

test('signal, subscribe, iterator, mirage option', async () => {
  const ctl = new AbortController()
  const c = client({ signal: ctl.signal, mirage: 'signed-visitor' })
  let calls = 0
  const stop = c.subscribe(s => { assert.equal(s, c); calls++ })
  assert.equal(calls, 1)
  const seen = []
  const loop = (async () => { for await (const e of c) seen.push(e.type + e.data) })()
  await is(c, 'open')
  assert.equal(gets()[0].query._mirage, 'signed-visitor')
  assert.equal(calls, 3) // transport and state
  stop()
  server.send('a')
  server.send('1', 'named')
  await until('seen', () => seen.length === 2)
  ctl.abort()
  await is(c, 'paused') // the session lives on
  await loop
  assert.deepEqual(seen, ['messagea', 'named1'])
  assert.equal(calls, 3)
  const ending = new AbortController()
  const d = client({ signal: ending.signal, abort: 'close' })
  await is(d, 'open')
  ending.abort()
  await is(d, 'closed')
})

// X1, D7, U1: over a network that loses and cuts, to a server that forgets, a client
// changes transports all the time: both ways everything arrives once and in order. Each
// seed is another run.
const seeds = +(process.env.SEEDS ?? 150)
test(`lossy networks, ${seeds} seeds`, async () => {
  for (let seed = 1; seed <= seeds; seed++) {
    restore()
    clock = new Clock()
    restore = clock.install()
    const r = random(seed)
    Math.random = random(seed + 1_000_000)
    server = new Server(clock)
    server.pieces = () => r()
    const rate = r() * 0.3
    let rough = true
    server.fault = () => {
      const x = r()
      return !rough ? '' : x < rate ? 'lost' : x < 2 * rate ? 'unanswered'
        : x < 2.5 * rate ? 'cut' : x < 2.6 * rate ? 'hole' : ''
    }
    const storage = new Store()
    const transports = ['websocket', 'sse', 'poll']
    let c = client({ storage, transports })
    const got = [], flagged = []
    const listen = () => c.on('message', (data, e) => (e.again ? flagged : got).push(data))
    listen()
    const N = 120
    for (let i = 1; i <= N; i++) {
      clock.add(() => server.send('d' + i), i * 30 * r() + i * 20)
    }
    let sent = 0
    const write = () => {
      if (sent < N) { try { c.send('u' + (sent + 1)); sent++ } catch { /* full: later */ } clock.add(write, 60 * r()) }
    }
    write()
    for (let i = 0; i < 12; i++) {
      clock.add(() => {
        const x = r()
        if (x < 0.4) server.cut()
        else if (x < 0.85) c.use(transports[Math.floor(3 * r())]).catch(() => 0)
        else { // a reload
          c.disconnect()
          c = client({ storage, transports })
          listen()
        }
      }, 8000 * r())
    }
    await clock.run(20_000)
    rough = false
    const done = () => sent === N && server.got.length >= N && got.length >= N && !c.bufferedAmount
    const ok = await clock.run(120_000, done)
    const why = `seed ${seed}: sent ${sent}, up ${server.got.length}, down ${got.length}, ${c.state} ${c.transport}`
    assert.ok(ok, why)
    assert.deepEqual(server.got.map(g => g.data), sequence('u', N), why)
    assert.deepEqual(got.map(d => +d.slice(1)).sort((a, b) => a - b), Array.from({ length: N }, (_, i) => i + 1), why)
    assert.deepEqual(got, server.log.map(b => b.slice(6, -2)), why)
    assert.deepEqual(flagged, [], why)
    assert.deepEqual(server.faults, [], why)
    c.disconnect()
    await clock.run(50)
  }
})
