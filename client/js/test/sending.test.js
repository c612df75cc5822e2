// What an application calls and gets: messages that cannot be sent, late listeners, emit
// with a signal, acknowledgement after a promise, values that expire, debug output.

import assert from 'node:assert/strict'
import { getEventListeners } from 'node:events'
import { afterEach, beforeEach, mock, test } from 'node:test'
import { client, clock, renew, server, until } from './stage.js'
import { Store } from './world.js'

const open = c => until('open', () => c.state === 'open')
const texts = () => server.got.map(m => m.data)
const CARRIERS = ['websocket', 'sse', 'poll']

let warnings, debug
beforeEach(() => {
  warnings = mock.method(console, 'warn', () => 0)
  debug = mock.method(console, 'debug', () => 0)
})
afterEach(() => mock.restoreAll())
const warned = () => warnings.mock.calls.map(call => call.arguments.join(' '))

// Data.

test('send() refuses what is neither text nor bytes, and says what to do', async () => {
  const c = client({ transports: ['sse'], start: false })
  const wrong = [
    {}, [], new Map(), new Set(), new Date(0), /x/, new Error('x'), new Blob(['x']), new URLSearchParams(), () => 1,
    Object.create(null), new FormData(), Promise.resolve('x'), new ReadableStream(), null, undefined,
  ]
  for (const data of wrong) {
    assert.throws(() => c.send(data), { name: 'TypeError', message: /emit\(.*arrayBuffer\(\)/ })
  }
  assert.deepEqual([c.waiting, c.bufferedAmount, c.queued()], [0, 0, []])
  const bytes = new Uint8Array([1, 2, 3])
  const { buffer } = bytes
  for (const data of ['', 'x', 5, 0, false, 5n, bytes, buffer, new DataView(buffer), Buffer.from('x')]) c.send(data)
  assert.equal(c.waiting, 10)
})

test('emit() refuses what JSON cannot express, and keeps nothing of it', async () => {
  const c = client({ transports: ['sse'], start: false })
  for (const data of [() => 1, Symbol('x'), 1n, { toJSON() { throw new RangeError('own') } }]) {
    await assert.rejects(c.emit('x', data), e => e instanceof TypeError || e.message === 'own')
  }
  assert.equal(c.waiting, 0)
})

test('emit() refuses a Map, a Set or a Blob, of which JSON makes {}', async () => {
  const c = client({ transports: ['sse'], start: false })
  for (const data of [new Map([[1, 2]]), new Set([1]), new Blob(['x'])]) {
    let why
    c.emit('x', data).catch(e => { why = e })
    await clock.run(1)
    assert.ok(why instanceof TypeError)
  }
})

// Late listeners.

test('a message that comes before its first listener is warned of, once for each name', async () => {
  const c = client({ transports: ['sse'] })
  await open(c)
  for (let i = 0; i < 3; i++) {
    server.send('1', 'early')
    server.send('x')
    server.send('2', 'known')
    if (!i) c.on('known', () => 0)
  }
  await until('all', () => c.position === 'e1-9')
  assert.equal(warned().length, 2)
  assert.match(warned()[0], /'early'/)
  assert.match(warned()[1], /'message'/)
})

test('no warning with a listener, onmessage, a loop, or one that was removed', async () => {
  const c = client({ transports: ['sse'] })
  c.onmessage = () => 0
  c.addEventListener('a', () => 0)
  c.once('b', () => 0)
  c.on('d', () => 0)()
  await open(c)
  for (const name of ['a', 'b', 'b', 'd', undefined]) server.send('1', name)
  await until('all', () => c.position === 'e1-5')
  let ended
  ;(async () => {
    for await (const e of c) if (e.type === 'end') break
    ended = true
  })()
  server.send('1', 'looped')
  server.send('1', 'end')
  await until('end', () => c.position === 'e1-7' && ended)
  assert.deepEqual(warned(), [])
})

test('once: one event, and it can be taken back', async () => {
  const c = client({ transports: ['sse'] })
  const got = []
  c.once('a', data => got.push(data))
  c.once('b', data => got.push(data))()
  await open(c)
  for (const name of ['a', 'b', 'a']) server.send('1', name)
  await until('all', () => c.position === 'e1-3')
  assert.deepEqual(got, [1])
})

// emit with a signal.

for (const name of CARRIERS) {
  test(`emit: aborted before it was sent it is withdrawn, and the others go in order, on ${name}`, async () => {
    for (const gone of [[0], [1], [4], [0, 1], [1, 2, 3], [3, 1], [4, 3, 2, 1, 0], [2, 4]]) {
      renew()
      const c = client({ transports: [name], storage: new Store() })
      server.fault = () => 'lost'
      const controls = Array.from({ length: 5 }, () => new AbortController())
      const why = [], kept = []
      controls.forEach(({ signal }, i) => c.emit('n', i, { signal }).then(() => kept.push(i), e => why.push([i, e])))
      await clock.run(3000)
      for (const i of gone) {
        controls[i].abort(new Error('no ' + i))
        c.emit('n', 'after ' + i).then(() => kept.push('after ' + i))
      }
      const left = [0, 1, 2, 3, 4].filter(i => !gone.includes(i)).concat(gone.map(i => 'after ' + i))
      assert.equal(c.waiting, left.length)
      assert.deepEqual(c.queued().map(m => JSON.parse(m.data)), left)
      server.fault = () => ''
      await until('sent', () => c.state === 'open' && c.waiting === 0)
      assert.deepEqual(texts().map(t => JSON.parse(t)), left)
      assert.deepEqual(kept, left)
      assert.deepEqual(why.map(([i, e]) => [i, e.message]), gone.map(i => [i, 'no ' + i]))
      c.send('end')
      await until('end', () => c.waiting === 0)
      c.disconnect()
    }
  })

  test(`emit: aborted while it is sent the promise rejects, and the numbers stay right, on ${name}`, async () => {
    for (const ms of [0, 1, 6, 9]) {
      renew()
      const c = client({ transports: [name] })
      await open(c)
      await clock.run(2000)
      const control = new AbortController()
      const outcomes = []
      c.emit('n', 1, { signal: control.signal }).then(() => outcomes.push('kept'), e => outcomes.push(e.name))
      c.emit('n', 2).then(() => outcomes.push(2))
      await clock.run(ms)
      control.abort()
      c.emit('n', 3).then(() => outcomes.push(3))
      await until('sent', () => c.waiting === 0, 5000)
      await clock.run(1)
      assert.deepEqual(outcomes.slice().sort(), [2, 3, 'AbortError'])
      assert.deepEqual(texts(), ['1', '2', '3'], 'it was under way')
      c.disconnect()
    }
  })
}

test('emit: aborted after it may have arrived: what was sent with it is not handled twice', async () => {
  for (const name of CARRIERS) {
    renew()
    const c = client({ transports: [name] })
    const control = new AbortController()
    server.fault = r => r.method === 'POST' ? 'unanswered' : ''
    for (const n of [1, 2, 3]) c.emit('n', n, { signal: n === 1 ? control.signal : undefined }).catch(() => 0)
    await until('handled', () => server.got.length === 3)
    control.abort()
    server.fault = () => ''
    await until('accepted', () => c.waiting === 0)
    assert.deepEqual(texts(), ['1', '2', '3'])
    c.disconnect()
  }
})

test('emit: aborted after it was accepted nothing happens', async () => {
  const c = client({ transports: ['sse'] })
  await open(c)
  const control = new AbortController()
  const accepted = c.emit('n', 1, { signal: control.signal })
  await until('sent', () => c.waiting === 0 && server.got.length)
  await accepted
  c.emit('n', 2).catch(() => 0)
  control.abort()
  await until('sent', () => c.waiting === 0)
  assert.deepEqual(texts(), ['1', '2'])
})

test('emit: a signal that is aborted already', async () => {
  const c = client({ transports: ['sse'], start: false })
  await assert.rejects(c.emit('n', 1, { signal: AbortSignal.abort() }), { name: 'AbortError' })
  assert.equal(c.waiting, 0)
})

test('emit: what is withdrawn is not in the record any more', async () => {
  const storage = new Store()
  const c = client({ transports: ['sse'], storage, start: false })
  const control = new AbortController()
  c.emit('n', 'withdrawn', { signal: control.signal }).catch(() => 0)
  await clock.run(2000)
  assert.match([...storage.values()][0], /withdrawn/)
  control.abort()
  await clock.run(1000)
  assert.doesNotMatch([...storage.values()][0], /withdrawn/) // a crash now does not send it
})

test('emit: an accepted message does not hold on to its signal', async () => {
  const c = client({ transports: ['sse'] })
  await open(c)
  const { signal } = new AbortController()
  for (let i = 0; i < 5; i++) c.emit('n', i, { signal })
  await until('sent', () => c.waiting === 0)
  assert.equal(getEventListeners(signal, 'abort').length, 0)
})

// ackAfter: 'promise'.

// acked is the highest number that the server was told.
const acked = () => Math.max(0, ...server.requests.map(r => {
  const position = r.method === 'POST' ? r.up?.ack : r.query._pos
  return +(position || 'e1-0').split('-')[1]
}))

for (const name of CARRIERS) {
  test(`ackAfter: a message is acknowledged after the listener's promise, in order, on ${name}`, async () => {
    const storage = new Store()
    const c = client({ transports: [name], ackAfter: 'promise', storage })
    const done = {}
    c.on('message', data => new Promise(resolve => { done[data] = resolve }))
    await open(c)
    await clock.run(2000)
    for (const text of ['a', 'b', 'c']) server.send(text)
    await until(name === 'poll' ? 'all' : 'all', () => done.c)
    await clock.run(5000)
    assert.deepEqual([c.position, acked()], ['e1-0', 0])
    done.c()
    done.b()
    await clock.run(2000)
    assert.deepEqual([c.position, acked()], ['e1-0', 0], 'not before the first one')
    done.a()
    await until('acknowledged', () => acked() === 3, 2000)
    assert.equal(c.position, 'e1-3')
    await clock.run(1000)
    assert.equal(JSON.parse([...storage.values()][0]).position, 'e1-3')
  })

  test(`ackAfter: a program that dies in its listener gets the message again, on ${name}`, async () => {
    const storage = new Store()
    const c = client({ transports: [name], ackAfter: 'promise', storage })
    c.on('message', data => data === 'b' && new Promise(() => 0))
    await open(c)
    await clock.run(2000)
    server.send('a')
    await clock.run(2000)
    server.send('b')
    await clock.run(5000)
    const crashed = new Store(storage)
    c.disconnect()
    const got = []
    const d = client({ transports: [name], storage: crashed })
    d.on('message', (data, e) => got.push([data, e.again]))
    await until('again', () => got.length)
    assert.deepEqual(got, [['b', true]])
  })

  test(`ackAfter: while a listener works, messages go up and nothing spins, on ${name}`, async () => {
    const c = client({ transports: [name], ackAfter: 'promise' })
    let finish
    c.on('message', () => new Promise(done => { finish = done }))
    await open(c)
    await clock.run(2000)
    server.send('a')
    await until('a', () => finish)
    const before = server.requests.length
    for (let i = 0; i < 10; i++) {
      await clock.run(1000)
      c.send('up' + i)
    }
    await until('sent', () => c.waiting === 0, 1000)
    assert.ok(server.requests.length - before < 25, server.requests.length - before + ' requests')
    await clock.run(60_000)
    assert.ok(server.requests.length - before < 40, server.requests.length - before + ' requests')
    finish()
    await until('acknowledged', () => acked() === 1, 20_000)
    server.send('b')
    await until('b', () => c.state === 'open' && finish !== undefined)
  })

  test(`ackAfter: a loop acknowledges what its body has finished, on ${name}`, async () => {
    const c = client({ transports: [name], ackAfter: 'promise' })
    const seen = []
    let go
    const loop = (async () => {
      for await (const e of c) {
        seen.push(e.data)
        await new Promise(done => { go = done })
      }
    })()
    await open(c)
    await clock.run(2000)
    server.send('a')
    server.send('b')
    await until('a', () => seen.length === 1)
    await clock.run(3000)
    assert.equal(c.position, 'e1-0')
    go()
    await until('b', () => seen.length === 2)
    await clock.run(3000)
    assert.equal(c.position, 'e1-1')
    go()
    await until('done', () => acked() === 2, 3000)
    c.release()
    await loop
  })

  test(`ackAfter: after a break the client goes on, on ${name}`, async () => {
    const c = client({ transports: [name], ackAfter: 'promise' })
    let ended
    ;(async () => {
      for await (const e of c) if (e.data === 'a') break
      ended = true
    })()
    await open(c)
    await clock.run(2000)
    for (const text of ['a', 'b']) server.send(text)
    await until('ended', () => ended)
    const got = []
    c.on('message', data => got.push(data))
    await clock.run(100_000)
    server.send('c')
    await until('c', () => got.includes('c') && c.position === 'e1-3', 100_000)
  })

  test(`ackAfter: a promise that rejects is reported, and does not hold up the next ones, on ${name}`, async () => {
    const c = client({ transports: [name], ackAfter: 'promise' })
    c.on('message', async data => { if (data === 'bad') throw new RangeError('in a listener') })
    await open(c)
    await clock.run(2000)
    server.send('bad')
    server.send('good')
    await assert.rejects(clock.run(5000), /in a listener/) // as an uncaught error
    await until('acknowledged', () => acked() === 2, 5000)
    assert.equal(c.state, 'open')
  })

  test(`ackAfter: return is the default: a promise is not waited for, on ${name}`, async () => {
    const c = client({ transports: [name] })
    c.on('message', () => new Promise(() => 0))
    await open(c)
    await clock.run(2000)
    server.send('a')
    await until('acknowledged', () => acked() === 1, 2000)
  })
}

// Loops.

test('a loop that is too slow ends with an error, by number and by bytes', async () => {
  for (const [options, count, size] of [[{}, 1100, 1], [{ bytes: 1000 }, 20, 100]]) {
    const c = client({ transports: ['sse'], ...options })
    let go, why
    const loop = async () => { for await (const e of c) await new Promise(done => { go = () => done(e) }) }
    loop().catch(e => { why = e })
    await open(c)
    server.send('first')
    await until('first', () => go)
    for (let i = 0; i < count; i++) server.send('x'.repeat(size))
    await until('all', () => c.position === server.epoch + '-' + server.log.length)
    assert.equal(why, undefined)
    go()
    await until('told', () => why, 100)
    assert.match(why.message, /slow/)
    c.disconnect()
    server.log = []
    server.epoch += 'x'
  }
})

test('a loop that is fast enough gets everything, however much', async () => {
  const c = client({ transports: ['sse'], bytes: 1000 })
  const seen = []
  const loop = (async () => { for await (const e of c) seen.push(e.data) })()
  await open(c)
  for (let i = 0; i < 3000; i++) {
    server.send('message ' + i)
    if (i % 50 === 0) await clock.run(10)
  }
  await until('all', () => seen.length === 3000)
  c.release()
  await loop
})

test('a loop whose body never ends keeps a bounded number of messages', async () => {
  const { setFlagsFromString } = await import('node:v8')
  const { runInNewContext } = await import('node:vm')
  setFlagsFromString('--expose-gc')
  const gc = runInNewContext('gc')
  const c = client({ transports: ['sse'] })
  const seen = []
  c.on('message', (data, e) => seen.push(new WeakRef(e)))
  ;(async () => { for await (const e of c) await new Promise(() => e) })()
  await open(c)
  for (let i = 0; i < 5000; i++) {
    server.send('x')
    if (i % 100 === 0) await clock.run(10)
  }
  await until('all', () => seen.length === 5000)
  await clock.run(1000)
  gc()
  const kept = seen.filter(ref => ref.deref()).length
  assert.ok(kept < 1500, kept + ' messages are kept')
})

// Values that expire.

for (const name of CARRIERS) {
  test(`query and mirage may be functions, also async: asked before each link, on ${name}`, async () => {
    let n = 0
    const late = f => () => new Promise(done => setTimeout(() => done(f()), 200))
    for (const wrap of [f => f, f => async () => f(), late]) {
      renew()
      n = 0
      const query = wrap(() => ({ token: 't' + ++n })), mirage = wrap(() => 'signed-' + n)
      const c = client({ transports: [name], query, mirage })
      await open(c)
      const asked = () => server.requests.filter(r => r.method !== 'POST' && !r.headers['Mirage-Link'])
      assert.deepEqual(asked().map(r => r.query.token), ['t1'])
      assert.match(asked()[0].query._mirage, /^signed-[01]$/)
      await clock.run(20_000)
      server.cut()
      await until('another', () => asked().length === 2, 5000)
      assert.equal(asked()[1].query.token, 't2')
      await clock.run(1000)
      assert.equal(c.state, 'open')
      c.disconnect()
    }
  })

  test(`query that throws or rejects is told, tried again, and works again, on ${name}`, async () => {
    const fail = () => { throw new RangeError('no token') }
    for (const reject of [fail, async () => fail()]) {
      renew()
      let broken = true
      const c = client({ transports: [name], query: () => broken ? reject() : {} })
      const told = []
      c.on('mirage-retry', e => told.push(e))
      await clock.run(60_000)
      assert.ok(told.length > 3 && told.length < 20, told.length + ' attempts')
      assert.ok(told[0].error instanceof RangeError)
      assert.deepEqual([told[0].what, server.requests.length, c.state], ['connect', 0, 'connecting'])
      broken = false
      await until('open', () => c.state === 'open', 25_000)
      c.disconnect()
    }
  })

  test(`query that rejects with nothing is told, tried again, and works again, on ${name}`, async () => {
    for (const nothing of [undefined, null, '', 0]) {
      renew()
      let broken = true
      const c = client({ transports: [name], query: () => broken ? Promise.reject(nothing) : {} })
      const told = []
      c.on('mirage-retry', e => told.push(e))
      await clock.run(20_000)
      assert.ok(told.length > 2, told.length + ' attempts')
      broken = false
      await until('open', () => c.state === 'open', 25_000)
      c.disconnect()
    }
  })

  test(`query that hangs is told, tried again, and works again, on ${name}`, async () => {
    let broken = true
    const c = client({ transports: [name], query: () => broken ? new Promise(() => 0) : {} })
    const told = []
    c.on('mirage-retry', e => told.push(e))
    await until('told', () => told.length, 10_000)
    broken = false
    await until('open', () => c.state === 'open', 30_000)
  })

  test(`query that hangs ends with disconnect and connect, on ${name}`, async () => {
    let broken = true
    const c = client({ transports: [name], query: () => broken ? new Promise(() => 0) : {} })
    await clock.run(1000)
    c.disconnect()
    broken = false
    await clock.run(1000)
    c.connect()
    await open(c)
  })
}

test('a fetch that ignores its signal, and hangs, is tried again', async () => {
  let n = 0
  const c = client({ transports: ['sse'], fetch: (...a) => n++ ? server.fetch(...a) : new Promise(() => 0) })
  await until('open', () => c.state === 'open', 20_000)
})

// Debug output, options.

test('debug: true explains, and nothing is said without it', async () => {
  const quiet = client({ transports: ['sse'] })
  await open(quiet)
  quiet.disconnect()
  assert.equal(debug.mock.calls.length, 0)
  server.fault = () => 'lost'
  const c = client({ transports: ['sse'], debug: true })
  await clock.run(2000)
  server.fault = () => ''
  await open(c)
  c.send('x')
  await until('sent', () => c.waiting === 0)
  const lines = debug.mock.calls.map(call => call.arguments)
  assert.ok(lines.every(([first]) => first === 'mirage:'))
  const said = lines.map(l => l.join(' ')).join('\n')
  for (const word of ['sse', 'mirage-retry', 'mirage-state', 'network']) {
    assert.ok(said.includes(word), word + ' in\n' + said)
  }
})

test('an unknown option is warned of', () => {
  client({ transports: ['sse'], head: 1000, start: false })
  assert.equal(warned().length, 1)
  assert.match(warned()[0], /head/)
})

test('known options, also undefined ones, are not warned of', () => {
  client({
    mirage: '', query: {}, transports: ['sse'], storage: null, name: 'n', credentials: undefined, timeout: 1,
    fallbackAfter: 1, upgradeEvery: 1, maxDelay: 1, hidden: 'keep', messages: 1, bytes: 1, signal: undefined,
    abort: 'release', start: false, ackAfter: 'return', debug: false,
  })
  assert.deepEqual(warned(), [])
})

// Node with a WebSocket and nothing else.

test('WebSocket alone: why a handshake was refused is asked by fetch, before the next try', async () => {
  for (const [status, closes] of [[403, true], [410, true], [503, false]]) {
    renew()
    server.refused = true // a plain status, which a WebSocket hides
    const refuse = () => server.answer(status, { detail: 'because' }, { 'Retry-After': '7' })
    server.script = r => r.method === 'GET' ? refuse() : undefined
    const c = client({ transports: ['websocket'] })
    const told = [], closed = []
    c.on('mirage-retry', e => told.push(e))
    c.on('close', e => closed.push([e.code, e.reason]))
    await until('told', () => told.length + closed.length, 5000)
    if (closes) {
      assert.deepEqual(closed, [[4000 + status, 'because']])
    } else {
      assert.deepEqual([told[0].error.status, told[0].error.message, told[0].delay], [503, 'because', 7000])
      server.refused = false
      server.script = undefined
      await until('open', () => c.state === 'open', 8000)
    }
    c.disconnect()
  }
})

test('WebSocket alone: nobody is asked while it works, or by a client that has other transports', async () => {
  const c = client({ transports: ['websocket'] })
  await open(c)
  server.cut()
  await clock.run(20_000)
  server.refused = true
  const d = client({ transports: ['websocket', 'sse'] })
  await open(d)
  const asked = server.requests.filter(r => r.method === 'GET' && r.query._wait === '0')
  assert.deepEqual(asked, [])
})

test('WebSocket alone: a network that is away is retried as ever', async () => {
  const c = client({ transports: ['websocket'] })
  server.fault = () => 'lost'
  await clock.run(60_000)
  assert.equal(c.state, 'connecting')
  assert.ok(server.requests.length < 40)
  server.fault = () => ''
  await until('open', () => c.state === 'open', 21_000)
})
