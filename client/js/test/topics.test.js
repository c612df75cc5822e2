// Rooms: joining, positions, acknowledgements, refusals and leaving.

import assert from 'node:assert/strict'
import { beforeEach, test } from 'node:test'
import { Page } from './page.js'
import { Rooms, block, components } from './rooms.js'
import { client, clock, renew, until } from './stage.js'
import { Store } from './world.js'

let server
beforeEach(() => { server = renew(Rooms) })

const KINDS = ['websocket', 'sse', 'poll']
const posts = () => server.requests.filter(r => r.up)
const links = () => server.requests.filter(r => r.method !== 'POST' && !r.headers['Mirage-Link'])
const live = () => [...server.links.values()].at(-1)
const open = c => until('open', () => c.state === 'open')

// listen records what a room gets.
function listen(room) {
  room.got = []
  room.told = []
  room.on('message', (data, e) => room.got.push(data, ...e.key ? [e.key] : []))
  for (const type of ['mirage-joined', 'mirage-left', 'mirage-gap', 'mirage-members']) {
    room.on(type, e => room.told.push(e))
  }
  room.outcome = ''
  room.ready.then(() => { room.outcome = 'ready' }, e => { room.outcome = e.status ?? e.message })
  return room
}
const enter = (c, name, options) => listen(c.join(name, options))
const told = ({ told }) => told.map(({ type }) => type)
const joined = room => until('joined ' + room.topic, () => room.state === 'joined')

for (const kind of KINDS) {
  test(`T6: a room from now, from the start, and after a position, on ${kind}`, async () => {
    const c = client({ transports: [kind] })
    for (const t of ['a', 'b', 'c']) server.publish('room:7', t)
    const now = enter(c, 'room:7')
    assert.equal(now.state, 'joining')
    assert.equal(now.position, '')
    assert.equal(now.topic, 'room:7')
    await joined(now)
    assert.equal(now.state, 'joined')
    assert.equal(now.position, server.topic('room:7').at())
    assert.deepEqual(now.told.map(e => [e.type, e.position, e.lost, e.reason]),
      [['mirage-joined', now.position, null, '']])
    server.publish('room:7', 'd')
    await until('d', () => now.got.length)
    assert.deepEqual(now.got, ['d'])

    for (const t of ['a', 'b', 'c']) server.publish('room:8', t)
    const start = enter(c, 'room:8', { from: 'start' })
    await joined(start)
    assert.deepEqual(start.got, ['a', 'b', 'c'])

    for (const t of ['a', 'b', 'c']) server.publish('room:9', t)
    const after = enter(c, 'room:9', { from: server.topic('room:9').at(1), info: { name: 'me' } })
    await joined(after)
    assert.deepEqual(after.got, ['b', 'c'])
    assert.deepEqual(server.asked.map(({ topic, from, info }) => [topic, from, info]), [
      ['room:7', 'now', undefined], ['room:8', 'start', undefined],
      ['room:9', server.topic('room:9').at(1), { name: 'me' }],
    ])
    assert.equal(links().length, 1)
  })

  test(`T4: after a cut it goes on at its component, without a double or a hole, on ${kind}`, async () => {
    const c = client({ transports: [kind] })
    const a = enter(c, 'a', { from: 'start' }), b = enter(c, 'b', { from: 'start' })
    const all = []
    c.on('message', data => all.push(data))
    await joined(b)
    server.publish('a', '1')
    server.publish('b', '1')
    server.send('s1')
    await until('first', () => a.got.length && b.got.length && all.length)
    const positions = c.position + a.position + b.position
    assert.equal(positions, 'e1-1' + server.topic('a').at() + server.topic('b').at())
    assert.equal(c.position, 'e1-1')
    await clock.run(20_000)

    server.cut()
    for (const name of ['a', 'b']) for (const t of ['2', '3']) server.publish(name, t)
    server.send('s2')
    await until('all', () => a.got.length === 3 && b.got.length === 3 && all.length === 2)
    server.publish('a', '4')
    await until('4', () => a.got.length === 4)
    assert.deepEqual([a.got, b.got, all], [['1', '2', '3', '4'], ['1', '2', '3'], ['s1', 's2']])
    assert.equal(links()[1].query._pos, positions)
    assert.deepEqual(server.asked.slice(2).map(({ topic, from }) => topic + from).sort(),
      ['a' + server.topic('a').at(1), 'b' + server.topic('b').at(1)])
    assert.deepEqual([told(a), a.state], [['mirage-joined'], 'joined'], 'it was joined all the time')
  })

  test(`T4: it moves to the other transports, from ${kind}`, async () => {
    const c = client({ transports: KINDS })
    const a = enter(c, 'a', { from: 'start' })
    await joined(a)
    const wanted = []
    for (const to of [kind, ...KINDS.filter(k => k !== kind), kind]) {
      let moved
      c.use(to).then(() => { moved = true })
      for (let i = 0; i < 50; i++) {
        wanted.push(to + i)
        server.publish('a', to + i)
        await clock.run(3)
      }
      await until('moved to ' + to, () => moved)
    }
    await until('all', () => a.got.length >= wanted.length)
    assert.deepEqual(a.got, wanted)
  })

  test(`T4: components are acknowledged once the listeners have run, on ${kind}`, async () => {
    const c = client({ transports: [kind], ackAfter: 'promise' })
    const a = enter(c, 'a')
    let done
    a.on('job', () => new Promise(resolve => { done = resolve }))
    await joined(a)
    const t = server.topic('a'), before = a.position
    server.publish('a', '1', { event: 'job' })
    await until('1', () => done)
    await clock.run(30_000)
    assert.equal(a.position, before)
    assert.ok(!(server.acked.get(t.beginning) > 0))
    done()
    await until('acknowledged', () => server.acked.get(t.beginning) === 1, 1000)
    assert.equal(a.position, t.at())
  })
}

