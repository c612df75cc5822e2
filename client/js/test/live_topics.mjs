// Rooms and a real server, which TestLiveTopics starts. LIVE is its URL through a network
// that can be cut.

import assert from 'node:assert/strict'
import { beforeEach, test } from 'node:test'
import { Mirage } from '../mirage.js'

const { LIVE, CONTROL } = process.env
const control = async (what, query = '') => (await fetch(CONTROL + what + query, { method: 'POST' })).json()
const pause = ms => new Promise(done => setTimeout(done, ms))
const numbers = n => Array.from({ length: n }, (_, i) => String(i + 1))

async function until(what, done, ms = 15_000) {
  for (const end = Date.now() + ms; !await done();) {
    assert.ok(Date.now() < end, 'waited in vain for: ' + what())
    await pause(5)
  }
}

beforeEach(() => control('forget'))

function open(t, transports) {
  const c = new Mirage(LIVE, { transports, storage: null })
  t.after(() => c.disconnect())
  return c
}

// publish lets the server publish numbers in a topic, or write them to a growing message.
const publish = (topic, from, to, more = '') => control('publish', `?topic=${topic}&from=${from}&to=${to}${more}`)
const grown = n => numbers(n).map(n => n + '\r\n🎉 ').join('')

for (const name of ['websocket', 'sse', 'poll', 'all']) {
  test(`T3, T4, M2: rooms over ${name}, cut again and again`, async t => {
    const transports = name === 'all' ? ['websocket', 'sse', 'poll'] : [name], topic = 'cut:' + name
    const c = open(t, transports)
    const got = { start: [], now: [], session: [] }, told = []
    c.on('message', data => got.session.push(data))
    await publish(topic, 1, 3)
    const room = c.join(topic, { from: 'start', info: { name } }), other = c.join('other:' + topic)
    room.on('message', data => got.start.push(data))
    let pieces = ''
    room.on('answer', ({ piece, text }) => {
      pieces += piece
      assert.equal(pieces, text)
    })
    other.on('message', data => got.now.push(data))
    for (const type of ['mirage-joined', 'mirage-left', 'mirage-gap']) room.on(type, e => told.push(e.type))
    await Promise.all([room.ready, other.ready])
    assert.deepEqual(got.start, ['1', '2', '3'])

    const all = 60
    for (let n = 1; n <= all; n++) {
      await publish(topic, n + 3, n + 3)
      await publish('other:' + topic, n, n)
      await publish(topic, n, n, '&key=k')
      c.send(String(n))
      if (n % 13 === 0) await control('cut')
      if (n % 17 === 0 && name === 'all') c.use(transports[n % 3]).catch(() => 0)
      await pause(3)
    }
    await publish(topic, all + 1, all, '&key=k&done=1')
    await until(() => JSON.stringify([got, pieces.length, c.state]), () => got.start.length >= all + 3
      && got.now.length >= all && got.session.length >= all && pieces === grown(all))
    assert.deepEqual(got, { start: numbers(all + 3), now: numbers(all), session: numbers(all) })
    assert.equal(room.text('k'), grown(all))
    assert.deepEqual(told, ['mirage-joined'])
    await until(() => 'members ' + room.count, () => room.count === 1)
    assert.deepEqual([...room.members], [[room.key, { name }]])
    assert.match(room.key, /./)

    // Another page: history, and the growing message that is complete.
    const d = open(t, transports)
    const again = d.join(topic, { from: 'start' }), history = []
    again.on('message', data => history.push(data))
    again.on('answer', () => 0)
    await again.ready
    assert.deepEqual(history, numbers(all + 3))
    assert.equal(again.text('k'), grown(all))
    await until(() => 'members ' + room.count, () => room.count === 2 && again.count === 2)
    again.leave()
    await until(() => 'members ' + room.count, () => room.count === 1)
    await c.close()
  })

  test(`T6, T12: refused, ended, left and joined again over ${name}`, async t => {
    const transports = name === 'all' ? ['websocket', 'sse', 'poll'] : [name], topic = 'end:' + name
    const c = open(t, transports)
    await assert.rejects(c.join('private:x').ready, { status: 403 })
    await assert.rejects(c.join('~notices:x').ready, { status: 403 })
    const room = c.join(topic), got = []
    room.on('message', data => got.push(data))
    await room.ready
    await publish(topic, 1, 3)
    await until(() => got, () => got.length === 3)
    room.leave()
    await pause(200) // the server has ended the membership
    const after = c.join(topic, { from: room.position }), start = c.join('b:' + topic, { from: 'start' }), later = []
    after.on('message', data => later.push(data))
    await Promise.all([after.ready, start.ready])
    await publish(topic, 4, 5)
    await until(() => later, () => later.length === 2)
    assert.deepEqual([got, later], [numbers(3), ['4', '5']])
    let left
    after.on('mirage-left', e => { left = e })
    await control('end', '?topic=' + topic)
    await until(() => 'end', () => left)
    assert.equal(left.status, 410)
    const anew = c.join(topic, { from: 'start' }), fresh = []
    anew.on('message', data => fresh.push(data))
    await anew.ready
    await publish(topic, 1, 2)
    await until(() => fresh, () => fresh.length === 2)
  })

  test(`T2: a topic that the server joined, over ${name}`, async t => {
    const transports = name === 'all' ? ['websocket', 'sse', 'poll'] : [name]
    const c = open(t, transports)
    const got = []
    c.on('message', (data, e) => got.push(e.topic + data))
    await c.emit('notices')
    const topic = '~notices:' + c.id
    for (let n = 1; n <= 30; n++) {
      await publish(topic, n, n)
      if (n % 7 === 0) await control('cut')
      await pause(3)
    }
    await until(() => got, () => got.length >= 30)
    assert.deepEqual(got, numbers(30).map(n => topic + n))
  })
}
