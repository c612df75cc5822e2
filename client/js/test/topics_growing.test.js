// Growing messages: pieces and texts, overlaps, encodings and bounds.

import assert from 'node:assert/strict'
import { beforeEach, test } from 'node:test'
import { Rooms, block } from './rooms.js'
import { client, clock, renew, until } from './stage.js'

let server
beforeEach(() => { server = renew(Rooms) })

const KINDS = ['websocket', 'sse', 'poll']
const live = () => [...server.links.values()].at(-1)
const joined = room => until('joined ' + room.topic, () => room.state === 'joined')
const links = () => server.requests.filter(r => r.method !== 'POST' && !r.headers['Mirage-Link'])
const length = text => Buffer.byteLength(text)

// enter joins a room and records what it gets of growing messages.
function enter(c, name, options) {
  const room = c.join(name, options)
  room.got = []
  room.on('answer', ({ key, piece, text, done }) => room.got.push([key, piece, text, done]))
  return room
}

// piece is a block as the server writes it, with the number n or without an id.
const piece = (offset, data, { n, key = 'k', event = 'answer', ...more } = {}) =>
  block({ topic: 'a', event, key, grow: offset, data, id: n && server.topic('a').at(n), ...more })

// write lets the server write blocks for topic a, which has so many messages.
async function write(n, ...blocks) {
  server.topic('a').log.length = n
  for (const j of live().joined.values()) j.cursor = n
  live().write(blocks.join(''))
  await clock.run(100)
}

for (const kind of KINDS) {
  test(`M2: pieces come as they are written, with the text and its end, on ${kind}`, async () => {
    const c = client({ transports: [kind] })
    const a = enter(c, 'a')
    const events = []
    a.addEventListener('answer', e => events.push([e.data, e.key, e.text, e.done, e.topic, e.lastEventId]))
    await joined(a)
    assert.equal(a.text('k'), '')
    for (const t of ['Hel', 'lo ', 'wörld']) {
      server.grow('a', 'answer', 'k', t)
      await clock.run(100)
    }
    server.grow('a', 'answer', 'k', '', true)
    await until('done', () => a.got.length === 4)
    assert.deepEqual(a.got, [
      ['k', 'Hel', 'Hel', false], ['k', 'lo ', 'Hello ', false], ['k', 'wörld', 'Hello wörld', false],
      ['k', '', 'Hello wörld', true],
    ])
    assert.deepEqual(events[1], ['lo ', 'k', 'Hello ', false, 'a', server.topic('a').at(2)])
    assert.equal(a.text('k'), 'Hello wörld')
    assert.equal(a.position, server.topic('a').at(4))
  })

  test(`M2: a cut in the middle: nothing twice, nothing missing, on ${kind}`, async () => {
    const c = client({ transports: [kind] })
    const a = enter(c, 'a')
    await joined(a)
    await clock.run(20_000)
    server.grow('a', 'answer', 'k', 'one 🎉 ')
    server.grow('a', 'answer', 'k', 'two ') // in one block with the first, under its number
    await until('two', () => a.text('k') === 'one 🎉 two ')
    await clock.run(100) // until the next poll is under way
    server.cut()
    server.grow('a', 'answer', 'k', 'three ')
    server.grow('a', 'answer', 'k', 'four', true)
    await until('four', () => a.text('k').endsWith('four'))
    assert.equal(a.text('k'), 'one 🎉 two three four')
    assert.equal(a.got.map(([, piece]) => piece).join(''), a.text('k'))
    assert.equal(a.got.filter(([,,, done]) => done).length, 1)
    assert.equal(links().length, 2)
  })

  test(`M2: at a join the whole comes first, from now and from the start, on ${kind}`, async () => {
    server.grow('a', 'answer', 'sealed', 'complete', true)
    server.grow('a', 'answer', 'k', 'so ')
    server.grow('a', 'answer', 'k', 'far')
    const c = client({ transports: [kind] }), d = client({ transports: [kind] })
    const a = enter(c, 'a'), b = enter(d, 'a', { from: 'start' })
    await joined(a)
    await joined(b)
    assert.deepEqual(a.got, [['k', 'so far', 'so far', false]])
    assert.deepEqual(b.got, [['k', 'so far', 'so far', false], ['sealed', 'complete', 'complete', true]])
    server.grow('a', 'answer', 'k', ', so good', true)
    await until('done', () => a.got.length === 2 && b.got.length === 3)
    for (const room of [a, b]) assert.deepEqual(room.got.at(-1), ['k', ', so good', 'so far, so good', true])
    assert.deepEqual([a.text('sealed'), b.text('sealed')], ['', 'complete'])
  })
}

