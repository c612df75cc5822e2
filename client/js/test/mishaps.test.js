// Calls and events at moments that nobody expects: in listeners of hello, while a page is
// prerendered, while a socket closes, in a record that two clients share.

import assert from 'node:assert/strict'
import { afterEach, beforeEach, test } from 'node:test'
import { Mirage } from '../mirage.js'
import { Page } from './page.js'
import { socketTo } from './socket.js'
import { client, clock, server, until } from './stage.js'
import { Store } from './world.js'

let page
beforeEach(() => { page = new Page() })
afterEach(() => page.remove())
const open = c => until('open', () => c.state === 'open')
const refuseWs = () => { server.fault = r => r.method === 'WS' ? 'lost' : '' }

for (const type of ['open', 'mirage', 'mirage-transport', 'mirage-state']) for (const how of ['release', 'close'])
  test(`${how}() in a listener of ${type} is the end of all requests`, async () => {
    refuseWs()
    const c = client({ transports: ['websocket', 'sse'], upgradeEvery: 20000 })
    const events = []
    for (const t of ['open', 'close', 'mirage']) c.on(t, () => events.push(t))
    c.once(type, e => { if (type !== 'mirage-state' || c.state === 'open') c[how]() })
    await clock.run(3000)
    const n = server.requests.length
    server.fault = () => ''
    await clock.run(100_000)
    assert.equal(server.requests.filter((r, i) => i >= n && r.method !== 'DELETE').length, 0)
  })

test('two clients with one record: a page load sends all their messages in order', async () => {
  const storage = new Store()
  const o = { storage, transports: ['sse'] }
  const a = client({ ...o, start: false })
  a.send('a1')
  a.send('a2')
  await clock.run(600)
  const b = client({ ...o, start: false }) // has restored a1, a2
  a.send('a3') // b does not know it
  await clock.run(600)
  b.send('b1')
  await clock.run(600)
  a.disconnect = b.disconnect = () => 0 // both are gone, as in a crash
  const c = client(o) // the page load
  const returned = []
  c.on('mirage-returned', e => returned.push(e))
  await until('nothing waits', () => c.state === 'open' && !c.waiting)
  await clock.run(1000)
  assert.equal(returned.length, 0)
  assert.deepEqual(server.got.map(m => m.data).sort(), ['a1', 'a2', 'a3', 'b1'])
})

test('close() in mirage-retry leaves no timer', async () => {
  server.script = r => server.answer(503, { detail: 'x' }, { 'Retry-After': '3000' })
  const c = client({ transports: ['sse'] })
  c.on('mirage-retry', () => c.close())
  await clock.run(10_000)
  assert.equal(c.state, 'closed')
  assert.equal(clock.timers.filter(t => t.on).length, 0)
})

test('a drain in one piece with hello is obeyed', async () => {
  for (const t of ['sse', 'poll']) {
    let n = 0
    server.script = r => {
      if (r.method !== 'GET') return
      n++
      const [, hello] = server.hello(r)
      const text = hello + 'event: mirage-drain\ndata: {"retry":60000}\n\n'
      return server.answer(200, text, { 'Content-Type': 'text/event-stream' })
    }
    const c = client({ transports: [t] })
    await clock.run(30_000)
    c.disconnect()
    assert.equal(n, 1, t)
  }
})

test('stalled: nothing that waits is not stalled', async () => {
  const c = client({ transports: ['sse'] })
  await open(c)
  await clock.run(2000)
  let k = 0
  server.script = r => r.method === 'POST'
    && (++k < 3 ? server.answer(503, { detail: 'busy' }) : server.answer(413, { detail: 'large' }))
  c.send('x')
  await until('returned', () => !c.waiting)
  server.script = undefined
  await clock.run(100_000)
  assert.equal(c.stalled, '')
})

test('poll: what an answer leaves incomplete does not corrupt the next message', async () => {
  server.log.push('data: line one\ndata: line two\n\n')
  server.start = 0
  const c = client({ transports: ['poll'] })
  const got = []
  c.on('message', d => got.push(d))
  let polls = 0
  server.since = () => ''
  server.script = r => {
    if (r.method !== 'GET' || !r.headers['Mirage-Link']) return
    const text = ['data: line one\ndata: li', 'data: line one\ndata: line two\nid: e1-1\n\n'][polls++]
    return text ? server.answer(200, text, { 'Content-Type': 'text/event-stream' }) : new Promise(() => 0)
  }
  await open(c)
  await clock.run(10_000)
  assert.deepEqual(got, ['line one\nline two'])
})

