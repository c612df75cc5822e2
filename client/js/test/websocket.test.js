import assert from 'node:assert/strict'
import { test } from 'node:test'
import { client, clock, renew, server, until } from './stage.js'
import { Store } from './world.js'

function visitor(options) {
  const c = client(options)
  c.got = []
  c.moves = []
  c.seen = [] // the events about the network that the application gets
  c.on('message', data => c.got.push(data))
  for (const type of ['mirage-retry', 'close', 'mirage', 'mirage-gap']) {
    c.addEventListener(type, e => c.seen.push(type === 'close' ? `close ${e.code} ${e.reason}` : type))
  }
  c.addEventListener('mirage-state', e => c.seen.push(e.state))
  c.addEventListener('mirage-transport', e => c.moves.push(e.transport))
  return c
}
const sockets = () => server.requests.filter(r => r.method === 'WS')
const frames = () => server.requests.filter(r => r.socket)

test('WebSocket is the first choice; messages and acknowledgements go in its frames', async () => {
  const c = visitor()
  c.send('early')
  await until('open', () => c.state === 'open')
  assert.equal(c.transport, 'websocket')
  server.send('a')
  server.send('1', 'named')
  c.send(new Uint8Array([0, 13]))
  await until('all', () => c.got.length === 1 && server.got.length === 2 && !c.bufferedAmount)
  await clock.run(1000)
  assert.equal(frames().at(-1).up.ack, 'e1-2')
  assert.equal(server.requests.length, 1 + frames().length)
  assert.deepEqual(c.seen, ['open', 'mirage'])
})

// If WebSocket is blocked, in three ways: a working transport within five seconds,
// without an event for the application, and back when WebSocket works again.
for (const [what, broken, ms] of [
  ['refused', { refused: true }, 100],
  ['accepted, then mute', { mute: true }, 1700],
  ['mute after hello', { silent: true }, 4700],
  ['killed after hello', { killed: true }, 4900],
]) {
  test('WebSocket ' + what, async () => {
    const storage = new Store(), fetch = (...a) => { server.silent = false; return server.fetch(...a) }
    Object.assign(server, broken)
    const c = visitor({ storage, fetch })
    c.send('up')
    server.send('down')
    await until('a transport that works', () =>
      c.transport === 'sse' && server.got.length === 1 && c.got.length + (c.got[0] === 'down'), ms)
    await clock.run(10_000)
    assert.equal(sockets().length, what === 'killed after hello' ? 2 : 1)
    assert.deepEqual(c.seen, ['open', 'mirage'])
    c.disconnect()
    Object.assign(server, { refused: false, mute: false, silent: false, killed: false })
    const d = visitor({ storage })
    await until('open', () => d.state === 'open')
    assert.equal(d.transport, 'sse', 'the memory of what worked')
    await until('WebSocket again', () => d.transport === 'websocket', 301_000)
    assert.deepEqual(d.seen, ['open', 'mirage'])
  })
}

test('cut after some time, twice: each time it is back at once; '
  + 'young links that die in a row are given up', async () => {
  const c = visitor()
  await until('open', () => c.state === 'open')
  for (let i = 1; i < 4; i++) {
    await clock.run(11_000)
    server.cut()
    await until('back', () => sockets().length === i + 1, 600)
    await clock.run(100)
  }
  assert.equal(c.transport, 'websocket')
  await clock.run(3000)
  server.cut()
  await clock.run(3000)
  server.cut()
  await clock.run(3000)
  assert.equal(c.transport, 'sse')
  assert.deepEqual(c.seen, ['open', 'mirage'])
})

test('I5, W6: close codes are statuses: some stop, with the reason, others come back', async () => {
  for (const status of [400, 403, 410]) {
    renew()
    server.script = () => server.answer(status, { detail: 'because' })
    const c = visitor()
    await until('closed', () => c.state === 'closed')
    assert.deepEqual(c.seen, ['closed', `close ${4000 + status} because`])
    assert.equal(server.requests.length, 1)
  }
  for (const status of [401, 429, 503]) {
    renew()
    server.script = () => server.requests.length < 3 ? server.answer(status, {}) : undefined
    const c = visitor()
    await until('open', () => c.state === 'open')
    c.disconnect()
  }
  renew()
  const c = visitor()
  await until('open', () => c.state === 'open')
  ;[...server.links.values()][0].write('event: mirage-end\ndata: {"status":410,"reason":"the id was revoked"}\n\n')
  await until('closed', () => c.state === 'closed')
  assert.equal(c.seen.at(-1), 'close 4410 the id was revoked')
})

test('U1: answers in frames mean what a POST\'s do', async () => {
  const c = visitor()
  await until('open', () => c.state === 'open')
  const outcomes = []
  server.handler = m => m.data === '"bad"'
  let said = 0
  server.script = r => {
    if (!r.socket) return
    if (r.body.includes('"huge"')) return server.answer(413, { detail: 'too large' })
    if (r.body.includes('"soon"') && !said++) return server.answer(429, { detail: 'slow down', retry: 2000 })
  }
  for (const t of ['a', 'bad', 'huge', 'soon', 'z']) {
    c.emit('x', t).then(() => outcomes.push(t), e => outcomes.push(t + e.status))
  }
  const began = clock.now
  await until('all', () => outcomes.length === 5)
  assert.deepEqual(outcomes, ['a', 'bad500', 'huge413', 'soon', 'z'])
  assert.ok(clock.now - began >= 2000)
  assert.deepEqual(server.got.map(g => g.data), ['"a"', '"bad"', '"soon"', '"z"'])
  assert.equal(sockets().length, 1)
})

test('U1: a frame without an answer: another link, and nothing twice', async () => {
  const c = visitor()
  await until('open', () => c.state === 'open')
  await clock.run(20_000)
  server.fault = r => r.socket && r.body.includes('lost') ? 'hole' : ''
  c.send('lost')
  await clock.run(10_000)
  server.fault = () => ''
  await until('sent', () => server.got.length === 1 && !c.bufferedAmount, 6000)
  assert.equal(sockets().length, 2)
  assert.deepEqual(c.seen, ['open', 'mirage'])
})

test('X1: round and round under traffic', async () => {
  const c = visitor()
  const N = 400
  let sent = 0
  const tick = () => { if (sent++ < N) { server.send('d' + sent); c.send('u' + sent); clock.add(tick, 5) } }
  tick()
  for (const name of ['poll', 'websocket', 'sse', 'poll', 'websocket', 'sse', 'websocket']) {
    await clock.run(200)
    let moved
    c.use(name).then(() => { moved = true })
    await until(name, () => moved)
    assert.equal(c.transport, name)
    assert.equal(c.moves.at(-1), name)
  }
  await until('all', () => c.got.length === N && server.got.length === N && !c.bufferedAmount)
  assert.deepEqual(c.got, Array.from({ length: N }, (_, i) => 'd' + (i + 1)))
  assert.deepEqual(server.got.map(g => g.data), Array.from({ length: N }, (_, i) => 'u' + (i + 1)))
  assert.deepEqual(c.seen, ['open', 'mirage'])
})
