// A server that redirects /live to /live/, as http.ServeMux and nginx do. fetch()
// follows, a WebSocket does not.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { socketTo } from './socket.js'
import { client, clock, server, until } from './stage.js'
import { Store } from './world.js'

// mount puts server at one path and redirects other paths to it. It returns the
// transports of a client there, and notes the path of each request.
function mount({ path = '/live/', status = 307, host = 'http://mirage.test', query = true, hangs, answer } = {}) {
  const place = { path, asked: [] }
  const note = (method, url) => place.asked.push(`${method} ${url.pathname}`)
  const Socket = socketTo(server)

  place.WebSocket = class extends Socket {
    constructor(url) {
      super(url)
      note('WS', this.url = new URL(url))
    }
    open(request) {
      if (this.url.pathname === place.path) return super.open(request)
      if (!hangs) this.end(1006) // as browsers report a response that is not 101
    }
  }

  place.fetch = async (url, init) => {
    const u = new URL(url)
    note(init.method, u)
    if (u.pathname === place.path) return server.fetch(url, init)
    const at = new URL(host + place.path + (query ? u.search : ''))
    const { body, ...rest } = init
    const kept = status > 302 || init.method !== 'POST' ? init : { ...rest, method: 'GET' } // as fetch() follows a 301
    const got = answer?.() ?? await server.fetch(at.href, kept)
    return Object.defineProperties(got, { redirected: { value: true }, url: { value: at.href } })
  }
  return place
}

// open opens a client at place and keeps the names of the transports that it used.
function open(place, options) {
  const { fetch, WebSocket } = place
  const c = client({ fetch, WebSocket, ...options })
  c.used = []
  c.addEventListener('mirage-transport', e => c.used.push(e.transport))
  c.errors = []
  c.addEventListener('mirage-retry', e => c.errors.push(e))
  return c
}

for (const hangs of [false, true]) {
  const fails = hangs ? 'hangs' : 'fails'
  test(`the first page load ends on a WebSocket, where one at the redirected URL ${fails}`, async () => {
    const place = mount({ hangs }), storage = new Store()
    const c = open(place, { storage })
    c.send('a')
    await until('a WebSocket', () => c.transport === 'websocket', 3000)
    assert.deepEqual(c.used, ['sse', 'websocket'])
    assert.deepEqual(place.asked.filter(a => !a.startsWith('POST')), ['WS /live', 'GET /live', 'WS /live/'])
    await until('accepted', () => c.bufferedAmount === 0)
    assert.deepEqual(server.got.map(m => m.data), ['a'])
    assert.deepEqual(c.errors, [])
    await clock.run(1000)
    assert.deepEqual(JSON.parse(storage.getItem('mirage:http://mirage.test/live')).bad, {}, 'no transport is bad')
    assert.equal(c.url, 'http://mirage.test/live')

    // From then on, too.
    place.asked.length = 0
    server.cut()
    await until('open again', () => place.asked.length > 0 && c.state === 'open')
    await clock.run(20_000)
    assert.deepEqual([...new Set(place.asked)], ['WS /live/'])
  })
}

test('a WebSocket that fails at the new address as well is bad, as without a redirect', async () => {
  const place = mount(), storage = new Store()
  server.refused = true
  const c = open(place, { storage, upgradeEvery: 0 })
  await until('both were tried', () => place.asked.filter(a => a.startsWith('WS')).length === 2)
  await clock.run(60_000)
  assert.equal(place.asked.filter(a => a.startsWith('WS')).length, 2)
  assert.equal(c.transport, 'sse')
  assert.equal(c.state, 'open')
  c.disconnect() // stores it
  const { bad } = JSON.parse(storage.getItem('mirage:http://mirage.test/live'))
  assert.deepEqual(Object.keys(bad), ['websocket'])
})

for (const name of ['sse', 'poll']) {
  for (const status of [301, 307]) {
    test(`${status}: ${name} is redirected once`, async () => {
      const place = mount({ status }), got = []
      const c = open(place, { transports: [name] })
      c.on('message', data => got.push(data))
      c.send('a')
      await until('accepted', () => c.bufferedAmount === 0)
      server.send('b')
      await until('b', () => got.length === 1)
      server.cut()
      await clock.run(60_000)
      assert.equal(c.state, 'open')
      assert.deepEqual(place.asked.filter(a => !a.endsWith('/')), ['GET /live'])
    })

    test(`${status}: a POST on ${name} adopts the path, and its messages arrive once`, async () => {
      const place = mount({ status, path: '/live' })
      const c = open(place, { transports: [name] })
      await until('open', () => c.state === 'open')
      place.path = '/live/'
      place.asked.length = 0
      c.send('a')
      await until('accepted', () => c.bufferedAmount === 0, 5000)
      assert.deepEqual(server.got.map(m => m.data), ['a'])
      c.send('b')
      await until('accepted', () => c.bufferedAmount === 0, 5000)
      const posts = place.asked.filter(a => a.startsWith('POST'))
      assert.equal(posts[0], 'POST /live')
      assert.deepEqual([...new Set(posts.slice(1))], ['POST /live/'])
    })
  }
}

test('the query stays ours: that of the redirect does not count', async () => {
  const place = mount({ query: false })
  const c = open(place, { transports: ['sse'] })
  await until('open', () => c.state === 'open')
  server.requests.length = 0
  server.cut()
  await until('another link', () => server.requests.length > 0)
  assert.ok(server.requests[0].query._cid)
  assert.match(server.requests[0].query._pos, /^e1-/)
})

test('an answer of another origin is taken, and its address is not', async () => {
  const place = mount({ host: 'http://elsewhere.test' })
  const c = open(place, { transports: ['sse'] })
  await until('open', () => c.state === 'open')
  c.send('a')
  await until('accepted', () => c.bufferedAmount === 0)
  assert.deepEqual([...new Set(place.asked)], ['GET /live', 'POST /live'])
})

// Many applications redirect requests without a log-in to a form, which is not our
// server.
test('a page that a redirect leads to is not adopted', async () => {
  const page = () => new Response('<p>Who are you?', { headers: { 'Content-Type': 'text/html' } })
  const place = mount({ path: '/login', answer: page })
  const c = open(place)
  await until('errors', () => c.errors.length > 2)
  place.path = '/live' // somebody has logged in
  await until('open', () => c.state === 'open')
  assert.equal(c.transport, 'websocket')
  assert.ok(place.asked.every(a => a.endsWith(' /live')), place.asked.join())
})
