// The last words of a page.

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