test('T4: an acknowledgement has the session\'s part and the components that advanced', async () => {
  const c = client({ transports: ['sse'] })
  c.on('message', () => 0)
  const a = enter(c, 'a'), b = enter(c, 'b')
  await joined(b)
  await clock.run(1000)
  assert.equal(posts().at(-1).up.ack, 'e1-0' + server.topic('a').at() + server.topic('b').at())

  server.publish('b', 'x')
  const began = clock.now
  await until('acknowledged', () => posts().at(-1).up.ack === 'e1-0' + server.topic('b').at())
  assert.ok(clock.now - began <= 1000)

  server.send('s')
  await until('acknowledged', () => posts().at(-1).up.ack === 'e1-1')

  for (let i = 0; i < 16; i++) server.publish('a', 'y')
  const now = clock.now
  await until('acknowledged', () => posts().at(-1).up.ack === 'e1-1' + server.topic('a').at())
  assert.ok(clock.now - now < 200, '16 messages are acknowledged at once')
  assert.equal(a.got.length, 16)
  assert.equal(b.got.length, 1)
})

test('T4: an acknowledgement that failed is repeated', async () => {
  const c = client({ transports: ['sse'] })
  const a = enter(c, 'a')
  await joined(a)
  await clock.run(1000)
  server.fault = r => r.method === 'POST' ? 'lost' : ''
  server.publish('a', 'x')
  await clock.run(900)
  server.fault = () => ''
  await until('acknowledged', () => server.acked.get(server.topic('a').beginning) === 1, 5000)
  assert.ok(a.got.length === 1 && links().length === 1)
})

test('T4: a link that ends while a listener keeps the position of a room back: nothing is missed', async () => {
  for (const kind of ['websocket', 'sse']) { // the next poll waits for the listener
    server = renew(Rooms)
    const c = client({ transports: [kind], ackAfter: 'promise' })
    let finish
    c.on('message', () => new Promise(done => { finish = done }))
    await open(c)
    server.send('of the session')
    await until('its listener', () => finish)
    const a = enter(c, 'a')
    await joined(a)
    assert.equal(a.position, '')
    server.cut()
    server.publish('a', '1')
    await until('1', () => a.got.length)
    finish()
    await until('the position', () => a.position === server.topic('a').at())
    c.disconnect()
  }
})

test('T4: hello\'s components are no part of the session\'s position', async () => {
  const storage = new Store()
  const c = client({ transports: ['sse'], storage })
  const a = enter(c, 'a')
  await joined(a)
  await clock.run(20_000)
  server.cut()
  await until('another link', () => links().length === 2 && server.asked.length === 2)
  assert.match(links()[1].query._pos, /^e1-0_/)
  assert.equal(c.position, 'e1-0')
  await clock.run(1000)
  const [kept] = [...storage.values()].map(JSON.parse)
  assert.equal(kept.position, 'e1-0', 'nothing about rooms is stored')
})

test('T4: a message that comes again is dropped, and acknowledged again', async () => {
  const c = client({ transports: ['sse'] })
  const a = enter(c, 'a')
  await joined(a)
  server.publish('a', 'x')
  await clock.run(2000)
  const n = posts().length
  live().write(block({ topic: 'a', data: 'x', id: server.topic('a').at(1) }))
  await clock.run(2000)
  assert.deepEqual(a.got, ['x'])
  assert.deepEqual(posts().slice(n).map(r => r.up.ack), ['e1-0' + server.topic('a').at(1)])
})

test('M1: numbers jump over superseded messages, and an id alone moves the position', async () => {
  const c = client({ transports: ['sse'] })
  const a = enter(c, 'a', { from: 'start' })
  for (const n of ['1', '2', '3']) server.publish('a', n, { key: 'price' })
  await joined(a)
  assert.deepEqual(a.got, ['3', 'price'])
  for (const n of ['4', '5']) server.publish('a', n, { key: 'price' })
  await until('5', () => a.got.length === 4)
  assert.deepEqual(a.got, ['3', 'price', '5', 'price'])
  assert.deepEqual(told(a), ['mirage-joined'])
  server.topic('a').log.push(undefined, undefined)
  live().write(`id: ${server.topic('a').at()}\n\n`)
  await until('moved', () => a.position === server.topic('a').at())
  assert.equal(c.position, 'e1-0')
})