test('M2: after a gap the whole replaces what there was', async () => {
  const c = client({ transports: ['sse'] })
  const a = enter(c, 'a')
  await joined(a)
  server.grow('a', 'answer', 'k', 'begun')
  await until('begun', () => a.text('k') === 'begun')
  await clock.run(20_000)
  server.cut()
  server.grow('a', 'answer', 'k', ', and on')
  for (let i = 0; i < 5; i++) server.publish('a', '1', { event: 'x' })
  server.trim('a', 4)
  a.on('x', () => 0)
  await until('whole', () => a.got.length === 2)
  assert.deepEqual(a.got[1], ['k', 'begun, and on', 'begun, and on', false])
  server.grow('a', 'answer', 'k', '.')
  await until('on', () => a.got.length === 3)
  assert.deepEqual(a.got[2], ['k', '.', 'begun, and on.', false])
})

test('M2: a whole in several blocks', async () => {
  const c = client({ transports: ['sse'] })
  const a = enter(c, 'a')
  await joined(a)
  await write(0, piece(0, 'ä'.repeat(30_000)), piece(60_000, 'b'.repeat(60_000)), piece(120_000, 'c', { done: true }))
  assert.equal(a.text('k'), 'ä'.repeat(30_000) + 'b'.repeat(60_000) + 'c')
  assert.deepEqual(a.got.map(([, { length },, done]) => [length, done]), [[30_000, false], [60_000, false], [1, true]])
})

test('M2: overlap is dropped by bytes, wherever the pieces were cut', async () => {
  const c = client({ transports: ['sse'] })
  const a = enter(c, 'a')
  await joined(a)
  const whole = ['a', 'é', '漢', '🎉', '\uFEFF', 'z', '\r', '\n', '\0', '🏳️‍🌈', ' ', '\u2028', 'end']
  const at = n => length(whole.slice(0, n).join(''))
  const text = (from, to) => whole.slice(from, to).join('')
  let number = 0
  for (let i = 0; i <= whole.length; i++) {
    for (let j = 0; j <= i; j++) {
      const key = `${i} ${j}`
      number += 2
      const first = piece(0, text(0, i), { key, n: number - 1 })
      await write(number, first, piece(at(j), text(j), { key, n: number, done: true }))
      const got = a.got.filter(([k]) => k === key)
      const pieces = j ? got : got.slice(-1) // offset 0 replaces
      assert.equal(pieces.map(([, piece]) => piece).join(''), text(0), key)
      assert.equal(a.text(key), text(0), key)
      assert.deepEqual(got.at(-1).slice(2), [text(0), true])
    }
  }
})

test('M2: a piece that brings nothing new is told to nobody, and moves the position', async () => {
  const c = client({ transports: ['sse'] })
  const a = enter(c, 'a')
  await joined(a)
  await write(1, piece(0, 'Hello', { n: 1 }))
  await write(3, piece(1, 'ell', { n: 2 }), piece(3, 'lo', { n: 3 }))
  assert.equal(a.got.length, 1)
  assert.equal(a.position, server.topic('a').at(3))
  await write(5, piece(2, 'llo', { n: 4, done: true }), piece(5, '', { n: 5, done: true }))
  assert.deepEqual(a.got.slice(1), [['k', '', 'Hello', true]], 'done is told once')
})

test('M2: offset 0 replaces the text: the message began anew', async () => {
  const c = client({ transports: ['sse'] })
  const a = enter(c, 'a')
  await joined(a)
  await write(1, piece(0, 'old text', { n: 1, done: true }))
  await write(2, piece(0, 'new', { n: 2 }))
  await write(3, piece(3, 'er', { n: 3 }))
  assert.deepEqual(a.got, [
    ['k', 'old text', 'old text', true], ['k', 'new', 'new', false], ['k', 'er', 'newer', false],
  ])
})

test('M2: pieces in base64, as text and as bytes, with offsets in bytes of UTF-8', async () => {
  const c = client({ transports: ['sse'] })
  const a = enter(c, 'a')
  await joined(a)
  await write(1, piece(0, 'a\r\n\0ü', { n: 1 }))
  await write(2, piece(4, 'ü🎉', { n: 2, binary: true }))
  await write(3, piece(6, '🎉\r', { n: 3, done: true }))
  assert.deepEqual(a.got, [
    ['k', 'a\r\n\0ü', 'a\r\n\0ü', false], ['k', '🎉', 'a\r\n\0ü🎉', false], ['k', '\r', 'a\r\n\0ü🎉\r', true],
  ])
})

