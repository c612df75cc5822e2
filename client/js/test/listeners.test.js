// Listeners that call methods of the client that calls them.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { client, clock, renew, server, until } from './stage.js'

const types = [
  'mirage-transport', 'mirage-state', 'open', 'mirage', 'mirage-gap', 'message', 'named', 'mirage-drain',
  'mirage-returned', 'mirage-retry',
]

// life lets a client get every kind of event, and calls act in the first event of a type.
async function life(type, transports, act) {
  renew()
  const c = client({ transports })
  const story = []
  let acted = false
  for (const t of [...types, 'close']) {
    c.addEventListener(t, e => {
      story.push(t === 'mirage-state' ? 'state ' + e.state : t === 'message' ? e.data : t)
      if (t === type && !acted) {
        acted = true
        story.push('act')
        act(c, story)
      }
    })
  }
  const up = () => { try { c.send('up') } catch { /* closed */ } }
  up()
  server.send('d1')
  server.send('"d2"', 'named')
  server.send('d3')
  await clock.run(2000)
  server.restart()
  server.send('d1')
  server.send('d2')
  await clock.run(2000)
  for (const link of server.links.values()) link.write?.('event: mirage-drain\ndata: {"retry":100}\n\n')
  await clock.run(2000)
  server.fault = r => r.method === 'POST' ? 'lost' : ''
  up()
  await clock.run(50)
  server.id = 'somebody'
  server.fault = () => 'lost'
  server.cut()
  await clock.run(2000)
  server.fault = () => ''
  await clock.run(20_000)
  server.send('last')
  await clock.run(20_000)

  assert.ok(acted || type === 'mirage-drain' && transports[0] === 'poll', 'there was no ' + type)
  return { c, story }
}

for (const transports of [['websocket'], ['sse'], ['poll']]) {
  for (const type of types) {
    test(`close() in a listener of ${type}, on ${transports}`, async () => {
      const { c, story } = await life(type, transports, c => c.close())
      if (c.state !== 'closed') return // no drain on a poll
      const rest = story.slice(story.indexOf('state closed') + 1)
      assert.equal(rest.filter(x => x === 'close').length, 1, story.join())
      const told = ['close', 'mirage-returned', 'open', 'mirage'] // 'mirage' may come last
      assert.deepEqual(rest.filter(x => !told.includes(x)), [], story.join())
      const after = server.requests.length
      await clock.run(60_000)
      assert.equal(server.requests.length, after, 'requests of a closed client')
      assert.equal(clock.timers.filter(t => t.on).length, 0)
    })

    test(`disconnect() in a listener of ${type}, on ${transports}`, async () => {
      const { c, story } = await life(type, transports, c => c.disconnect())
      if (!story.includes('act')) return
      assert.equal(c.state, 'paused', story.join())
      assert.equal(story.filter(x => x === 'open').length, 1, story.join())
      const after = server.requests.length
      await clock.run(60_000)
      assert.equal(server.requests.length, after, 'requests of a paused client')
      assert.equal(clock.timers.filter(t => t.on).length, 0, 'timers of a paused client')
    })

    test(`disconnect() and connect() in a listener of ${type}, on ${transports}`, async () => {
      const { c, story } = await life(type, transports, c => { c.disconnect(); c.connect() })
      assert.equal(c.state, 'open', story.join())
      assert.equal(story.at(-1), 'last', story.join())
      assert.equal(story.filter(x => x === 'd3').length, 1, story.join())
      assert.equal(story.filter(x => x === 'open').length, 1, story.join())
    })
  }
}