test('T5: a gap is told in the room, from the first message that it lacks', async () => {
  const c = client({ transports: ['sse'] })
  const gaps = []
  c.on('mirage-gap', e => gaps.push(e))
  const a = enter(c, 'a', { from: 'start' })
  server.publish('a', '1')
  await joined(a)
  await clock.run(20_000)
  server.cut()
  for (const t of ['2', '3', '4', '5']) server.publish('a', t)
  server.trim('a', 3)
  await until('5', () => a.got.includes('5'))
  assert.deepEqual(a.got, ['1', '4', '5'])
  const [gap] = a.told.filter(e => e.type === 'mirage-gap')
  assert.deepEqual([gap.topic, gap.from, gap.to, gap.reason], ['a', 2, 3, 'trimmed'])
  live().write(block({
    event: 'mirage-gap', data: '{"topic":"a","from":2,"to":3,"reason":"trimmed"}', id: server.topic('a').at(3),
  }))
  server.topic('a').log.length = 9
  const at = server.topic('a').at()
  live().write(block({ event: 'mirage-gap', data: '{"topic":"a","from":4,"to":9,"reason":"trimmed"}', id: at }))
  await until('another', () => a.told.at(-1).to === 9)
  assert.deepEqual(a.told.filter(e => e.type === 'mirage-gap').map(e => [e.from, e.to]), [[2, 3], [6, 9]])
  assert.deepEqual(gaps, [])
  c.disconnect()
})

test('T4: a topic that began anew says what is lost, and begins at the start', async () => {
  const c = client({ transports: ['sse'] })
  const a = enter(c, 'a', { from: 'start' })
  for (const t of ['1', '2', '3']) server.publish('a', t)
  await joined(a)
  await clock.run(20_000)
  server.begin('a')
  server.publish('a', 'new 1')
  server.publish('a', 'new 2')
  server.cut()
  await until('told', () => a.told.length === 3)
  assert.deepEqual(a.got, ['1', '2', '3', 'new 1', 'new 2'])
  const [, gap, joinedAgain] = a.told
  assert.deepEqual([gap.type, gap.from, gap.to, gap.reason], ['mirage-gap', 4, null, 'restarted'])
  assert.equal(joinedAgain.type, 'mirage-joined')
  assert.deepEqual([joinedAgain.lost, joinedAgain.reason], [{ from: 4, to: null }, 'restarted'])
  assert.equal(a.position, server.topic('a').at(2))
})

test('T2: two rooms of a name share a membership, each with its own listeners', async () => {
  const c = client({ transports: ['sse'] })
  const one = enter(c, 'a'), two = enter(c, 'a', { from: 'start' })
  assert.notEqual(one, two)
  await joined(two)
  assert.equal(server.asked.length, 1)
  server.publish('a', 'x')
  await until('x', () => two.got.length)

  const late = enter(c, 'a')
  assert.equal(late.state, 'joining')
  await joined(late)
  assert.deepEqual([late.state, late.position], ['joined', one.position])
  assert.deepEqual([late.told[0].type, late.told[0].position, late.told[0].lost], ['mirage-joined', one.position, null])
  server.publish('a', 'y')
  await until('y', () => late.got.length)
  one.leave()
  assert.equal(one.state, 'left')
  server.publish('a', 'z')
  await until('z', () => late.got.length === 2)
  assert.deepEqual([one.got, two.got, late.got], [['x', 'y'], ['x', 'y', 'z'], ['y', 'z']])
  two.leave()
  two.leave()
  await clock.run(1000)
  assert.deepEqual(server.left, [])
  late.leave()
  await clock.run(1000)
  assert.deepEqual(server.left, ['a'])
  assert.deepEqual(told(late), ['mirage-joined'], 'nobody is told of its own leave()')
  assert.equal(server.asked.length, 1)
})

test('T2: the info that was given last counts', async () => {
  const c = client({ transports: ['sse'] })
  const info = { name: '$& "ä"' }
  enter(c, 'a', { info })
  info.name = 'changed'
  await clock.run(1000)
  enter(c, 'a')
  enter(c, 'a', { info: { name: '$& "ä"' } })
  await clock.run(1000)
  assert.deepEqual(server.asked.map(a => a.info), [{ name: '$& "ä"' }])
  enter(c, 'a', { info: [1] })
  await clock.run(10_000)
  server.cut()
  await until('again', () => server.asked.length === 3)
  assert.deepEqual(server.asked.map(a => a.info), [{ name: '$& "ä"' }, [1], [1]])
})