test('M2: one key under several events, several keys, and unnamed messages', async () => {
  const c = client({ transports: ['sse'] })
  const a = enter(c, 'a')
  const others = []
  a.on('thought', ({ text }) => others.push(text))
  a.on('message', payload => others.push(payload))
  await joined(a)
  await write(4,
    piece(0, 'answer', { n: 1 }), piece(0, 'thought', { n: 2, event: 'thought' }),
    piece(0, 'other', { n: 3, key: 'k2' }), piece(0, 'unnamed', { n: 4, key: 'k3', event: null }))
  assert.deepEqual(a.got, [['k', 'answer', 'answer', false], ['k2', 'other', 'other', false]])
  assert.deepEqual(others, ['thought', { key: 'k3', piece: 'unnamed', text: 'unnamed', done: false }])
  assert.deepEqual([a.text('k', 'answer'), a.text('k', 'thought'), a.text('k2'), a.text('k3'), a.text('k3', 'message')],
    ['answer', 'thought', 'other', 'unnamed', 'unnamed'])
  assert.deepEqual([a.text('k4'), a.text('k', 'other')], ['', ''])
  assert.ok(['answer', 'thought'].includes(a.text('k')))
  a.leave()
  assert.equal(a.text('k2'), '')
})

test('M2: a growing message of a topic without a room', async () => {
  const c = client({ transports: ['sse'] })
  const got = []
  c.on('answer', ({ key, piece, text, done }, e) => got.push([e.topic, key, piece, text, done]))
  await until('open', () => c.state === 'open')
  server.joinSession('~user:42')
  server.grow('~user:42', 'answer', 'k', 'Hel')
  await clock.run(100)
  server.grow('~user:42', 'answer', 'k', 'lo', true)
  await until('both', () => got.length === 2)
  assert.deepEqual(got, [['~user:42', 'k', 'Hel', 'Hel', false], ['~user:42', 'k', 'lo', 'Hello', true]])
})

test('M2: at most 64 texts of a topic: those that are complete leave first, the oldest of them', async () => {
  const c = client({ transports: ['sse'] })
  const a = enter(c, 'a')
  await joined(a)
  let n = 0
  const add = (key, done) => write(++n, piece(0, key, { key, n, done }))
  for (let i = 0; i < 64; i++) await add('k' + i, i === 5 || i === 3)
  const missing = () => Array.from({ length: n }, (_, i) => 'k' + i).filter(key => !a.text(key)).join()
  assert.equal(missing(), '')
  await add('k64')
  assert.equal(missing(), 'k3')
  await add('k65')
  assert.equal(missing(), 'k3,k5')
  await add('k66')
  assert.equal(missing(), 'k0,k3,k5')
  await write(++n, piece(0, 'anew', { key: 'k1', n })) // it is the youngest now
  await add('k68')
  assert.equal(missing(), 'k0,k2,k3,k5,k67')

  // The beginning of one that was evicted is missing. Its pieces still come.
  await write(++n, piece(2, ' more', { key: 'k0', n }))
  assert.deepEqual(a.got.at(-1), ['k0', ' more', ' more', false])
  await write(++n, piece(4, 'ore!', { key: 'k0', n }))
  assert.deepEqual(a.got.at(-1), ['k0', '!', ' more!', false])
})

test('M2: a text has at most 1 MiB: its pieces still come', async () => {
  const c = client({ transports: ['sse'] })
  const a = enter(c, 'a')
  await joined(a)
  const part = 'é'.repeat(1 << 17) // 256 KiB
  for (let i = 0; i < 6; i++) await write(i + 1, piece(i << 18, part, { n: i + 1 }))
  assert.equal(length(a.text('k')), 1 << 20)
  assert.equal(a.got.length, 6)
  assert.ok(a.got.every(([, piece]) => piece === part))
  await write(7, piece((6 << 18) - 2, 'é!', { n: 7, done: true }))
  assert.deepEqual(a.got.at(-1).slice(1), ['!', part.repeat(4), true])
})

test('M2: two rooms of a topic, and one that came later, have the same text', async () => {
  const c = client({ transports: ['sse'] })
  const a = enter(c, 'a'), b = enter(c, 'a')
  await joined(a)
  server.grow('a', 'answer', 'k', 'Hel')
  await until('Hel', () => b.got.length)
  const d = enter(c, 'a')
  server.grow('a', 'answer', 'k', 'lo')
  await until('lo', () => d.got.length)
  assert.deepEqual(a.got, b.got)
  assert.deepEqual(d.got, [['k', 'lo', 'Hello', false]])
  assert.equal(d.text('k'), 'Hello')
})

test('M2: with ackAfter, the position waits for listeners of a message that is read whole, too', async () => {
  const c = client({ transports: ['sse'], ackAfter: 'promise' })
  server.grow('a', 'answer', 'k', 'so far')
  const a = c.join('a')
  let done
  a.on('answer', () => new Promise(resolve => { done = resolve }))
  await joined(a)
  await clock.run(2000)
  assert.equal(a.position, '')
  done()
  await clock.run(10)
  assert.equal(a.position, server.topic('a').at())
})
