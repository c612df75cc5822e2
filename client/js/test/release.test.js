// release(): for the cleanup of effects, for HMR, and for React's StrictMode. It lets go
// of the link, the listeners and the timers, and keeps place and queue.

import assert from 'node:assert/strict'
import { getEventListeners } from 'node:events'
import { afterEach, beforeEach, test } from 'node:test'
import { Page } from './page.js'
import { client, clock, server, until } from './stage.js'
import { Store } from './world.js'

let page, started // the timers of clients; those of the server are not among them
beforeEach(() => {
  page = new Page()
  started = new Set()
  globalThis.setTimeout = (f, ms) => {
    const t = clock.add(f, ms)
    started.add(t)
    return t
  }
})
afterEach(() => page.remove())

function visitor(options) {
  const c = client({ transports: ['sse'], ...options })
  c.got = []
  c.states = []
  c.closed = 0
  c.on('message', data => c.got.push(data))
  c.on('mirage-state', e => c.states.push(e.state))
  c.on('close', () => c.closed++)
  return c
}
const open = c => until('open', () => c.state === 'open')
const timers = () => clock.timers.filter(t => t.on && started.has(t)).length
const texts = () => server.got.map(m => m.data)
const deletes = () => server.requests.filter(r => r.method === 'DELETE').length

// nothingLeft checks that a released client does nothing any more. It may have a timer
// for as long as an attempt takes.
async function nothingLeft(c, what) {
  assert.equal(c.state, 'paused', what)
  assert.equal(page.listeners, 0, what + ': listeners')
  await clock.run(100) // the last words
  const n = server.requests.length
  await clock.run(6000)
  assert.equal(timers(), 0, what + ': timers')
  await clock.run(120_000)
  assert.equal(server.requests.length, n, what + ': requests')
}

for (const name of ['websocket', 'sse', 'poll']) {
  test(`release lets go of the link, the listeners and the timers, on ${name}`, async () => {
    const c = visitor({ transports: [name] })
    assert.ok(page.listeners > 5)
    await open(c)
    await clock.run(20_000)
    server.send('a')
    await until('a', () => c.got.length === 1)
    c.release()
    await nothingLeft(c, name)
    assert.equal(c.closed, 0)
    assert.equal(deletes(), 0, 'the session lives on')
    assert.deepEqual(c.states, ['open', 'paused'])
  })

  test(`release keeps place and queue, and connect() brings the client back, on ${name}`, async () => {
    const storage = new Store()
    const c = visitor({ transports: [name], storage })
    await open(c)
    server.send('a')
    await until('a', () => c.got.length === 1)
    server.fault = r => r.method === 'POST' ? 'lost' : ''
    c.send('1')
    await clock.run(1)
    c.release()
    await clock.run(100)
    const { position, queue } = JSON.parse([...storage.values()][0])
    assert.equal(position, 'e1-1')
    assert.deepEqual(queue.map(m => m.d), ['1'])
    server.fault = () => ''
    server.send('b')
    c.send('2')
    await clock.run(60_000)
    assert.deepEqual([c.got, c.waiting, c.state], [['a'], 2, 'paused'])
    c.connect()
    assert.ok(page.listeners > 5)
    await until('all', () => c.got.length === 2 && c.waiting === 0)
    assert.deepEqual([c.got, texts(), c.state], [['a', 'b'], ['1', '2'], 'open'])
  })
}

test('release while the first attempt is under way, while all attempts fail, and before anything', async () => {
  const early = visitor({ start: false })
  early.release()
  await nothingLeft(early, 'before anything')

  server.fault = () => 'hole'
  const opening = visitor({ transports: ['websocket', 'sse', 'poll'] })
  await clock.run(2000)
  opening.release()
  await clock.run(6000)
  await nothingLeft(opening, 'under way')

  server.fault = () => 'lost'
  const failing = visitor()
  await clock.run(30_000)
  failing.release()
  await nothingLeft(failing, 'failing')
})

// Node would not end for as long.
test('release during the pause after a POST that failed leaves no timer', async () => {
  const c = visitor()
  await open(c)
  await clock.run(2000)
  server.script = r => r.method === 'POST' ? server.answer(429, {}, { 'Retry-After': '3600' }) : undefined
  c.send('x')
  await clock.run(5000)
  c.release()
  await nothingLeft(c, 'a POST that failed')
})

test('release leaves no timer at all', async () => {
  const c = visitor()
  await open(c)
  c.send('x') // will be stored soon
  c.release()
  await clock.run(0)
  assert.equal(timers(), 0, 'right after open')

  c.connect()
  await open(c)
  await clock.run(20_000)
  page.say('online')
  await clock.run(10)
  c.release()
  await clock.run(0)
  assert.equal(timers(), 0, 'a refresh')

  server.fault = () => 'hole'
  c.connect()
  await clock.run(1000)
  c.release()
  await clock.run(0)
  assert.equal(timers(), 0, 'an attempt')
})

