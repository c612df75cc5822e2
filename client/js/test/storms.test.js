// Whatever answers in place of the server, and whatever it asks for: there is no hot
// loop, the application is told, and the client recovers when the gateway goes away.

import assert from 'node:assert/strict'
import { afterEach, beforeEach, test } from 'node:test'
import { inspect } from 'node:util'
import { html, stream } from './gateway.js'
import { client, clock, renew, server, until } from './stage.js'

// A timer above 2³¹−1 milliseconds, or of no number, fires at once, in browsers and Node.
let bare
beforeEach(() => {
  bare = globalThis.setTimeout
  globalThis.setTimeout = (f, ms = 0) => bare(f, ms <= 2 ** 31 - 1 ? ms : 1)
})
afterEach(() => { if (globalThis.setTimeout.length === 1) globalThis.setTimeout = bare })

function visitor(options) {
  const c = client({ transports: ['poll'], ...options })
  c.got = []
  c.retries = []
  c.on('message', data => c.got.push(data))
  c.on('mirage-retry', e => c.retries.push(e))
  return c
}
const open = c => until('open', () => c.state === 'open')
const KINDS = [['poll'], ['sse'], ['sse', 'poll'], ['websocket', 'sse', 'poll']]

// minute returns how many requests the server gets in a minute. It stops a storm.
async function minute(most) {
  const before = server.requests.length, began = clock.now
  await clock.run(60_000, () => server.requests.length - before > most)
  const n = server.requests.length - before
  assert.ok(n <= most, `${n} requests in ${clock.now - began} ms`)
  return n
}

// weather lets a gateway answer for two minutes: with a bounded number of requests in
// each, and told. Then it goes away, and everything arrives.
async function weather(c, answer, { most = 180, later = 30, told = true } = {}) {
  await open(c)
  server.send('before')
  await until('before', () => c.got.length === 1)
  await clock.run(15_000)
  server.refused = true
  server.script = answer
  server.cut()
  server.send('meanwhile')
  await minute(most)
  await minute(later)
  if (told) {
    assert.ok(c.retries.length > 0, 'nothing was told')
    assert.notEqual(c.state, 'open')
  }
  assert.ok(c.retries.every(e => e.error instanceof Error && e.error.message), 'an error says what is wrong')

  server.refused = false
  server.script = undefined
  await until('recovered', () => c.got.length === 2, 40_000)
  assert.equal(c.state, 'open')
  assert.deepEqual(c.got, ['before', 'meanwhile'])
  return c
}

for (const transports of KINDS) {
  test(`200 with a log-in page, on ${transports}`, async () => {
    const c = await weather(visitor({ transports }), () => html(200), { most: 160 * transports.length })
    assert.match(c.retries[0].error.message, /text\/html/)
  })

  // Somebody answers, so this is no network that is away for a moment.
  test(`200 with a log-in page is no reason to hurry, on ${transports}`, () =>
    weather(visitor({ transports }), () => html(200), { most: 60 }))

  test(`200 with an empty event stream that ends at once, on ${transports}`, () =>
    weather(visitor({ transports }), () => stream()))

  test(`200 with an event stream of somebody else, on ${transports}`, () =>
    weather(visitor({ transports }), () => stream('id: x-1\nevent: tick\ndata: 1\n\n')))

  test(`a first visit behind a log-in page, on ${transports}`, async () => {
    server.refused = true
    server.script = () => html(200)
    const c = visitor({ transports })
    await minute(60)
    assert.equal(c.state, 'connecting')
    assert.ok(c.retries.length > 3)
    server.refused = false
    server.script = undefined
    await until('open', () => c.state === 'open', 30_000)
  })
}

test('polls that are answered empty at once, as by a cache: few, told, and over with the cache', async () => {
  const c = visitor()
  await open(c)
  await clock.run(1000)
  server.script = r => r.method === 'GET' && r.headers['Mirage-Link'] ? stream() : undefined
  for (let i = 0; i < 3; i++) await minute(100)
  await until('told', () => c.retries.length, 60_000)
  assert.match(c.retries[0].error.message, /cache/)
  server.script = undefined
  server.send('after')
  await until('after', () => c.got.includes('after'), 40_000)
  assert.equal(c.state, 'open')
})

test('a stale poll, whose blocks are known: few requests, and nothing twice', async () => {
  const c = visitor()
  await open(c)
  await clock.run(1000)
  server.send('a')
  server.send('b')
  await until('both', () => c.got.length === 2)
  const stale = 'data: a\nid: e1-1\n\ndata: b\nid: e1-2\n\n'
  server.script = r => r.method === 'GET' && r.headers['Mirage-Link'] ? stream(stale) : undefined
  for (let i = 0; i < 3; i++) await minute(100)
  server.script = undefined
  server.send('c')
  await until('c', () => c.got.includes('c'), 40_000)
  assert.deepEqual(c.got, ['a', 'b', 'c'])
})