test('a socket that still delivers while it closes, as ws does, revives no link', async () => {
  const Base = socketTo(server)
  class Ws extends Base {
    down(data) { if (this.readyState < 3 && data) this.onmessage?.({ data }) }
  }
  const c = client({ transports: ['websocket'], WebSocket: Ws })
  // hello is on its way when the client is released and connected
  const hello = server.hello
  let held
  server.hello = r => hello.call(server, r)
  const down = Ws.prototype.down
  Ws.prototype.down = function (data) { clock.add(() => down.call(this, data), 20) }
  await clock.run(10) // opened, hello on its way
  c.disconnect()
  await clock.run(1000)
  assert.equal(c.state, 'paused')
  c.connect()
  server.send('x')
  const got = []
  c.on('message', d => got.push(d))
  await clock.run(60_000)
  assert.equal(c.state, 'open')
  assert.deepEqual(got, ['x'])
})

test('a second online event does not end the grace of the first', async () => {
  const c = client({ transports: ['websocket'] })
  const got = []
  c.on('message', d => got.push(d))
  await open(c)
  await clock.run(2000)
  const states = []
  c.on('mirage-state', e => states.push(e.state))
  server.fault = r => r.method === 'WS' ? 'hole' : ''
  page.say('online')
  await clock.run(3000)
  const a = server.requests.length
  page.say('online')
  await clock.run(500)
  server.send('x')
  await clock.run(1000)
  assert.deepEqual(got, ['x'])
})

test('what follows a withdrawn message is handled once, whoever restored it', async () => {
  const storage = new Store()
  const a = client({ transports: ['sse'], storage, start: false })
  const control = new AbortController()
  a.emit('x', 1, { signal: control.signal }).catch(() => 0)
  a.emit('y', 2)
  await clock.run(1000)
  const b = client({ transports: ['sse'], storage, start: false })
  control.abort()
  await clock.run(1000)
  a.connect()
  b.connect()
  await clock.run(10_000)
  assert.equal(server.got.filter(m => m.event === 'y').length, 1)
})

test("ackAfter: 'promise' on a poll: a slow listener does not cost the link", async () => {
  server.send('a')
  server.start = 0
  const c = client({ transports: ['poll'], ackAfter: 'promise' })
  const retries = []
  c.on('mirage-retry', e => retries.push(e.error.message))
  c.on('message', () => new Promise(f => setTimeout(f, 30_000)))
  await clock.run(40_000)
  const hellos = server.requests.filter(r => r.method === 'GET' && !r.headers['Mirage-Link']).length
  assert.equal(hellos, 1)
})

test('connect() while asleep is still paused', async () => {
  const c = client({ transports: ['sse'], hidden: 'release' })
  await open(c)
  page.hide()
  await clock.run(1000)
  assert.equal(c.state, 'paused')
  c.connect()
  await clock.run(60_000)
  assert.equal(c.state, 'paused')
})

test('the option query does not replace what the client says', async () => {
  const c = client({ transports: ['sse'], query: { _wait: '25', _was: 'x', lastEventId: 'e1-0' } })
  await clock.run(1000)
  assert.equal(server.requests[0].query._wait, undefined)
})

test('emit takes an empty object without a prototype', async () => {
  const c = client({ transports: ['sse'] })
  await open(c)
  let error
  c.emit('x', Object.create(null)).catch(e => { error = e })
  await clock.run(1000)
  assert.equal(error, undefined)
})

test('maxDelay has a floor', async () => {
  server.script = () => server.answer(503, {})
  for (const maxDelay of [null, NaN, 0, -1, '5s']) {
    const c = client({ transports: ['sse'], maxDelay })
    const n = server.requests.length
    await clock.run(2000)
    c.disconnect()
  }
})

test('a close frame without a reason, as in React Native', async () => {
  const Base = socketTo(server)
  class WithoutReason extends Base {
    end(code) {
      this.readyState = 3
      if (this.link) this.link.push = null
      server.clock.remove(this.beat)
      this.onclose?.({ code, reason: null })
    }
  }
  const c = client({ transports: ['websocket'], WebSocket: WithoutReason })
  await open(c)
  await clock.run(2000)
  server.cut()
  const n = server.requests.length
  await clock.run(5000)
  assert.ok(server.requests.length > n)
})

test('pagehide while closing', async () => {
  const c = client({ transports: ['sse'] })
  await open(c)
  server.fault = r => r.method === 'POST' ? 'hole' : ''
  c.send('x')
  const p = c.close()
  await clock.run(100)
  const states = []
  c.on('mirage-state', e => states.push(e.state))
  page.say('pagehide', { persisted: true })
  await clock.run(10_000)
})