test('a message of a topic is an event with topic and key, and a loop gets it', async () => {
  const c = client({ transports: ['sse'] })
  const a = c.join('a')
  const events = []
  a.addEventListener('said', e => events.push(e))
  const parsed = []
  a.on('said', (data, e) => parsed.push(data, e.topic))
  const once = []
  a.once('said', data => once.push(data))
  const off = a.on('said', () => once.push('off'))
  off()
  const looped = []
  const loop = (async () => { for await (const e of a) looped.push(e.type + e.data) })()
  await joined(a)
  server.publish('a', '{"n":1}', { event: 'said', key: 'k' })
  server.publish('a', '{"n":2}', { event: 'said' })
  server.publish('a', '\0\x01', { binary: true })
  await until('all', () => looped.length === 3)
  assert.deepEqual(events.map(e => [e.data, e.topic, e.key, e.again, e.lastEventId]), [
    ['{"n":1}', 'a', 'k', false, server.topic('a').at(1)], ['{"n":2}', 'a', '', false, server.topic('a').at(2)],
  ])
  assert.deepEqual(parsed, [{ n: 1 }, 'a', { n: 2 }, 'a'])
  assert.deepEqual(once, [{ n: 1 }])
  a.leave()
  await loop
  assert.deepEqual(looped.slice(0, 2), ['said{"n":1}', 'said{"n":2}'])
})

test('a message without a listener: one warning for each name, in its room', async () => {
  const c = client({ transports: ['sse'] })
  c.on('said', () => 0)
  const a = enter(c, 'a')
  await joined(a)
  const { warn } = console, warnings = []
  console.warn = text => warnings.push(text)
  server.publish('a', '1', { event: 'said' })
  server.publish('a', '1', { event: 'said' })
  await clock.run(1000)
  console.warn = warn
  assert.equal(warnings.length, 1)
  assert.match(warnings[0], /'said'.*join\(\)/)
})

test('T2: what the server joined is told by the client, with its topic, and goes on after a cut', async () => {
  const c = client({ transports: ['sse'] })
  const got = []
  c.on('message', (data, e) => got.push(e.topic + ' ' + data))
  c.on('said', (data, e) => got.push(`${e.topic} ${data} ${e.key}`))
  const gaps = []
  c.on('mirage-gap', e => gaps.push([e.topic, e.from, e.to]))
  await open(c)
  server.joinSession('~user:42')
  server.send('own')
  server.publish('~user:42', '1')
  server.publish('~user:42', '2', { event: 'said', key: 'k' })
  await until('both', () => got.length === 3)
  assert.deepEqual(got.sort(), [' own', '~user:42 1', '~user:42 2 k'])
  await clock.run(20_000)
  const t = server.topic('~user:42')
  assert.equal(server.acked.get(t.beginning), 2)
  server.cut()
  for (const n of ['3', '4', '5']) server.publish('~user:42', n)
  server.trim('~user:42', 4)
  await until('5', () => got.length === 4)
  assert.equal(links()[1].query._pos, 'e1-1' + t.at(2))
  assert.deepEqual(gaps, [['~user:42', 3, 4]])

  await clock.run(20_000)
  server.begin('~user:42')
  server.cut()
  await until('told', () => gaps.length === 2)
  assert.deepEqual(gaps[1], ['~user:42', 6, null])

  server.end('~user:42', 403, 'not any more')
  await clock.run(20_000)
  server.all = undefined
  server.cut()
  await until('another link', () => links().length === 4)
  assert.equal(links()[3].query._pos, 'e1-1', 'a topic that has ended has no position')
})

test('T2: a room of what the server joined goes on where the client is, and gives it back', async () => {
  const c = client({ transports: ['sse'] })
  const got = []
  c.on('message', data => got.push(data))
  await open(c)
  server.joinSession('a')
  server.publish('a', '1')
  await until('1', () => got.length)
  const a = enter(c, 'a', { from: 'start' })
  assert.equal(a.state, 'joining')
  await joined(a)
  assert.equal(server.asked[0].from, server.topic('a').at(1))
  server.publish('a', '2')
  await until('2', () => a.got.length)
  a.leave()
  await clock.run(1000)
  assert.deepEqual(server.left, ['a'])
  server.joinSession('a') // the fake forgets that with leave
  server.publish('a', '3')
  await until('3', () => got.length === 2)
  assert.deepEqual([a.got, got], [['2'], ['1', '3']])
})

test('positions of topics without a room: at most 64, and rooms come first in 2 KiB', async () => {
  const c = client({ transports: ['sse'] })
  c.on('message', () => 0)
  for (let i = 0; i < 64; i++) server.topic('room:' + i).log.length = 1e5
  for (let i = 0; i < 100; i++) {
    const topic = 'other:' + i
    server.topic(topic).log.length = 1e5
    await open(c)
    live().write(block({ topic, data: 'x', id: server.topic(topic).at() }))
  }
  const rooms = Array.from({ length: 64 }, (_, i) => enter(c, 'room:' + i))
  await joined(rooms[63])
  await clock.run(20_000)
  server.cut()
  await until('another link', () => links().length === 2)
  const presented = components(links()[1].query._pos), { length } = links()[1].query._pos
  for (const room of rooms) assert.ok(presented.has(server.topic(room.topic).beginning), room.topic)
  assert.ok(length <= 2048 && length > 2020, length)

  for (const room of rooms) room.leave()
  await clock.run(20_000)
  server.cut()
  await until('another link', () => links().length === 3)
  const left = components(links()[2].query._pos)
  assert.equal(left.size, 64)
  assert.ok(!left.has(server.topic('other:35').beginning) && left.has(server.topic('other:36').beginning))
})