test('a stale first poll, whose hello is known: few requests, and nothing twice', async () => {
  const c = visitor()
  server.send('a')
  server.send('b')
  await open(c)
  await until('both', () => c.got.length === 2)
  await clock.run(1000)
  const [link] = [...server.links.values()].slice(-1)
  const hello = {
    id: 'visitor', previous: '', mirage: 'signed-visitor', reader: 'r', link: link.token, resumed: true, reason: '',
    lost: null, sent: 2, accepted: 0, heartbeat: 15000,
  }
  const stale = `event: mirage\ndata: ${JSON.stringify(hello)}\nid: e1-0\n\ndata: a\nid: e1-1\n\ndata: b\nid: e1-2\n\n`
  server.script = r => r.method === 'GET' ? stream(stale) : undefined
  link.cut()
  for (let i = 0; i < 3; i++) await minute(130)
  server.script = undefined
  server.send('c')
  await until('c', () => c.got.includes('c'), 40_000)
  assert.deepEqual(c.got, ['a', 'b', 'c'])
})

test('answers that come at once because there is much to say are no storm', async () => {
  const c = visitor()
  await open(c)
  const began = clock.now
  for (let i = 0; i < 50; i++) {
    server.send('m' + i)
    await until('m' + i, () => c.got.length === i + 1)
  }
  assert.ok(clock.now - began < 5000, `${clock.now - began} ms`)
  assert.equal(c.retries.length, 0)
})

// Hours are bounded, and nonsense is as none.
for (const [what, value, least, most] of [
  ['huge', '99999999999999', 3_600_000, 3_600_100],
  ['above what a timer takes', '2592000', 3_600_000, 3_600_100],
  ['infinite', 'Infinity', 0, 3_600_100],
  ['negative', '-7', 0, 20_100],
  ['zero', '0', 0, 20_100],
  ['a date', 'Wed, 21 Oct 2026 07:28:00 GMT', 0, 20_100],
  ['no number', 'NaN', 0, 20_100],
  ['empty', '', 0, 20_100],
]) {
  test(`Retry-After: ${what}`, async () => {
    server.script = () => server.answer(503, { detail: 'later' }, { 'Retry-After': value })
    const c = visitor()
    await minute(60)
    assert.ok(c.retries[0].delay >= least && c.retries[0].delay <= most, c.retries[0].delay + ' ms')
    server.script = undefined
    await until('open', () => c.state === 'open', 3_700_000)
  })

  test(`Retry-After of a POST: ${what}`, async () => {
    const c = visitor({ transports: ['sse'] })
    await open(c)
    await clock.run(2000)
    server.script = r => r.method === 'POST' ? server.answer(429, {}, { 'Retry-After': value }) : undefined
    c.send('x')
    await minute(60)
    server.script = undefined
    await until('sent', () => c.waiting === 0, 3_700_000)
  })
}

test('a close frame that asks for a huge pause', async () => {
  for (const seconds of ['999999999999', '0']) {
    renew()
    server.script = () => server.answer(429, { detail: `too many; retry in ${seconds} s` })
    const c = visitor({ transports: ['websocket'] })
    await minute(60)
    c.disconnect()
  }
})

test('frames answered with a hostile retry', async () => {
  for (const retry of [1e12, -1, 'soon', null, {}]) {
    renew()
    const c = visitor({ transports: ['websocket'] })
    await open(c)
    await clock.run(2000)
    server.script = r => r.socket ? server.answer(429, { detail: 'slowly', retry }) : undefined
    c.send('x')
    await minute(60)
    server.script = undefined
    await until('sent', () => c.waiting === 0, 3_700_000)
    c.disconnect()
  }
})

for (const transports of [['websocket'], ['sse'], ['poll']]) {
  for (const retry of [1e12, 2 ** 31, Infinity, 'soon', -5, 0, null, {}]) {
    test(`drain with retry ${inspect(retry)}, each time, on ${transports}`, async () => {
      const c = visitor({ transports })
      const greet = server.hello
      const text = `event: mirage-drain\ndata: {"retry":${retry === Infinity ? '1e999' : JSON.stringify(retry)}}\n\n`
      await open(c)
      server.hello = request => {
        const [link, hello] = greet.call(server, request)
        clock.add(() => {
          link.cut?.()
          server.links.delete(link.token)
        }, 20)
        return [link, hello + text]
      }
      await clock.run(12_000)
      server.cut()
      await minute(130)
      server.hello = greet
      server.send('after')
      await until('after', () => c.got.includes('after'), 3_700_000)
    })
  }
}

test('maxDelay, upgradeEvery and hidden that no timer can hold mean never', async () => {
  const c = visitor({ transports: ['sse', 'poll'], upgradeEvery: Infinity, maxDelay: Infinity, hidden: Infinity })
  server.held = true
  await open(c)
  assert.equal(c.transport, 'poll')
  await minute(20)
  server.fault = () => 'lost'
  server.cut()
  await minute(400)
})