test('hello may have fields that the client does not know', async () => {
  const hello = server.hello
  server.hello = r => {
    const [link, text] = hello.call(server, r)
    return [link, text.replace('{"id"', '{"type":"x","id"')]
  }
  const c = client({ transports: ['sse'] })
  await clock.run(10_000)
  assert.equal(server.requests.filter(r=>r.method==='GET').length, 1)
})

test('use(): a 405 of a gateway does not close a client that has a link', async () => {
  const c = client({ transports: ['websocket', 'sse'] })
  await open(c)
  await clock.run(1500)
  server.script = r => r.method === 'GET' ? new Response('no', { status: 405 }) : undefined
  let why
  c.use('sse').catch(e => { why = e })
  await clock.run(8000)
  assert.equal(c.state, 'open')
})

test('online: a 405 of a captive portal does not close a client that has a link', async () => {
  const c = client()
  await open(c)
  await clock.run(1500)
  server.fault = r => r.method === 'WS' ? 'lost' : ''
  server.script = r => r.method === 'GET' ? new Response('no', { status: 405 }) : undefined
  page.say('online')
  await clock.run(5000)
  assert.equal(c.state, 'open')
})

test('use(): 501 does not close a client that has a link', async () => {
  const c = client({ transports: ['websocket'] })
  await open(c)
  await clock.run(1500)
  server.script = r => r.method === 'GET' ? server.answer(501, {}) : undefined
  let why
  c.use('sse').catch(e => { why = e })
  await clock.run(8000)
  assert.equal(c.state, 'open')
})

test('client.id is the new one when messages of another id are returned', async () => {
  const c = client({ transports: ['websocket', 'sse'] })
  await open(c)
  await clock.run(2000)
  server.fault = r => r.method === 'POST' && r.messages !== 0 && r.body.includes('\ndata: a') ? 'hole' : ''
  c.send('a')
  await clock.run(100)
  const seen = []
  c.on('mirage-returned', e => seen.push([e.id, c.id]))
  server.id = 'other'
  c.use('sse')
  await clock.run(5000)
  assert.notEqual(seen[0][0], seen[0][1])
})

test('an acknowledgement that nobody answers does not mean that the network is back', async () => {
  const c = client({ transports: ['websocket'] })
  await open(c)
  await clock.run(2000)
  c.on('message', () => 0)
  server.send('a')
  await until('a', () => c.position === 'e1-1')
  server.fault = () => 'hole'
  page.say('offline')
  assert.equal(c.stalled, 'offline')
  await clock.run(1000)
  assert.equal(c.stalled, 'offline')
})

test("the messages of another client are not sent as the next visitor's", async () => {
  const storage = new Store() // as localStorage
  const b = client({ transports: ['sse'], storage })
  await open(b)
  await clock.run(1000)
  server.fault = r => r.method === 'POST' ? 'lost' : ''
  b.send('secret of visitor')
  await clock.run(600)
  b.disconnect() // its tab crashed
  server.fault = r => ''
  server.fault = r => r.method === 'POST' ? 'lost' : ''
  const a = client({ transports: ['sse'], storage, start: false })
  // a knows b's messages: it restored them. So one that was there before:
  const storage2 = new Store()
  const a2 = client({ transports: ['sse'], storage: storage2 })
  await open(a2)
  const b2 = client({ transports: ['sse'], storage: storage2 })
  await open(b2)
  b2.send('secret')
  await clock.run(600)
  b2.disconnect() // crashed
  server.script = r => r.method === 'GET' ? server.answer(410, { detail: 'logged out' }) : undefined
  server.cut()
  await until('closed', () => a2.state === 'closed')
  server.script = undefined
  server.fault = () => ''
  server.id = 'another visitor'
  server.got = []
  server.writers.clear()
  const next = client({ transports: ['sse'], storage: storage2 })
  const returned = []
  next.on('mirage-returned', e => returned.push(e.error.status))
  await open(next)
  await clock.run(3000)
  assert.deepEqual(server.got.map(m => m.data), [])
})

test('made while the page is prerendered, connected after that', async () => {
  page.document.prerendering = true
  page.document.hidden = true
  const c = client({ transports: ['sse'], start: false })
  page.document.prerendering = false
  page.document.hidden = false
  page.document.dispatchEvent(new Event('prerenderingchange'))
  c.connect()
  await clock.run(60_000)
  assert.equal(c.state, 'open')
})

test('released while the page is prerendered, connected after that', async () => {
  page.document.prerendering = true
  const c = client({ transports: ['sse'] })
  c.release()
  page.document.prerendering = false
  page.document.dispatchEvent(new Event('prerenderingchange'))
  c.connect()
  await clock.run(60_000)
  assert.equal(c.state, 'open')
})
