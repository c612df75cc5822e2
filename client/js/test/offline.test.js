// The browser's view of the network, and what an application shows: "offline",
// "saving… saved".

import assert from 'node:assert/strict'
import { afterEach, beforeEach, test } from 'node:test'
import { Page } from './page.js'
import { client, clock, server, until } from './stage.js'
import { Store } from './world.js'

let page
beforeEach(() => { page = new Page() })
afterEach(() => page.remove())

function visitor(options) {
  const c = client({ transports: ['sse'], ...options })
  c.told = []
  c.queue = []
  c.on('mirage-stalled', ({ stalled, previous }) => c.told.push(`${previous}>${stalled}`))
  c.on('mirage-queue', ({ waiting, stored }) => {
    assert.equal(waiting, c.waiting)
    c.queue.push([waiting, stored])
  })
  c.on('message', () => 0)
  return c
}
const open = c => until('open', () => c.state === 'open')

for (const name of ['websocket', 'sse', 'poll']) {
  test(`offline and online events show, on ${name}`, async () => {
    const c = visitor({ transports: [name] })
    await open(c)
    assert.equal(c.stalled, '')
    page.say('offline')
    assert.equal(c.stalled, 'offline')
    assert.equal(c.state, 'open')
    page.say('offline')
    page.say('online')
    assert.equal(c.stalled, '')
    assert.deepEqual(c.told, ['>offline', 'offline>'])
    await clock.run(5000)
    assert.equal(c.state, 'open')
  })

  test(`a hello or an accepted message shows that the network is back, on ${name}`, async () => {
    const c = visitor({ transports: [name] })
    await open(c)
    await clock.run(2000)
    page.say('offline')
    server.cut()
    await until('another link', () => c.stalled === '', 5000)
    await clock.run(2000)
    page.say('offline')
    c.send('x')
    await until('accepted', () => c.waiting === 0, 1000)
    assert.equal(c.stalled, '')
  })

  test(`a message that comes shows that the network is back, on ${name}`, async () => {
    const c = visitor({ transports: [name] })
    await open(c)
    await clock.run(2000)
    page.say('offline')
    server.send('x')
    await until('shown', () => c.stalled === '', 1000)
  })
}

test('offline beside a way up that fails: offline is what is shown, then the other', async () => {
  const c = visitor()
  await open(c)
  await clock.run(2000)
  server.fault = r => r.method === 'POST' ? 'lost' : ''
  c.send('x')
  await until('send', () => c.stalled === 'send')
  page.say('offline')
  assert.equal(c.stalled, 'offline')
  server.fault = () => 'lost'
  page.say('online')
  assert.equal(c.stalled, 'send')
  server.fault = () => ''
  await until('sent', () => c.waiting === 0)
  assert.deepEqual(c.told, ['>send', 'send>offline', 'offline>send', 'send>'])
})

test('the online event looks for a link at once', async () => {
  const c = visitor()
  await open(c)
  server.fault = () => 'lost'
  server.cut()
  page.hide() // nothing is quick
  await clock.run(300_000)
  assert.equal(c.state, 'reconnecting')
  server.fault = () => ''
  page.say('online')
  await until('open', () => c.state === 'open', 50)
})

test('after release nobody hears of the network', async () => {
  const c = visitor()
  await open(c)
  c.release()
  page.say('offline')
  assert.equal(c.stalled, '')
})

test('subscribe tells of stalled', async () => {
  const c = visitor()
  await open(c)
  const seen = []
  const stop = c.subscribe(c => seen.push(c.stalled))
  page.say('offline')
  page.say('online')
  stop()
  page.say('offline')
  assert.deepEqual(seen, ['', 'offline', ''])
})

test('mirage-queue: one event for each task, when something waits and when nothing does', async () => {
  const c = visitor({ storage: new Store() })
  await open(c)
  await clock.run(2000)
  for (let i = 0; i < 5; i++) c.send('x')
  assert.deepEqual(c.queue, [], 'not in the task itself')
  assert.equal(c.waiting, 5)
  await until('accepted', () => c.waiting === 0)
  await clock.run(1)
  // The first body has the first message, the second one those that came meanwhile.
  assert.deepEqual(c.queue.map(q => q[0]), [5, 4, 0])
  assert.ok(c.queue.every(q => q[1]))
})

test('mirage-queue: also for messages that are returned, withdrawn, or left by an earlier page', async () => {
  const storage = new Store()
  const a = visitor({ storage, start: false })
  const control = new AbortController()
  a.emit('x', 1, { signal: control.signal }).catch(() => 0)
  a.send('y')
  await clock.run(1)
  control.abort()
  await clock.run(1)
  assert.deepEqual(a.queue.map(q => q[0]), [2, 1])
  a.release()
  const b = visitor({ storage })
  assert.equal(b.waiting, 1)
  server.handler = () => true // it fails
  await until('returned', () => b.waiting === 0)
  await clock.run(1)
  assert.deepEqual(b.queue.map(q => q[0]), [0])
})

test('mirage-queue says stored for a message that waits in a storage that works', async () => {
  for (const name of ['websocket', 'sse', 'poll']) {
    const storage = new Store()
    server.fault = () => 'lost'
    const c = visitor({ transports: [name], storage })
    c.send('x')
    await clock.run(1000)
    assert.match([...storage.values()][0], /"d":"x"/)
    assert.deepEqual(c.queue.at(-1), [1, true], name)
    c.release()
  }
})

test('mirage-queue says that a message could not be stored', async () => {
  const storage = new Store()
  storage.setItem = (k, v) => {
    if (v.length > 500) throw new Error('QuotaExceededError')
    storage.set(k, v)
  }
  const c = visitor({ storage })
  await open(c)
  await clock.run(2000)
  server.fault = () => 'lost'
  server.cut()
  c.send('x'.repeat(1000))
  await clock.run(3000)
  assert.deepEqual(c.queue.at(-1), [1, false])
  server.fault = () => ''
  await until('sent', () => c.waiting === 0)
  c.send('short')
  await until('sent', () => c.waiting === 0)
  await clock.run(1000)
  assert.deepEqual(c.queue.at(-1), [0, true])
})

test('mirage-queue says whether a message is stored before there was a link, too', async () => {
  for (const [most, stored] of [[500, false], [5000, true]]) {
    const storage = new Store()
    storage.setItem = (k, v) => {
      if (v.length > most) throw new Error('QuotaExceededError')
      storage.set(k, v)
    }
    const c = visitor({ storage, start: false })
    c.send('x'.repeat(1000))
    await clock.run(1000)
    assert.deepEqual(c.queue.at(-1), [1, stored])
  }
})

test('mirage-queue: without a storage nothing is stored', async () => {
  const c = visitor({ storage: null })
  await open(c)
  c.send('x')
  await until('accepted', () => c.waiting === 0)
  await clock.run(1)
  assert.deepEqual(c.queue, [[1, false], [0, false]])
})