test('T6: a hundred rooms with info: blocks of at most 4 KiB, and few requests', async () => {
  for (const kind of KINDS) {
    server = renew(Rooms)
    const c = client({ transports: [kind] })
    const info = 'ä'.repeat(500)
    const rooms = Array.from({ length: 100 }, (_, i) => enter(c, 'room:' + i, { info }))
    await until('all', () => rooms.every(room => room.state === 'joined'))
    assert.equal(server.asked.length, 100)
    assert.ok(server.asked.every(a => a.info === info))
    const bodies = server.requests.filter(r => r.body?.includes('mirage-join')).map(r => r.body)
    assert.ok(bodies.length <= 11, bodies.length + ' requests')
    for (const body of bodies) {
      for (const text of body.split('\n\n').slice(1, -1)) assert.ok(Buffer.byteLength(text) < 4096, text.length)
    }
    c.disconnect()
  }
})

test('T6: more rooms than a server takes in one body: several bodies', async () => {
  const c = client({ transports: ['sse'] })
  await open(c)
  const rooms = Array.from({ length: 450 }, (_, i) => enter(c, 'r' + i))
  await until('all asked', () => posts().reduce((n, { body }) => n + (body.match(/"topic":/g) ?? []).length, 0) >= 450)
  for (const { body } of posts()) assert.ok((body.match(/"topic":/g) ?? []).length <= 200)
  rooms.forEach(room => room.leave())
})

test('T6: joins go before messages, and a message that is refused is none of their business', async () => {
  for (const kind of KINDS) {
    server = renew(Rooms)
    const c = client({ transports: [kind] })
    server.script = r => r.body?.includes('huge') ? server.answer(413, { detail: 'too large' }) : undefined
    const outcomes = []
    for (const t of ['huge', 'fine']) c.emit('x', t).then(() => outcomes.push(t), e => outcomes.push(t + e.status))
    const a = enter(c, 'a')
    await until('all', () => outcomes.length === 2)
    assert.deepEqual(outcomes, ['huge413', 'fine'])
    assert.equal(a.outcome, 'ready')
    assert.equal(server.asked.length, 1)
    c.disconnect()
  }
})

for (const kind of KINDS) {
  test(`T6: requests that fail are repeated until they arrive, on ${kind}`, async () => {
    for (const fault of ['lost', 'unanswered']) {
      server = renew(Rooms)
      const c = client({ transports: [kind] })
      await open(c)
      await clock.run(20_000)
      let failing = true
      server.fault = r => failing && r.body?.includes('mirage-join') ? fault : ''
      const a = enter(c, 'a', { from: 'start' })
      server.publish('a', '1')
      await clock.run(5000)
      failing = false
      await until('joined', () => a.state === 'joined' && a.got.length)
      assert.deepEqual(a.got, ['1'])

      server.fault = r => failing && r.body?.includes('mirage-leave') ? fault : ''
      failing = true
      a.leave()
      await clock.run(5000)
      failing = false
      await clock.run(30_000)
      if (kind !== 'websocket') assert.ok(server.left.includes('a'))
      assert.ok(!live().joined.has('a'))
      c.disconnect()
    }
  })

  test(`T6: joined again before anything was sent, and on a link that is gone, on ${kind}`, async () => {
    const c = client({ transports: [kind] })
    const first = enter(c, 'a')
    first.leave()
    assert.match(first.outcome = await first.ready.catch(e => e.message), /left/)
    const second = enter(c, 'a', { from: 'start' })
    server.publish('a', '1')
    await joined(second)
    assert.deepEqual(second.got, ['1'])
    assert.deepEqual([server.asked.length, server.left.length], [1, 0])

    server.fault = () => 'lost'
    server.cut()
    await clock.run(100)
    second.leave()
    const third = enter(c, 'a', { from: 'start' })
    server.fault = () => ''
    await joined(third)
    assert.deepEqual([third.got, server.left], [['1'], []])
    assert.equal(server.asked.at(-1).from, 'start')
  })
}

test('T6: a failed poll: rooms that are not confirmed ask again', async () => {
  const c = client({ transports: ['poll'] })
  await open(c)
  await clock.run(1000)
  const a = enter(c, 'a', { from: 'start' })
  server.publish('a', '1')
  server.fault = r => r.method === 'GET' ? 'unanswered' : ''
  await clock.run(10) // the request to join arrives; the answer of the poll does not
  server.cut()
  await until('asked', () => server.asked.length === 1)
  await clock.run(2000)
  assert.equal(a.state, 'joining')
  server.fault = () => ''
  await joined(a)
  assert.equal(server.asked.length, 2)
  assert.deepEqual(a.got, ['1'])
})