test('release of a client with hidden: ms leaves no timer', async () => {
  const c = visitor({ hidden: 60_000 })
  await open(c)
  page.hide()
  await clock.run(1000)
  c.release()
  await nothingLeft(c, 'hidden')
})

test('release twice, after close, and while closing', async () => {
  const c = visitor()
  await open(c)
  c.release()
  c.release()
  assert.deepEqual(c.states, ['open', 'paused'])
  c.connect()
  await open(c)
  server.fault = r => r.method === 'POST' ? 'hole' : ''
  c.send('x')
  const closing = c.close()
  c.release()
  assert.equal(c.state, 'closing')
  await until('closed', () => c.state === 'closed')
  await closing
  c.release()
  c.connect()
  assert.equal(c.state, 'closed')
  assert.equal(page.listeners, 0)
})

test('Symbol.dispose is release', { skip: !Symbol.dispose }, async () => {
  const c = visitor()
  await open(c)
  c[Symbol.dispose]()
  await nothingLeft(c, 'disposed')
  c.connect()
  await open(c)
})

test('signal releases; with abort: close it ends the session', async () => {
  for (const abort of [undefined, 'release', 'close']) {
    const control = new AbortController()
    const c = visitor({ signal: control.signal, abort })
    await open(c)
    const before = deletes()
    control.abort()
    await until('done', () => c.state === (abort === 'close' ? 'closed' : 'paused'), 1000)
    await clock.run(100)
    assert.equal(deletes() - before, abort === 'close' ? 1 : 0)
    assert.equal(c.closed, abort === 'close' ? 1 : 0)
    assert.equal(page.listeners, 0)
    if (abort !== 'close') {
      c.connect()
      await open(c)
      c.release()
    }
  }
})

test('a signal that is aborted already: no link, and the session can be had by connect()', async () => {
  const c = visitor({ signal: AbortSignal.abort() })
  await clock.run(5000)
  assert.deepEqual([c.state, server.requests.length, page.listeners], ['paused', 0, 0])
  c.connect()
  await open(c)
})

test('a closed client does not hold on to its signal', async () => {
  const { signal } = new AbortController()
  for (let i = 0; i < 3; i++) {
    const c = visitor({ signal })
    await open(c)
    await c.close()
  }
  assert.equal(getEventListeners(signal, 'abort').length, 0)
})

test('the loops over a client end at release, after what has come', async () => {
  const c = visitor()
  await open(c)
  const seen = [[], []], ended = [false, false]
  const loop = async i => {
    for await (const e of c) seen[i].push(e.data)
    ended[i] = true
  }
  loop(0)
  loop(1)
  server.send('a')
  server.send('b')
  await until('both', () => c.got.length === 2)
  assert.deepEqual(ended, [false, false])
  c.release()
  await clock.run(1)
  assert.deepEqual([seen, ended], [[['a', 'b'], ['a', 'b']], [true, true]])

  c.connect()
  const again = []
  const more = (async () => { for await (const e of c) again.push(e.data) })()
  await open(c)
  server.send('c')
  await until('c', () => again.length === 1)
  c.release()
  await more
  assert.deepEqual(again, ['c'])
})

test('a loop that was busy at release ends when it is done', async () => {
  const c = visitor()
  await open(c)
  const seen = []
  let go, ended
  const loop = (async () => {
    for await (const e of c) {
      seen.push(e.data)
      await new Promise(done => { go = done })
    }
    ended = true
  })()
  server.send('a')
  server.send('b')
  await until('both', () => c.got.length === 2)
  c.release()
  await clock.run(10)
  assert.deepEqual([seen, ended], [['a'], undefined])
  go()
  await clock.run(10)
  go()
  await loop
  assert.deepEqual([seen, ended], [['a', 'b'], true])
})

