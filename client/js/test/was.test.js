// _was, the id in the last hello, and the Referer:
// they identify the client if no cookie or header does.

import assert from 'node:assert/strict'
import { afterEach, beforeEach, test } from 'node:test'
import { client, clock, server, until } from './stage.js'
import { Store } from './world.js'

// A page of the server's own origin, so that the cookie identifies it, and not _mirage.
beforeEach(() => { globalThis.origin = 'http://mirage.test' })
afterEach(() => { delete globalThis.origin })

const names = ['websocket', 'sse', 'poll']
const open = c => until('open, is ' + c.state, () => c.state === 'open')
const gets = () => server.requests.filter(r => ['GET', 'WS'].includes(r.method))
const fetched = () => server.requests.filter(r => r.method !== 'WS' && !r.socket)

// cut ends the link that there is, and waits for the next one.
async function cut() {
  await clock.run(50) // a poll is under way
  const { size } = server.links
  server.cut()
  await until('another link', () => server.links.size > size)
}

for (const name of names) {
  test(`I11: after its first hello a client on ${name} sends _was with every GET`, async () => {
    const c = client({ transports: [name] })
    await open(c)
    assert.ok(!('_was' in gets()[0].query), 'the first request of a page')
    await cut()
    assert.equal(gets().at(-1).query._was, 'visitor')

    server.id = 'member'
    server.previous = 'visitor'
    await cut()
    await until('the new id', () => c.id === 'member')
    await cut()
    assert.equal(gets().at(-1).query._was, 'member')
    for (const r of gets().slice(1)) assert.ok(['visitor', 'member'].includes(r.query._was))
    for (const r of fetched()) assert.ok(r.method === 'GET' || !('_was' in r.query), r.method)
  })

  test(`I11: after a log-out a client that reconnects over ${name} is told 410 and stops`, async () => {
    const c = client({ transports: [name] }), closes = []
    c.on('close', e => closes.push([e.code, e.reason]))
    await open(c)
    await clock.run(50)
    server.script = r => r.query._was === 'visitor' ? server.answer(410, { detail: 'the id was revoked' }) : undefined
    server.cut()
    await until('closed', () => c.state === 'closed')
    assert.deepEqual(closes, [[4410, 'the id was revoked']])
    const { length } = server.requests
    await clock.run(60_000)
    assert.equal(server.requests.length, length)
  })
}

// Without the cookie its link token does not count, and the server begins a new link.
test('I11: a poll with a link token sends _was, too', async () => {
  const c = client({ transports: ['poll'] })
  await open(c)
  await until('the next poll', () => gets().length > 1)
  assert.ok(gets()[1].headers['Mirage-Link'])
  assert.equal(gets()[1].query._was, 'visitor')
})

test('I11: a client that presents a signed id sends no _was', async () => {
  for (const name of names) {
    for (const mirage of ['', 'signed-visitor']) {
      const c = client({ transports: [name], mirage })
      await open(c)
      await cut()
      assert.equal(gets().at(-1).query._mirage, 'signed-visitor')
      c.disconnect()
    }
  }
  for (const r of server.requests) assert.ok(!('_was' in r.query))
})

// Otherwise a tab that was logged out would be told 410 at each page load.
test('I11: a new page does not send the id from storage', async () => {
  const storage = new Store()
  const a = client({ storage })
  await open(a)
  a.disconnect()
  assert.match([...storage.values()][0], /"id":"visitor"/)
  const before = server.requests.length
  const b = client({ storage })
  assert.equal(b.id, 'visitor')
  server.fault = () => server.requests.length < before + 9 ? 'lost' : '' // no hello, however often it asks
  let asked
  b.on('open', () => { asked = server.requests.slice(before) })
  await open(b)
  assert.ok(asked.length > 5)
  for (const r of asked) assert.ok(!('_was' in r.query))
  await cut()
  assert.equal(gets().at(-1).query._was, 'visitor')
})

// So does a page in the back/forward cache that was left before the log-out.
test('I11: a client that disconnects and connects sends _was', async () => {
  const c = client()
  await open(c)
  c.disconnect()
  c.connect()
  await open(c)
  assert.equal(gets().at(-1).query._was, 'visitor')
})

test('I9: each fetch sends the Referer to its own origin', async () => {
  for (const name of names) {
    const c = client({ transports: [name] })
    await open(c)
    c.send('up')
    await until('accepted', () => !c.bufferedAmount)
    c.close()
    await until('closed', () => c.state === 'closed')
  }
  await clock.run(100)
  assert.deepEqual([...new Set(fetched().map(r => r.method))].sort(), ['DELETE', 'GET', 'POST'])
  for (const r of fetched()) assert.equal(r.referrerPolicy, 'same-origin', r.method)
})