test('T6: a request that is never answered is repeated', async () => {
  for (const kind of KINDS) {
    server = renew(Rooms)
    const c = client({ transports: [kind] })
    await open(c)
    const { control } = server
    server.control = () => 0
    const a = enter(c, 'a')
    await clock.run(14_000)
    server.control = control
    await until('joined', () => a.state === 'joined', 2000)
    await clock.run(60_000)
    assert.equal(server.asked.length, 1)
    c.disconnect()
  }
})

test('T6: what is under way for a room that was left reaches nobody', async () => {
  const c = client({ transports: ['sse'] })
  const got = []
  c.on('message', data => got.push(data))
  const a = enter(c, 'a')
  await joined(a)
  a.leave()
  server.publish('a', 'under way')
  await clock.run(30_000)
  assert.deepEqual([a.got, got, server.left], [[], [], ['a']])
  server.cut()
  await until('another link', () => links().length === 2)
  assert.equal(links()[1].query._pos, 'e1-0')
  await clock.run(1000)
  assert.equal(server.asked.length, 1)
})

for (const kind of KINDS) {
  test(`T6: left and joined again on one link: the new room begins where it says, on ${kind}`, async () => {
    const c = client({ transports: [kind] })
    const a = enter(c, 'a')
    await joined(a)
    for (const t of ['1', '2', '3']) server.publish('a', t)
    await until('3', () => a.got.length === 3)
    await clock.run(1000)
    a.leave()
    const b = enter(c, 'a', { from: 'start' })
    await joined(b)
    assert.deepEqual(b.got, ['1', '2', '3'])
    assert.deepEqual([server.left, server.asked.length], [['a'], 2])
    server.publish('a', '4')
    await until('4', () => b.got.length === 4)
    assert.equal(b.position, server.topic('a').at(4))

    // The link is lost before the server has joined it again: it begins anew, too.
    b.leave()
    server.fault = r => r.body?.includes('mirage-join') ? 'lost' : ''
    const d = enter(c, 'a', { from: 'start' })
    await clock.run(200)
    server.cut()
    await clock.run(100)
    server.fault = () => ''
    await joined(d)
    assert.deepEqual(d.got.slice(-4), ['1', '2', '3', '4'])
  })
}

for (const kind of KINDS) {
  test(`T6: left and joined again before there is an answer: it gets its own part only, on ${kind}`, async () => {
    const c = client({ transports: [kind] })
    await open(c)
    await clock.run(1000)
    for (const t of ['1', '2', '3']) server.publish('a', t)
    server.refuse = ({ info }) => info ? { status: 403, reason: 'no' } : undefined
    const rooms = []
    for (const options of [{}, { from: server.topic('a').at(2) }, { info: 'bad' }, { from: 'start' }]) {
      rooms.at(-1)?.leave()
      rooms.push(enter(c, 'a', options))
      await clock.run(1) // it is sent
    }
    const [d] = rooms.slice(-1)
    await joined(d)
    await clock.run(1000)
    assert.deepEqual(rooms.map(room => room.got), [[], [], [], ['1', '2', '3']])
    assert.deepEqual(rooms.map(room => room.told.length), [0, 0, 0, 1])
    server.publish('a', '4')
    await until('4', () => d.got.length === 4)
    assert.equal(d.position, server.topic('a').at())
    assert.equal(links().length, 1)
  })
}

test('T6: left and joined again while a message is under way: history comes, too', async () => {
  const c = client({ transports: ['sse'] })
  const a = enter(c, 'a')
  await joined(a)
  server.publish('a', '1')
  await until('1', () => a.got.length)
  a.leave()
  const b = enter(c, 'a', { from: 'start' })
  live().write(block({ topic: 'a', data: '2', id: server.topic('a').at(2) }))
  server.topic('a').log.push({ data: '2' })
  live().joined.get('a').cursor = 2
  await joined(b)
  assert.deepEqual(b.got.slice(-2), ['1', '2'])
  assert.equal(b.position, server.topic('a').at(2))
})

for (const status of [400, 403, 410, 413, 501]) {
  test(`T6: mirage-left ${status} is the end of a room, and its ready rejects`, async () => {
    const c = client({ transports: ['sse'] })
    server.refuse = ({ topic }) => topic === 'a' ? { status, reason: 'because' } : undefined
    const a = enter(c, 'a'), also = enter(c, 'a'), b = enter(c, 'b')
    const looped = (async () => { for await (const e of a) assert.fail(e.type) })()
    await joined(b)
    await clock.run(120_000)
    for (const room of [a, also]) {
      assert.deepEqual([room.state, room.outcome], ['left', status])
      assert.deepEqual(room.told.map(e => [e.type, e.status, e.reason]), [['mirage-left', status, 'because']])
    }
    await looped
    await assert.rejects(a.ready, { message: 'because', status })
    server.cut()
    await clock.run(30_000)
    assert.deepEqual(server.asked.map(r => r.topic), ['a', 'b', 'b'])

    server.refuse = () => undefined
    const again = enter(c, 'a')
    await joined(again)
    assert.equal(a.state, 'left')
  })
}