for (const name of ['websocket', 'sse', 'poll']) {
  test(`HMR: the old client is released, and a new one takes over at once, on ${name}`, async () => {
    const storage = new Store()
    let c = visitor({ transports: [name], storage })
    const got = []
    for (let i = 0; i < 10; i++) {
      c.on('message', data => got.push(data))
      await open(c)
      server.send('down' + i)
      c.send('up' + i)
      await clock.run([0, 3, 8, 11, 40, 700][i % 6]) // amid a request, or after it
      c.release()
      c = visitor({ transports: [name], storage })
    }
    c.on('message', data => got.push(data))
    await until('all', () => got.length === 10 && c.waiting === 0, 30_000)
    await clock.run(1000)
    assert.deepEqual(texts(), Array.from({ length: 10 }, (_, i) => 'up' + i))
    assert.deepEqual(got, Array.from({ length: 10 }, (_, i) => 'down' + i))
    c.release()
    await nothingLeft(c, name)
  })

  test(`StrictMode: constructed twice, connected, released, connected, on ${name}`, async () => {
    const storage = new Store()
    const thrown = visitor({ transports: [name], storage, start: false })
    const c = visitor({ transports: [name], storage, start: false })
    assert.deepEqual([page.listeners, timers(), server.requests.length], [0, 0, 0], 'constructing does nothing')
    c.connect()
    c.release()
    c.connect()
    c.send('x')
    server.send('a')
    await until('all', () => c.got.length === 1 && c.waiting === 0)
    await clock.run(1000)
    assert.deepEqual([c.got, texts(), thrown.got, thrown.state], [['a'], ['x'], [], 'connecting'])
    assert.equal(server.requests.filter(r => r.at === clock.now).length, 0)
    c.release()
    await nothingLeft(c, name)
  })
}

test('after a pagehide in which the application releases, connect() works', async () => {
  const c = visitor()
  page.window.addEventListener('pagehide', () => c.release())
  page.window.addEventListener('pageshow', () => c.connect())
  await open(c)
  page.hide()
  page.say('pagehide', { persisted: true })
  await clock.run(60_000)
  assert.equal(c.state, 'paused')
  page.say('pageshow', { persisted: true })
  page.show()
  await until('open', () => c.state === 'open', 10_000)
})

test('released while asleep, connect() works', async () => {
  const c = visitor({ hidden: 'release' })
  await open(c)
  page.hide()
  await clock.run(100)
  assert.equal(c.state, 'paused')
  c.release()
  page.show()
  c.connect()
  await until('open', () => c.state === 'open', 10_000)
})

test('back/forward cache: paused, without a link, and open again', async () => {
  const c = visitor()
  await open(c)
  page.hide()
  page.say('pagehide', { persisted: true })
  assert.equal(c.state, 'paused')
  const n = server.requests.length
  await clock.run(60_000)
  assert.equal(server.requests.length, n)
  server.send('a')
  page.say('pageshow', { persisted: true })
  page.show()
  await until('a', () => c.got.length === 1)
  assert.equal(c.state, 'open')
})

// Two clients with one record, as in a page whose parts do not know of one another.

test('two clients with one record, both offline and released: a third sends all', async () => {
  for (const rounds of [1, 2, 3, 5]) {
    const storage = new Store(), all = []
    server.got = []
    server.fault = () => 'lost'
    const [a, b] = [visitor({ storage }), visitor({ storage })]
    for (let i = 0; i < rounds; i++) {
      for (const c of [a, b, a]) {
        all.push(`${all.length} of ${rounds}`)
        c.send(all.at(-1))
        await clock.run(700) // stored
      }
    }
    b.release()
    for (let i = 0; i < rounds; i++) {
      all.push(`${all.length} of ${rounds}`)
      a.send(all.at(-1))
      await clock.run(700)
    }
    a.release()
    server.fault = () => ''
    const third = visitor({ storage })
    assert.equal(third.waiting, all.length, rounds + ' rounds')
    await until('sent', () => third.waiting === 0)
    assert.deepEqual(texts().sort(), all.sort())
    third.release()
    assert.deepEqual(JSON.parse([...storage.values()][0]).queue, [])
  }
})

test('two clients with one record: close() of one keeps the other\'s messages', async () => {
  const storage = new Store()
  server.fault = () => 'lost'
  const [a, b] = [visitor({ storage }), visitor({ storage })]
  b.send('from b')
  await clock.run(700)
  b.release()
  for (let i = 0; i < 3; i++) {
    a.send('from a')
    await clock.run(700)
  }
  a.close()
  await until('closed', () => a.state === 'closed')
  server.fault = () => ''
  const third = visitor({ storage })
  await until('sent', () => third.waiting === 0)
  assert.deepEqual(texts(), ['from b'])
})

test('two clients with one record: what one has delivered is not sent by a third', async () => {
  const storage = new Store()
  const [a, b] = [visitor({ storage }), visitor({ storage })]
  await open(a)
  await open(b)
  for (let i = 0; i < 5; i++) {
    a.send('a' + i)
    b.send('b' + i)
    await clock.run(700)
  }
  await until('sent', () => a.waiting + b.waiting === 0)
  await clock.run(1000)
  a.release()
  b.release()
  const third = visitor({ storage })
  assert.equal(third.waiting, 0)
  await open(third)
  assert.equal(texts().length, 10)
})
