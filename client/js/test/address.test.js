// Where a client without a URL connects, and the name of its record in the storage.

import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { afterEach, beforeEach, test } from 'node:test'
import { Mirage } from '../mirage.js'
import { serve } from './served.js'
import { socketTo } from './socket.js'
import { client, clock, server, until } from './stage.js'
import { Store } from './world.js'

serve({ 'mirage.test': readFileSync(new URL('../mirage.js', import.meta.url), 'utf8') })

const idle = { start: false, storage: null }

// A page at page imports the script from src.
const from = async (src, page = 'http://mirage.test/x') => {
  const module = await import(src)
  globalThis.location = new URL(page)
  return module.Mirage
}
beforeEach(() => delete globalThis.location)
afterEach(() => delete globalThis.location)

for (const [src, url] of [
  ['http://mirage.test/live/mirage.js', 'http://mirage.test/live/'],
  ['http://mirage.test/live/mirage.js?v=1a2b-3c', 'http://mirage.test/live/'],
  ['http://mirage.test/live/mirage.min.js', 'http://mirage.test/live/'],
  ['http://mirage.test/live/mirage.js#top', 'http://mirage.test/live/'],
  ['http://mirage.test/mirage.js', 'http://mirage.test/'],
  ['https://mirage.test:8443/a/b/mirage.js', 'https://mirage.test:8443/a/b/'],
]) {
  test(`without a URL: the directory of ${src}`, async () => {
    const Served = await from(src)
    for (const args of [[undefined, idle], [null, idle], [idle]]) assert.equal(new Served(...args).url, url)
    const c = new Served()
    assert.equal(c.url, url)
    await c.close()
  })
}

for (const src of [
  'http://mirage.test/assets/app-3f2a.js',
  'http://mirage.test/assets/notmirage.js',
  'http://mirage.test/app.js?from=/live/mirage.js',
  'http://mirage.test/mirage.js/app.js',
  'http://mirage.test/live/mirage.json',
]) {
  test(`without a URL: ${src} is a bundle, which throws`, async () => {
    const Bundled = await from(src)
    for (const args of [[], [undefined, idle], [idle]]) {
      assert.throws(() => new Bundled(...args), { name: 'TypeError', message: /new Mirage\('\/live'\)/ })
    }
    assert.equal(new Bundled('/live', idle).url, 'http://mirage.test/live')
  })
}

test('without a URL: a module from a file throws', () => {
  for (const args of [[], [undefined, idle], [idle]]) {
    assert.throws(() => new Mirage(...args), { name: 'TypeError', message: /new Mirage\('\/live'\)/ })
  }
})

test('options alone are options, and a URL is none', async () => {
  const Served = await from('http://mirage.test/live/mirage.js')
  assert.deepEqual(new Served({ ...idle, transports: ['poll'] }).transports, ['poll'])
  assert.equal(new Served(new URL('http://mirage.test/other'), idle).url, 'http://mirage.test/other')
  assert.equal(new Served(new URL('http://mirage.test/other').href, idle).url, 'http://mirage.test/other')
})

test('storage: a slash at the end of the path makes no other name', async () => {
  const name = url => {
    const storage = new Store()
    new Mirage(url, { start: false, storage }).disconnect()
    return [...storage.keys()].join()
  }
  for (const [url, key] of [
    ['http://mirage.test/live', 'mirage:http://mirage.test/live'],
    ['http://mirage.test/live/', 'mirage:http://mirage.test/live'],
    ['http://mirage.test/live/?room=a/', 'mirage:http://mirage.test/live?room=a/'],
    ['http://mirage.test/live?room=a/', 'mirage:http://mirage.test/live?room=a/'],
    ['http://mirage.test/live?room=/?', 'mirage:http://mirage.test/live?room=/?'],
    ['http://mirage.test', 'mirage:http://mirage.test'],
  ]) assert.equal(name(url), key, url)
})

test('X2: a page that leaves the URL out keeps what an earlier one could not send', async () => {
  const storage = new Store()
  server.refused = true
  const earlier = client({ storage, transports: ['websocket'] })
  earlier.send('a')
  await clock.run(1000)
  earlier.disconnect()
  server.refused = false
  const Served = await from('http://mirage.test/live/mirage.js')
  const c = new Served({ fetch: server.fetch, WebSocket: socketTo(server), storage })
  assert.deepEqual(c.queued(), [{ event: 'message', data: 'a' }])
  await until('accepted', () => c.bufferedAmount === 0)
  assert.deepEqual(server.got.map(m => m.data), ['a'])
  c.disconnect()
})