test('T6, T12: a room that the server ends after it was joined', async () => {
  const c = client({ transports: ['sse'] })
  const a = enter(c, 'a')
  await joined(a)
  server.publish('a', 'last')
  await clock.run(100)
  server.end('a')
  await until('left', () => a.state === 'left')
  assert.deepEqual([a.got, told(a), a.outcome], [['last'], ['mirage-joined', 'mirage-left'], 'ready'])
  server.cut()
  await until('another link', () => links().length === 2)
  assert.equal(links()[1].query._pos, 'e1-0')
})

for (const status of [429, 503]) {
  test(`T6: ${status} is tried again with back-off, and told`, async () => {
    for (const kind of KINDS) {
      server = renew(Rooms)
      const c = client({ transports: [kind], maxDelay: 10_000 })
      const retries = []
      c.on('mirage-retry', e => retries.push(e))
      server.refuse = () => ({ status, reason: 'later', retry: 2000 })
      const a = enter(c, 'a')
      await clock.run(60_000)
      assert.equal(a.state, 'joining')
      assert.equal(a.outcome, '')
      const gaps = server.asked.slice(1).map((r, i) => r.at - server.asked[i].at)
      for (const gap of gaps) assert.ok(gap >= 2000 && gap <= 10_100, gaps.join())
      assert.ok(gaps[0] < 3100 && gaps[1] >= 4000 && gaps[1] < 6200 && gaps[3] >= 9900, gaps.join())
      assert.ok(retries.every(e => e.what === 'join' && e.topic === 'a' && e.error.status === status))
      assert.deepEqual(retries.slice(0, 3).map(e => e.attempt), [1, 2, 3])
      assert.equal(retries[0].error.message, 'later')

      server.refuse = () => undefined
      await joined(a)
      assert.equal(a.outcome, 'ready')
      assert.deepEqual(told(a), ['mirage-joined'])

      // Refused on a later link: joining again, and another mirage-joined.
      server.refuse = () => ({ status, reason: 'later' })
      await clock.run(20_000)
      const before = server.asked.length
      server.cut()
      await until('joining', () => a.state === 'joining', 5000)
      await clock.run(1000)
      assert.ok(server.asked.length >= before + 2, 'without a retry, it begins soon')
      server.refuse = () => undefined
      await joined(a)
      assert.deepEqual(told(a), ['mirage-joined', 'mirage-joined'])
      c.disconnect()
    }
  })
}

test('T6: a delay of the server counts on a new link, too, and beyond maxDelay', async () => {
  const c = client({ transports: ['sse'], maxDelay: 1000 })
  server.refuse = () => ({ status: 503, reason: 'later', retry: 40_000 })
  enter(c, 'a')
  await clock.run(15_000)
  server.cut()
  await clock.run(15_000)
  assert.equal(links().length, 2)
  assert.equal(server.asked.length, 1)
  await until('asked', () => server.asked.length === 2)
  assert.ok(server.asked[1].at - server.asked[0].at >= 40_000)
  assert.ok(server.asked[1].at - server.asked[0].at < 41_000)
})

test('T6: a refused room that is left does not ask again, and a paused client has no timer', async () => {
  const c = client({ transports: ['sse'] })
  server.refuse = () => ({ status: 503, reason: 'later', retry: 5000 })
  const a = enter(c, 'a'), b = enter(c, 'b')
  await clock.run(1000)
  a.leave()
  await clock.run(10_000)
  assert.deepEqual(server.asked.map(r => r.topic), ['a', 'b', 'b'])
  c.disconnect()
  await clock.run(20_000)
  assert.equal(clock.timers.filter(t => t.on).length, 0)
  assert.equal(b.state, 'joining')
  server.refuse = () => undefined
  c.connect()
  await joined(b)
})

test('T6: a server that does not know requests to join refuses them, and nothing else', async () => {
  for (const kind of KINDS) {
    server = renew(Rooms)
    server.script = r => r.body?.includes('mirage-join') ? server.answer(400, { detail: 'malformed' }) : undefined
    const c = client({ transports: [kind] })
    const a = enter(c, 'a')
    await until('left', () => a.state === 'left')
    assert.equal(a.outcome, 400)
    c.send('x')
    await until('sent', () => server.got.length === 1)
    assert.equal(c.state, 'open')
    c.disconnect()
  }
})

