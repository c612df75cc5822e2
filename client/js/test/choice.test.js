// The choices of an application: transports, state,
// and the fate of messages.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Mirage } from '../mirage.js'
import { client, clock, server, until } from './stage.js'
import { Store } from './world.js'

function visitor(options) {
  const c = client({ transports: ['sse', 'poll'], ...options })
  c.told = []
  c.addEventListener('mirage-state', e => c.told.push(`${e.previous}>${e.state}`))
  c.returned = []
  c.addEventListener('mirage-returned', e => c.returned.push([e.id, e.error.status, e.messages]))
  return c
}
const open = c => until('open', () => c.state === 'open')

test('transports: unknown ones are passed over, none is an error, all is the default', async () => {
  assert.deepEqual(visitor({ transports: ['carrier-pigeon', 'poll'] }).transports, ['poll'])
  assert.deepEqual(visitor({ transports: undefined }).transports, ['websocket', 'sse', 'poll'])
  assert.throws(() => visitor({ transports: [] }), /no such transport/)
  assert.throws(() => visitor({ transports: ['carrier-pigeon'] }), /no such transport/)
  const c = visitor()
  await open(c)
  await assert.rejects(c.use('carrier-pigeon'), /no such transport/)
  assert.equal(c.transport, 'sse')
})

// As callers do that pass on options of their own.
test('options: one that is undefined is as none', async () => {
  const names = [
    'mirage', 'transports', 'name', 'credentials', 'timeout', 'fallbackAfter', 'upgradeEvery',
    'messages', 'bytes', 'signal', 'start',
  ]
  for (const none of [undefined, null]) new Mirage('http://mirage.test/live', none).close()
  const c = client(Object.fromEntries(names.map(name => [name, undefined])))
  server.mute = true
  await clock.run(1400)
  assert.equal(server.requests.length, 1, 'one transport has 1500 ms before the next')
  server.mute = false
  await until('open', () => c.state === 'open')
  server.refused = true
  server.cut()
  for (let i = 0; i < 256; i++) c.send('x')
  assert.throws(() => c.send('x'), { status: 429 })
})

test('storage: null is off, in a window, too', async () => {
  globalThis.document = new EventTarget()
  globalThis.sessionStorage = new Store()
  try {
    const c = visitor({ storage: null })
    await open(c)
    c.disconnect()
    assert.equal(sessionStorage.size, 0)
    const d = visitor({ storage: undefined })
    await open(d)
    d.disconnect()
    assert.equal(sessionStorage.size, 1)
  } finally {
    delete globalThis.document
    delete globalThis.sessionStorage
  }
})

test('a server that ends each link after its hello is not hammered', async () => {
  server.fault = r => r.method === 'GET' ? 'cut' : ''
  const c = visitor({ transports: ['sse'] })
  await open(c)
  await clock.run(60_000)
  const n = server.requests.filter(r => r.method === 'GET').length
  assert.ok(n > 10 && n < 50, n + ' links in a minute')
})

// As if the browser kept no cookie: each link is a stranger's.
test('links that die young again and again are told of, and do not look open', async () => {
  const c = visitor()
  const errors = []
  c.addEventListener('mirage-retry', e => errors.push(e))
  await open(c)
  server.script = r => r.method === 'POST' ? server.answer(401, { detail: 'open a new link' }) : undefined
  c.send('x')
  await until('an error', () => errors.length >= 3, 20_000)
  for (const { error, attempt, delay } of errors) {
    assert.equal(error.status, 401)
    assert.equal(error.message, 'open a new link')
    assert.equal(attempt, 3)
    assert.ok(delay <= 4000)
  }
  assert.equal(c.state, 'reconnecting')
  server.script = undefined
  await until('accepted', () => c.bufferedAmount === 0)
  assert.equal(c.state, 'open')
})

test('use: a transport that fails is not kept in mind', async () => {
  const c = visitor()
  await open(c)
  server.fault = r => '_wait' in r.query ? 'lost' : ''
  let why
  c.use('poll').catch(e => { why = e })
  await until('failed', () => why)
  assert.equal(c.transport, 'sse')
  server.cut()
  await clock.run(2000)
  assert.equal(c.state, 'open')
  assert.equal(c.transport, 'sse')
  assert.deepEqual(c.told, ['connecting>open'])
})

test('use: the last one decides, also with the first one under way', async () => {
  for (const pause of [0, 7, 12]) {
    const c = visitor()
    await open(c)
    c.use('poll').catch(() => 0)
    await clock.run(pause)
    let done
    c.use('sse').then(() => { done = true })
    await until('sse', () => done)
    await clock.run(1000)
    assert.equal(c.transport, 'sse')
  }
})

test('use: before the first hello, and while paused', async () => {
  const c = visitor()
  let used
  c.use('poll').then(() => { used = c.transport })
  await until('used', () => used)
  assert.equal(used, 'poll')
  await clock.run(2000)
  assert.equal(c.transport, 'poll')
  c.disconnect()
  await c.use('sse')
  c.connect()
  await open(c)
  assert.equal(c.transport, 'sse')
})

test('use: two links that both began with nothing bring nothing twice', async () => {
  const got = []
  const slow = (url, init) => url.includes('_wait')
    ? new Promise(done => clock.add(() => done(server.fetch(url, init)), 300))
    : server.fetch(url, init)
  const c = visitor({ fetch: slow })
  c.on('message', data => got.push(data))
  let used
  c.use('poll').then(() => { used = true })
  await open(c)
  assert.equal(c.transport, 'sse')
  server.send('a')
  server.send('b')
  await until('used', () => used)
  server.send('c')
  await until('c', () => got.includes('c'))
  assert.deepEqual(got, ['a', 'b', 'c'])
})

