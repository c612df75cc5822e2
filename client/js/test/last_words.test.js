// What is sent while the page ends goes out in a request that outlives it, and the next
// page sends nothing twice.

import assert from 'node:assert/strict'
import { afterEach, beforeEach, test } from 'node:test'
import { Page } from './page.js'
import { client, clock, server, until } from './stage.js'
import { Store } from './world.js'

let page
beforeEach(() => { page = new Page() })
afterEach(() => page.remove())

const open = c => until('open', () => c.state === 'open')
const texts = () => server.got.map(m => m.data)
const keepalive = () => server.requests.filter(r => r.method === 'POST' && r.keepalive)
const inKeepalive = text => keepalive().some(r => r.body.includes(`data: ${text}\n`))

// The application's listeners run in the order in which they were added: before the
// client's own if they are older than it.
const target = type => type === 'pagehide' ? page.window : page.document
function when(type, f) {
  target(type).addEventListener(type, () => type === 'pagehide' || page.document.hidden ? f() : 0)
}

// die lets a page end: requests that do not outlive it are lost with their answers.
function die(c, how = () => page.end()) {
  const { length } = server.requests
  how()
  return async () => {
    await clock.run(200)
    const late = server.requests.slice(length).filter(r => r.method === 'POST')
    for (const r of late) assert.ok(r.keepalive || r.socket, 'a request that does not outlive the page')
    for (const r of late) if (r.keepalive) assert.ok(Buffer.byteLength(r.body) < 65_536)
    for (const l of server.links.values()) l.cut?.()
    c.disconnect()
    await clock.run(200)
  }
}

// next is the next page: it sends nothing twice.
async function next(storage, transports, expected) {
  page.remove()
  const kept = new Store(storage)
  page = new Page()
  const c = client({ storage: kept, transports })
  await until('accepted', () => c.state === 'open' && c.waiting === 0)
  await clock.run(1000)
  assert.deepEqual(texts(), expected)
}

for (const name of ['websocket', 'sse', 'poll']) {
  for (const type of ['visibilitychange', 'pagehide']) {
    for (const order of ['before', 'after']) {
      test(`a message sent in ${type}, ${order} the client's own listener, on ${name}`, async () => {
        const storage = new Store(), transports = [name]
        let c
        const say = () => c.send('last')
        if (order === 'before') when(type, say)
        c = client({ storage, transports })
        if (order === 'after') when(type, say)
        await open(c)
        await clock.run(3000)
        c.send('first')
        await until('first', () => c.waiting === 0)
        server.fault = r => r.socket && r.body.includes('last') ? 'lost' : '' // the socket ends with the page
        const dead = die(c)
        await clock.run(0)
        assert.ok(JSON.stringify([...storage.values()]).includes('last'), 'stored')
        await dead()
        assert.ok(inKeepalive('last'), 'in a request that outlives the page')
        server.fault = () => ''
        await next(storage, transports, ['first', 'last'])
      })
    }
  }

  test(`a hidden page may end without a word: what it sends is stored at once, on ${name}`, async () => {
    const storage = new Store()
    const c = client({ storage, transports: [name] })
    when('visibilitychange', () => c.send('last'))
    await open(c)
    await clock.run(3000)
    server.fault = r => r.method === 'POST' ? 'hole' : ''
    c.send('under way')
    await clock.run(1000)
    page.hide()
    await clock.run(0)
    assert.deepEqual(JSON.parse([...storage.values()][0]).queue.map(m => m.d), ['under way', 'last'])
    server.fault = () => ''
    c.disconnect()
    await next(new Store(storage), [name], ['under way', 'last'])
  })

  test(`messages in all listeners, and before them: once and in order, on ${name}`, async () => {
    const storage = new Store(), transports = [name]
    const expected = []
    let c
    const say = n => () => {
      for (let i = 0; i < n; i++) {
        expected.push(`m${expected.length}`)
        c.send(expected.at(-1))
      }
    }
    when('visibilitychange', say(2))
    when('pagehide', say(3))
    c = client({ storage, transports })
    when('visibilitychange', say(2))
    when('pagehide', say(1))
    when('pagehide', say(2))
    await open(c)
    await clock.run(3000)
    say(2)() // under way when the page ends
    await die(c)()
    assert.equal(expected.length, 12)
    assert.deepEqual(texts(), expected)
    const all = keepalive().length
    assert.ok(all > 0 && all < 7, all + ' requests')
    await next(storage, transports, expected)
  })

  test(`requests of one page that overtake one another: once and in order, on ${name}`, async () => {
    const storage = new Store(), transports = [name]
    const held = []
    const fetch = (url, init) => init.keepalive ? new Promise(() => held.push(() => server.fetch(url, init)))
      : server.fetch(url, init)
    const c = client({ storage, transports, fetch })
    when('pagehide', () => c.send('b'))
    when('pagehide', () => Promise.resolve().then(() => c.send('c')))
    await open(c)
    await clock.run(3000)
    page.hide()
    await clock.run(100)
    held.length = 0
    c.send('a')
    page.say('pagehide', { persisted: false })
    await clock.run(1)
    assert.ok(held.length > 1, held.length + ' requests')
    for (const go of held.reverse()) { // the last one comes first
      go().catch(() => 0)
      await clock.run(50)
    }
    assert.deepEqual(texts(), ['a', 'b', 'c'])
    c.disconnect()
    await next(storage, transports, ['a', 'b', 'c'])
  })

  test(`last words that are lost are sent by the next page, on ${name}`, async () => {
    const storage = new Store(), transports = [name]
    const c = client({ storage, transports })
    when('pagehide', () => c.send('last'))
    await open(c)
    await clock.run(3000)
    server.fault = () => 'lost'
    await die(c)()
    assert.deepEqual(texts(), [])
    server.fault = () => ''
    await next(storage, transports, ['last'])
  })

  test(`last words whose answer is lost are not handled twice, on ${name}`, async () => {
    const storage = new Store(), transports = [name]
    const c = client({ storage, transports })
    when('pagehide', () => c.send('last'))
    await open(c)
    await clock.run(3000)
    server.fault = () => 'unanswered'
    await die(c)()
    assert.deepEqual(texts(), ['last'])
    server.fault = () => ''
    await next(storage, transports, ['last'])
  })

  test(`more than a request may carry is stored for the next page, on ${name}`, async () => {
    const storage = new Store(), transports = [name]
    const expected = ['é'.repeat(40_000), ...Array.from({ length: 30 }, (_, i) => i + 'é'.repeat(4000))]
    const c = client({ storage, transports })
    when('pagehide', () => { for (const text of expected) c.send(text) })
    await open(c)
    await clock.run(3000)
    await die(c)()
    await next(storage, transports, expected)
  })

  test(`what the page received is acknowledged when it ends, on ${name}`, async () => {
    const c = client({ transports: [name] })
    c.on('message', () => 0)
    await open(c)
    await clock.run(3000)
    page.document.hidden = false
    server.send('a')
    await until('a', () => c.position === 'e1-1')
    page.say('pagehide', { persisted: false })
    await clock.run(50)
    assert.equal(keepalive().at(-1).up.ack, 'e1-1')
  })
}

