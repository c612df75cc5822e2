// On a server, as in a server render: importing and constructing do nothing. And where
// JavaScript has less than a browser.

import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { afterEach, test } from 'node:test'
import { promisify } from 'node:util'
import { Mirage } from '../mirage.js'
import { client, clock, server, until } from './stage.js'

const module = new URL('../mirage.js', import.meta.url).href

// run runs a program in a Node of its own, which has to end by itself.
async function run(program) {
  const flags = ['--input-type=module', '--eval', program]
  const { stdout, stderr } = await promisify(execFile)(process.execPath, flags, { timeout: 20_000 })
  assert.equal(stderr, '')
  return stdout.trim()
}

const names = ['document', 'location', 'origin']
afterEach(() => { for (const name of names) delete globalThis[name] })

test('a relative URL on a server: constructing does nothing', async () => {
  for (const url of ['/live', 'live', '../live', '//mirage.test/live', '?room=1']) {
    const c = new Mirage(url, { fetch: server.fetch, transports: ['sse'] })
    const { state, readyState, id, transport, position, waiting } = c
    assert.equal(c.url, url)
    assert.deepEqual([state, readyState, id, transport, position, waiting], ['connecting', 0, '', '', '', 0])
    await clock.run(10_000)
    assert.deepEqual([server.requests.length, clock.timers.length], [0, 0])
  }
})

test('a relative URL on a server: connect() says what is wrong, and nothing else throws', async () => {
  const c = new Mirage('/live', { fetch: server.fetch, WebSocket: class { constructor() { assert.fail() } } })
  const told = []
  c.on('mirage-state', e => told.push(e.state))
  c.on('message', () => 0)
  c.once('open', () => 0)
  c.onclose = () => told.push('close')
  c.subscribe(() => 0)()
  assert.deepEqual(c.queued(), [])
  assert.throws(() => c.connect(), e => e instanceof TypeError && e.message.includes('/live') && /page/.test(e.message))
  await c.use('poll')
  c.send('x')
  c.emit('say', 1).catch(() => 0)
  assert.equal(c.waiting, 2)
  c.disconnect()
  c.release()
  await c.close()
  assert.deepEqual(told, ['paused', 'closing', 'closed', 'close'])
  await clock.run(10_000)
  assert.equal(server.requests.length, 0)
})

test('an absolute URL with start: false on a server: nothing until connect()', async () => {
  const c = client({ start: false, transports: ['sse'] })
  await clock.run(10_000)
  assert.deepEqual([server.requests.length, clock.timers.filter(t => t.on).length], [0, 0])
  c.connect()
  await until('open', () => c.state === 'open')
})

test('in a page, and in a worker, the same program connects', async () => {
  for (const globals of [
    { document: Object.assign(new EventTarget(), { baseURI: 'http://mirage.test/a/page' }) },
    { location: { href: 'http://mirage.test/a/worker.js' } },
  ]) {
    Object.assign(globalThis, globals)
    const c = new Mirage('../live', { fetch: server.fetch, transports: ['sse'], storage: null })
    assert.equal(c.url, 'http://mirage.test/live')
    await until('open', () => c.state === 'open')
    c.disconnect()
    for (const name in globals) delete globalThis[name]
  }
})

test('importing, constructing and rendering in Node: the process ends', async () => {
  assert.equal(await run(`
    const before = process.getActiveResourcesInfo().length
    const { default: Mirage } = await import('${module}')
    const client = new Mirage('/live')
    const other = new Mirage('http://127.0.0.1:1/live', { start: false })
    const html = [client, other].map(c => '<p>' + c.state + c.stalled + c.waiting + '</p>').join('')
    client.release()
    console.log(html)
  `), '<p>connecting0</p><p>connecting0</p>')
})

test('a program that has released its client ends', async () => {
  assert.equal(await run(`
    import { createServer } from 'node:http'
    const { Mirage } = await import('${module}')
    const hello = JSON.stringify({ id: 'x', previous: '', mirage: '', reader: 'r', link: 't', resumed: false,
      reason: 'new', lost: null, sent: 0, accepted: 0, heartbeat: 15000 })
    const server = createServer((q, s) => {
      q.resume()
      s.writeHead(200, { 'Content-Type': q.method === 'GET' ? 'text/event-stream' : 'application/json' })
      if (q.method === 'GET') s.write('event: mirage\\ndata: ' + hello + '\\nid: e-0\\n\\n')
      else s.end('{"accepted":1}')
    }).listen(0, '127.0.0.1', () => {
      const client = new Mirage('http://127.0.0.1:' + server.address().port + '/live', { transports: ['sse'] })
      client.on('open', async () => {
        await client.emit('say', 1)
        client.release()
        server.close()
        server.closeAllConnections()
        console.log(client.state)
      })
    })
  `), 'paused')
})

test('without EventTarget: importing works, and constructing says what is missing', async () => {
  assert.equal(await run(`
    delete globalThis.EventTarget
    const { Mirage } = await import('${module}')
    try { new Mirage('http://127.0.0.1:1/live') } catch (e) { console.log(e.name + ': ' + e.message) }
  `), 'TypeError: mirage.js needs a polyfill of EventTarget')
})

// As React Native's: an answer has text() and no body.
const whole = async (...call) => {
  const answer = await server.fetch(...call)
  return {
    status: answer.status, headers: answer.headers, redirected: false, url: '',
    text: () => answer.text(), json: () => answer.json(),
  }
}

test('a fetch without body streams: long-poll by text(), both ways', async () => {
  const c = client({ fetch: whole, transports: ['sse', 'poll'] })
  const got = []
  c.on('message', data => got.push(data))
  c.send('up')
  await until('open', () => c.state === 'open', 5000)
  assert.equal(c.transport, 'poll')
  for (const text of ['a', 'é\r\0', 'c']) {
    server.log.push(`encoding: base64\ndata: ${Buffer.from(text).toString('base64')}\n\n`)
    for (const l of server.links.values()) l.push?.()
    await clock.run(100)
  }
  await until('all', () => got.length === 3 && c.waiting === 0)
  assert.deepEqual([got, server.got.map(m => m.data)], [['a', 'é\r\0', 'c'], ['up']])
})

test('a fetch without body streams, and no transport but the stream: closed, with the reason', async () => {
  const c = client({ fetch: whole, transports: ['sse'] })
  let closed
  c.on('close', e => { closed = [e.code, e.reason] })
  // The answer would come when the stream has ended.
  await until('closed', () => closed, 30_000)
  assert.deepEqual(closed, [4501, 'fetch() cannot stream here'])
})

test('a fetch without body streams: refusals are read all the same', async () => {
  server.script = () => server.answer(403, { detail: 'not you' })
  const c = client({ fetch: whole, transports: ['poll'] })
  let closed
  c.on('close', e => { closed = [e.code, e.reason] })
  await until('closed', () => closed, 5000)
  assert.deepEqual(closed, [4403, 'not you'])
})