test('disconnect keeps rooms, release and close end them', async () => {
  const c = client({ transports: ['sse'] })
  const a = enter(c, 'a')
  await joined(a)
  c.disconnect()
  assert.equal(a.state, 'joined')
  server.publish('a', '1')
  const late = enter(c, 'b')
  await clock.run(1000)
  assert.equal(late.state, 'joining')
  c.connect()
  await joined(late)
  await until('1', () => a.got.length)

  const looped = (async () => { for await (const e of a) assert.fail(e.type) })()
  const pending = enter(c, 'c')
  c.release()
  await looped
  await clock.run(100)
  assert.deepEqual([a.state, late.state, pending.state, pending.outcome], ['left', 'left', 'left', 0])
  assert.deepEqual(a.told.at(-1).status, 0)
  await clock.run(20_000)
  assert.equal(clock.timers.filter(t => t.on).length, 0)
  c.connect()
  await open(c)
  await clock.run(1000)
  assert.equal(server.asked.length, 3, 'a, then a and b on the next link')

  const d = enter(c, 'd'), e = enter(c, 'e')
  await joined(d)
  e.leave()
  c.close(1000, 'bye')
  await until('closed', () => c.state === 'closed')
  assert.deepEqual([d.state, d.told.at(-1).status, d.told.at(-1).reason], ['left', 1000, 'bye'])
  assert.throws(() => c.join('f'), { status: 410 })
  d.leave()
})

test('the server closes the client: its rooms end with the reason', async () => {
  const c = client({ transports: ['sse'] })
  const a = enter(c, 'a')
  await open(c)
  live().write('event: mirage-end\ndata: {"status":410,"reason":"the id was revoked"}\n\n')
  await until('closed', () => c.state === 'closed')
  await clock.run(10)
  assert.equal(a.outcome, 4410)
  assert.deepEqual(a.told.map(e => [e.type, e.status, e.reason]), [['mirage-left', 4410, 'the id was revoked']])
})

test('join throws for what no server takes', async () => {
  const c = client({ transports: ['sse'], start: false })
  for (const name of ['', 'a b', 'ä', 'a\n', 'x'.repeat(129)]) assert.throws(() => c.join(name), { status: 400 }, name)
  for (const from of ['end', '_abc-1', 'e1-5', 5]) assert.throws(() => c.join('a', { from }), { status: 400 }, from)
  assert.throws(() => c.join('a', { info: 'ä'.repeat(600) }), { status: 413 })
  assert.throws(() => c.join('a', { info: 1n }), TypeError)
  for (const from of [undefined, null, '', '_0123456789-17']) c.join('a', { from })
  c.join('x'.repeat(128), { info: null })
  assert.equal(c.state, 'connecting')
})

test('listeners may join, leave and close', async () => {
  for (const act of ['leave', 'join', 'close', 'release']) {
    server = renew(Rooms)
    const c = client({ transports: ['sse'] })
    const a = enter(c, 'a'), b = enter(c, 'a')
    a.on('message', () => {
      if (act === 'leave') b.leave(a.leave())
      else if (act === 'join') a.next ??= enter(c, 'a')
      else c[act]()
    })
    await joined(b)
    server.publish('a', '1')
    await until('1', () => a.got.length)
    server.publish('a', '2')
    await clock.run(1000)
    assert.deepEqual(b.got, act === 'join' ? ['1', '2'] : [], act)
    if (act === 'join') assert.deepEqual(a.next.got, ['2'])
    c.disconnect()

    server = renew(Rooms)
    server.refuse = () => ({ status: 403, reason: 'no' })
    const d = client({ transports: ['sse'] })
    const e = enter(d, 'e'), f = enter(d, 'e')
    e.on('mirage-left', () => act === 'leave' ? f.leave() : act === 'join' ? e.next ??= enter(d, 'g') : d[act]())
    await until('left', () => f.state === 'left')
    assert.deepEqual([told(e), told(f)], [['mirage-left'], ['mirage-left']])
  }
})

test('debug tells how rooms come and go', async () => {
  const { debug } = console, lines = []
  console.debug = (...words) => lines.push(words.slice(0, 3).join(' '))
  const c = client({ transports: ['sse'], debug: true })
  const a = c.join('room:7')
  await joined(a)
  a.leave()
  await clock.run(100)
  c.disconnect()
  console.debug = debug
  for (const line of ['mirage: room:7 joining', 'mirage: room:7 mirage-joined', 'mirage: room:7 left']) {
    assert.ok(lines.some(l => l.startsWith(line)), line + ' in ' + lines.join('; '))
  }
})

test('a page in the back/forward cache, or hidden, joins again when it is shown', async () => {
  const page = new Page()
  try {
    const c = client({ transports: ['poll'], hidden: 1000 })
    const a = enter(c, 'a')
    await joined(a)
    page.hide()
    await clock.run(2000)
    assert.equal(c.state, 'paused')
    server.publish('a', '1')
    page.show()
    await until('1', () => a.got.length)
    page.say('pagehide', { persisted: true })
    server.publish('a', '2')
    await clock.run(1000)
    page.say('pageshow', { persisted: true })
    await until('2', () => a.got.length === 2)
    assert.equal(server.asked.length, 3)
    assert.equal(a.state, 'joined')
    c.disconnect()
  } finally {
    page.remove()
  }
})