test('the goodbye of a page on poll says that it leaves; a reload says that it is one', async () => {
  for (const navigationType of ['push', 'reload', 'replace']) {
    const c = client({ transports: ['poll'] })
    await open(c)
    await clock.run(3000)
    page.navigation.dispatchEvent(Object.assign(new Event('navigate'), { navigationType: 'reload' }))
    page.navigation.dispatchEvent(Object.assign(new Event('navigate'), { navigationType }))
    page.end()
    await clock.run(50)
    const { up } = keepalive().at(-1)
    assert.equal(up.leaving, true)
    assert.equal(!!up.reload, navigationType === 'reload')
    c.disconnect()
    page.document.hidden = false
  }
})

test('a page that is only hidden does not say that it leaves', async () => {
  for (const transports of [['websocket'], ['sse'], ['poll']]) {
    const c = client({ transports })
    await open(c)
    await clock.run(3000)
    page.hide()
    c.send('x')
    await until('accepted', () => c.waiting === 0)
    await clock.run(60_000)
    assert.equal(c.state, 'open')
    assert.ok(!server.requests.some(r => r.up?.leaving))
    page.show()
    c.disconnect()
    server.requests.length = 0
  }
})

test('back from the back/forward cache: last words are not sent again, and new ones are', async () => {
  for (const name of ['websocket', 'sse', 'poll']) {
    server.got = []
    const c = client({ transports: [name] })
    let n = 0
    when('pagehide', () => c.send(`${name} ${n++}`))
    await open(c)
    for (let i = 0; i < 3; i++) {
      await clock.run(3000)
      page.hide()
      page.say('pagehide', { persisted: true })
      await clock.run(60_000)
      page.say('pageshow', { persisted: true })
      page.show()
      await until('accepted', () => c.state === 'open' && c.waiting === 0)
    }
    await clock.run(1000)
    assert.deepEqual(texts().filter(t => t.startsWith(name)), [0, 1, 2].map(i => `${name} ${i}`))
    c.disconnect()
  }
})
