// The last messages of a page that ends.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { client, clock, server, until } from './stage.js'

const said = () => server.requests.filter(r => r.method === 'POST' && /"leaving":true/.test(r.body))

test('D7: a page on poll that ends says so, and keeps what it said', async () => {
  const c = client({ transports: ['poll'] })
  await until('open', () => c.state === 'open')
  await clock.run(50)
  c.disconnect() // as pagehide does
  await clock.run(50)
  assert.equal(said().length, 1)
  assert.ok(said()[0].headers['Mirage-Link'])
  assert.equal(said()[0].keepalive, true)
  c.connect()
  await until('open again', () => c.state === 'open')
  await c.send('x')
  assert.equal(said().length, 1)
})

test('D7: a page whose link the server sees end says nothing', async () => {
  for (const name of ['websocket', 'sse']) {
    const c = client({ transports: [name] })
    await until('open', () => c.state === 'open')
    await clock.run(5000)
    c.disconnect()
    await clock.run(50)
    assert.equal(said().length, 0)
  }
})

test('D7: a message too long for a request that outlives its page does not take the goodbye with it', async () => {
  for (const text of ['é'.repeat(40_000), '\n'.repeat(16_000)]) {
    const c = client({ transports: ['poll'] })
    await until('open', () => c.state === 'open')
    server.fault = r => r.method === 'POST' ? 'lost' : ''
    const before = said().length
    for (const line of text.match(/[^]{1,900}/g)) if (text[0] === '\n') c.send(line)
    if (text[0] !== '\n') c.send(text)
    c.disconnect()
    await clock.run(50)
    assert.equal(said().length, before + 1)
    const [body] = said().slice(-1).map(r => r.body)
    assert.ok(Buffer.byteLength(body) < 65_536, 'a body of ' + Buffer.byteLength(body))
    assert.ok(body.endsWith('\n\n'))
    assert.ok(c.queued().length > 0)
    server.fault = () => ''
  }
})
