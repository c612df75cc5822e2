// The way up fails although there is a link: the application is told, nothing is lost,
// and the messages go once the way is free.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { html } from './gateway.js'
import { client, clock, renew, server, until } from './stage.js'

// sender opens a client and keeps what it is told about the way up.
function sender(options) {
  const c = client({ transports: ['sse'], ...options })
  c.retries = []
  c.stalls = []
  c.closed = []
  c.returned = []
  c.on('mirage-retry', e => c.retries.push(e))
  c.on('mirage-stalled', ({ stalled, previous }) => c.stalls.push(`${previous}>${stalled}`))
  c.on('close', e => c.closed.push(e))
  c.on('mirage-returned', e => c.returned.push(...e.messages.map(m => m.data)))
  return c
}
const open = c => until('open', () => c.state === 'open')
const failing = answer => { server.script = r => r.method === 'POST' ? answer(r) : undefined }
const posts = () => server.requests.filter(r => r.method === 'POST')
const sent = () => server.got.map(m => m.data)

// fails sends three messages over a way up that is broken as answer says, and then over
// one that works.
async function fails(c, answer, { status, ms = 60_000 }) {
  await open(c)
  await clock.run(2000) // the acknowledgement of hello has gone
  failing(answer)
  const began = clock.now
  let settled = 0
  c.emit('say', 1).then(() => settled++)
  c.send('2')
  await until('told', () => c.retries.length, ms)
  const { what, error, attempt, delay } = c.retries[0]
  assert.deepEqual([what, error.status || undefined, attempt], ['send', status, 2])
  assert.ok(error instanceof Error && error.message)
  assert.ok(delay >= 0 && delay <= 20_000)
  assert.equal(c.stalled, 'send')
  assert.deepEqual(c.stalls.slice(-1), ['>send'])
  assert.equal(settled, 0)

  await until('told again', () => c.retries.length > 2, 3 * ms)
  assert.deepEqual(c.retries.slice(0, 3).map(e => e.attempt), [2, 3, 4])
  const n = posts().filter(r => r.at > began).length, minutes = (clock.now - began) / 60_000
  assert.ok(n < 20 + 60 * minutes, `${n} requests in ${minutes} minutes`)
  assert.deepEqual(c.closed, [])

  server.script = undefined
  server.fault = () => ''
  c.send('3')
  await until('sent', () => c.waiting === 0)
  await until('resolved', () => settled === 1)
  assert.deepEqual(sent(), ['1', '2', '3'])
  assert.equal(c.stalled, '')
  assert.equal(c.stalls.at(-1), 'send>')
  assert.equal(c.state, 'open')
  assert.deepEqual(c.returned, [])
}

for (const transports of [['sse'], ['poll']]) {
  for (const status of [204, 400, 401, 403, 404, 405, 408, 409, 410, 422, 429, 451, 500, 502, 503, 504]) {
    test(`POST ${status} of a gateway, on ${transports}`, () =>
      fails(sender({ transports }), () => html(status), { status }))
  }
  for (const status of [429, 500, 503]) {
    test(`POST ${status} of the server, on ${transports}`, () =>
      fails(sender({ transports }), () => server.answer(status, { detail: 'not now' }), { status }))
  }

  test(`POST 200 with a page in HTML, on ${transports}`, async () => {
    const c = sender({ transports })
    await fails(c, () => html(200), { status: 200 })
    assert.match(c.retries[0].error.message, /text\/html/)
  })

  test(`POST 200 with JSON of somebody else, on ${transports}`, () =>
    fails(sender({ transports }), () => server.answer(200, { login: '/login' }), { status: 200 }))

  test(`POST that CORS swallows, on ${transports}`, () =>
    fails(sender({ transports }), () => { throw new TypeError('Failed to fetch') }, {}))

  test(`POST 200 that accepts nothing, on ${transports}`, () =>
    fails(sender({ transports }), () => server.answer(200, { accepted: 0 }), {}))

  test(`POST that hangs, on ${transports}`, async () => {
    const c = sender({ transports })
    await open(c)
    await clock.run(20_000)
    server.fault = r => r.method === 'POST' ? 'hole' : ''
    const began = clock.now
    c.emit('say', 1)
    await until('shown', () => c.stalled === 'send', 20_000)
    await until('told', () => c.retries.length, 40_000)
    const { what, error, attempt } = c.retries[0]
    assert.deepEqual([what, error.status, attempt], ['send', undefined, 2])
    await clock.run(120_000)
    assert.equal(c.stalled, 'send')
    const minutes = (clock.now - began) / 60_000
    assert.ok(posts().length < 20 * minutes, posts().length + ' requests')
    server.fault = () => ''
    await until('sent', () => c.waiting === 0, 20_000)
    assert.deepEqual(sent(), ['1'])
    assert.equal(c.stalled, '')
    assert.equal(c.state, 'open')
  })

  test(`POST 405 of the server stops, and hands the messages back, on ${transports}`, async () => {
    const c = sender({ transports })
    await open(c)
    failing(() => server.answer(405, { detail: 'nothing goes up here' }))
    c.send('x')
    await until('closed', () => c.state === 'closed', 5000)
    assert.deepEqual(c.closed.map(e => e.code), [4405])
    assert.deepEqual(c.returned, ['x'])
  })

  test(`POST 403 of the server stops, on ${transports}`, async () => {
    const c = sender({ transports })
    await open(c)
    failing(() => server.answer(403, { detail: 'not any more' }))
    c.send('x')
    await until('closed', () => c.state === 'closed', 5000)
    assert.deepEqual(c.closed.map(e => [e.code, e.reason]), [[4403, 'not any more']])
    assert.deepEqual(c.returned, ['x'])
  })
}