test('use: without a name the choice is the client\'s again', async () => {
  const c = visitor()
  await open(c)
  c.use('poll')
  await until('poll', () => c.transport === 'poll')
  c.use()
  await until('sse', () => c.transport === 'sse')
})

test('state: who comes back is not paused; a change of transport is told', async () => {
  const c = visitor()
  c.disconnect()
  server.fault = () => 'lost'
  c.connect()
  await clock.run(5000)
  assert.equal(c.state, 'connecting')
  server.fault = () => ''
  await open(c)
  c.disconnect()
  assert.equal(c.state, 'paused')
  c.connect()
  assert.equal(c.state, 'reconnecting')
  await open(c)
  let calls = 0
  c.subscribe(() => calls++)
  c.use('poll')
  const moves = []
  c.on('mirage-transport', e => moves.push([e.previous, e.transport]))
  await until('told', () => moves.length === 1)
  assert.deepEqual(moves, [['sse', 'poll']])
  assert.equal(c.transport, 'poll')
  assert.equal(calls, 2)
})

test('U2: what is not delivered is handed back, whoever sent it: send, a page before, close', async () => {
  const storage = new Store()
  server.handler = m => m.data.includes('bad')
  const a = visitor({ storage })
  await open(a)
  a.send('bad text')
  await until('returned', () => a.returned.length === 1)
  assert.deepEqual(a.returned[0], ['visitor', 500, [{ event: 'message', data: 'bad text' }]])
  server.fault = r => r.method === 'POST' ? 'lost' : ''
  a.send(new Uint8Array([7]))
  a.emit('note', 'bad note').catch(() => 0)
  assert.deepEqual(a.queued().map(m => [m.event, m.data]), [
    ['message', new Uint8Array([7]).buffer],
    ['note', '"bad note"'],
  ])
  await clock.run(100)
  a.disconnect()
  const b = visitor({ storage })
  assert.equal(b.queued().length, 2)
  server.fault = () => ''
  await until('returned', () => b.returned.length === 1)
  assert.deepEqual(b.returned[0], ['visitor', 500, [{ event: 'note', data: '"bad note"' }]])
  server.fault = r => r.method === 'POST' ? 'lost' : ''
  b.send('too late')
  server.script = () => server.answer(410, { detail: 'gone' })
  server.cut()
  await until('closed', () => b.state === 'closed')
  assert.deepEqual(b.returned[1], ['visitor', 4410, [{ event: 'message', data: 'too late' }]])
})

test('U2: close gives what waits its time, whatever becomes of the date', async () => {
  for (const hours of [9, -9]) {
    const c = visitor({ timeout: 3000 })
    await open(c)
    server.fault = r => r.method === 'POST' ? 'hole' : ''
    c.send('x')
    const began = clock.now
    c.close()
    await clock.run(1000)
    clock.jump += hours * 3_600_000
    await until('closed', () => c.state === 'closed', 10_000)
    assert.ok(clock.now - began >= 3000 && clock.now - began < 3100, `${hours} hours: ${clock.now - began} ms`)
    server.fault = () => ''
  }
})

test('a POST that nobody answers means that the link is dead, too', async () => {
  const c = visitor({ transports: ['poll'] })
  await open(c)
  server.fault = () => 'hole'
  c.send('x')
  await clock.run(6000)
  server.fault = () => ''
  await until('sent', () => server.got.length === 1 && !c.bufferedAmount, 10_000)
  assert.deepEqual(c.told, ['connecting>open'])
})

test('U2: who sends again what a closing client hands back is told, too', async () => {
  const c = visitor()
  await open(c)
  let broken
  c.addEventListener('mirage-returned', e => {
    assert.throws(() => c.send(e.messages[0].data), { status: 410 })
    broken = assert.rejects(c.emit('again'), { status: 410 })
  })
  server.script = r => r.method === 'POST' ? server.answer(403, { detail: 'not any more' }) : undefined
  c.send('x')
  await until('closed', () => c.state === 'closed')
  await broken
  assert.deepEqual(c.returned.map(([, status, messages]) => [status, messages.length]), [[4403, 1]])
  assert.equal(c.bufferedAmount, 0)
})

test('U2: a name that is no string is what a string of it says, and holds up nothing', async () => {
  const c = visitor()
  await open(c)
  const kept = [undefined, null, 5].map(name => c.emit(name, 1))
  await until('accepted', () => c.bufferedAmount === 0, 5000)
  await Promise.all(kept)
  assert.deepEqual(server.got.map(m => m.event), ['undefined', 'null', '5'])
  await assert.rejects(c.emit(Symbol('name'), 1), TypeError)
  const ring = {}
  ring.ring = ring
  for (const data of [1n, () => 1, Symbol('data'), ring]) await assert.rejects(c.emit('x', data), TypeError)
  for (const data of [undefined, null]) assert.throws(() => c.send(data), TypeError)
  assert.deepEqual(c.queued(), [])
})

test('twenty thousand messages at once take linear time', async () => {
  const c = client({ transports: ['sse'], messages: 20_000, start: false })
  const began = process.hrtime.bigint()
  for (let i = 0; i < 20_000; i++) c.send('x')
  const took = Number(process.hrtime.bigint() - began) / 1e6
  assert.ok(took < 1500, `${took} ms`)
  assert.equal(c.bufferedAmount, 20_000)
  assert.throws(() => c.send('x'), { status: 429 })
})
