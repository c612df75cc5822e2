// What a window has and Node lacks.

import assert from 'node:assert/strict'
import { afterEach, beforeEach, test } from 'node:test'
import { Mirage } from '../mirage.js'
import { Clock, Server, Store } from './world.js'

let clock, server, restore, client
beforeEach(() => {
  clock = new Clock()
  restore = clock.install()
  server = new Server(clock)
  globalThis.document = Object.assign(new EventTarget(), { hidden: false })
  globalThis.sessionStorage = new Store()
})
afterEach(async () => {
  client.disconnect()
  server.cut()
  await clock.run(10)
  restore()
  delete globalThis.document
  delete globalThis.sessionStorage
})

const open = async options => {
  client = new Mirage('http://mirage.test/live', { fetch: server.fetch, transports: ['sse'], ...options })
  assert.ok(await clock.run(1000, () => client.state === 'open'))
}

test('storage: sessionStorage is the default, null is none', async () => {
  await open()
  assert.deepEqual([...sessionStorage.keys()], ['mirage:http://mirage.test/live'])
  client.disconnect()
  sessionStorage.clear()
  await open({ storage: null })
  server.send('a')
  await clock.run(2000)
  client.disconnect()
  assert.equal(sessionStorage.size, 0)
})

test('storage: two clients of one page with names of their own', async () => {
  await open({ name: 'a' })
  const first = client
  await open({ name: 'b' })
  first.disconnect()
  assert.deepEqual([...sessionStorage.keys()].sort(), ['mirage:a', 'mirage:b'])
})

test('storage: one that is full or forbidden is as none', async () => {
  globalThis.sessionStorage = {
    getItem() { throw new Error('forbidden') },
    setItem() { throw new Error('full') },
    removeItem() { throw new Error('forbidden') },
  }
  await open()
  client.send('a')
  await clock.run(2000)
  assert.equal(server.got.length, 1)
  await client.close()
  assert.equal(client.state, 'closed')
})

test('D4: a hidden page acknowledges at once, because its timers sleep', async () => {
  await open()
  await clock.run(2000)
  document.hidden = true
  server.send('a')
  const posts = () => server.requests.filter(r => r.method === 'POST').length, before = posts()
  await clock.run(100, () => posts() > before)
  assert.equal(posts(), before + 1)
})