test('one request that fails is not told of', async () => {
  const c = sender()
  await open(c)
  await clock.run(2000)
  let n = 0
  failing(() => n++ ? undefined : html(502))
  c.send('x')
  await until('sent', () => c.waiting === 0, 5000)
  assert.deepEqual([c.retries.length, c.stalls.length], [0, 0])
})

test('acknowledgements that fail are told of, too', async () => {
  const c = sender()
  c.on('message', () => 0)
  await open(c)
  await clock.run(2000)
  failing(() => html(502))
  server.send('down')
  await until('told', () => c.retries.length, 10_000)
  assert.deepEqual([c.retries[0].what, c.retries[0].error.status, c.stalled], ['send', 502, 'send'])
  server.script = undefined
  await until('recovered', () => c.stalled === '')
  assert.equal(posts().at(-1).up.ack, 'e1-1')
})

test('a gateway that refuses each POST slowly: not more than 20 requests in a minute', async () => {
  const c = sender()
  await open(c)
  await clock.run(2000)
  for (const status of [204, 400, 403, 404, 410]) {
    failing(() => html(status))
    c.send('x')
    const before = posts().length
    await clock.run(60_000)
    const n = posts().length - before
    assert.ok(n > 3 && n < 20, `${status}: ${n} requests`)
  }
})

test('WebSocket: a server that answers its frames with a failure', async () => {
  for (const status of [429, 500, 503]) {
    renew()
    const c = sender({ transports: ['websocket'] })
    await fails(c, () => server.answer(status, { detail: 'not now' }), { status })
    c.disconnect()
  }
})

test('WebSocket: frames that nobody answers', async () => {
  const c = sender({ transports: ['websocket'] })
  await open(c)
  await clock.run(20_000)
  server.fault = r => r.socket && r.body.includes('data: x') ? 'hole' : ''
  c.send('x')
  await until('told', () => c.retries.length, 60_000)
  assert.deepEqual([c.retries[0].what, c.retries[0].attempt, c.stalled], ['send', 2, 'send'])
  server.fault = () => ''
  await until('sent', () => c.waiting === 0)
  assert.deepEqual(sent(), ['x'])
  assert.equal(c.stalled, '')
})

test('messages that come down, and those of an earlier page, survive a broken way up', async () => {
  const c = sender()
  const got = []
  c.on('message', data => got.push(data))
  await open(c)
  failing(() => html(404))
  for (let i = 0; i < 40; i++) {
    c.send('up' + i)
    server.send('down' + i)
    await clock.run(1000)
  }
  server.script = undefined
  await until('all', () => c.waiting === 0 && got.length === 40)
  assert.deepEqual(sent(), Array.from({ length: 40 }, (_, i) => 'up' + i))
  assert.deepEqual(got, Array.from({ length: 40 }, (_, i) => 'down' + i))
})

for (const status of [405, 413, 415]) {
  test(`GET ${status} stops, whoever says so`, async () => {
    for (const answer of [() => html(status), () => server.answer(status, { detail: 'because' })]) {
      renew()
      server.script = answer
      const c = sender({ transports: ['sse', 'poll'] })
      await until('closed', () => c.state === 'closed', 5000)
      assert.equal(c.closed[0].code, 4000 + status)
      await clock.run(60_000)
      assert.equal(server.requests.length, 1)
    }
  })
}

test('GET 426 and 501 fall back to another transport, and stop where there is none', async () => {
  for (const status of [426, 501]) {
    renew()
    server.script = r => r.method === 'GET' && !('_wait' in r.query) ? html(status) : undefined
    const c = sender({ transports: ['sse', 'poll'] })
    await open(c)
    assert.equal(c.transport, 'poll')
    assert.deepEqual(c.closed, [])
    c.disconnect()

    renew()
    server.script = () => html(status)
    const alone = sender({ transports: ['sse'] })
    await until('closed', () => alone.state === 'closed', 5000)
    assert.deepEqual(alone.closed.map(e => e.code), [4000 + status])
  }
})

test('GET that a gateway refuses is told of with its status, tried again slowly, and works again', async () => {
  for (const status of [204, 400, 401, 403, 404, 410]) {
    renew()
    server.refused = true // a page cannot see why its WebSocket failed
    server.script = () => html(status)
    const c = sender({ transports: ['websocket', 'sse', 'poll'] })
    await until('told', () => c.retries.length, 5000)
    const { what, error, attempt } = c.retries[0]
    assert.deepEqual([what, error.status, attempt], ['connect', status, 1], `GET ${status}`)
    await clock.run(60_000)
    assert.deepEqual(c.closed, [])
    assert.ok(server.requests.length < 40, server.requests.length + ' requests')
    server.refused = false
    server.script = undefined
    await until('open', () => c.state === 'open', 10_000)
    c.disconnect()
  }
})
