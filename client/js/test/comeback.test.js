// How soon a client is back: while somebody looks at it and the network was there a
// minute ago, and later; after a freeze; and what a hidden page does.

import assert from 'node:assert/strict'
import { afterEach, beforeEach, test } from 'node:test'
import { html } from './gateway.js'
import { Page } from './page.js'
import { client, clock, renew, server, until } from './stage.js'
import { Store, random } from './world.js'

let page
beforeEach(() => { page = new Page() })
afterEach(() => page.remove())

function visitor(options) {
  const c = client({ transports: ['sse'], ...options })
  c.retries = []
  c.states = []
  c.on('mirage-retry', e => c.retries.push(e))
  c.on('mirage-state', e => c.states.push(e.state))
  return c
}
const open = c => until('open', () => c.state === 'open')
const attempts = () => server.requests.filter(r => r.method !== 'POST')
const KINDS = [['websocket'], ['sse'], ['poll'], ['websocket', 'sse', 'poll']]

// gaps are the milliseconds between attempts since a time, the first one's included.
function gaps(since, until = Infinity) {
  const at = [since, ...attempts().map(r => r.at).filter(t => t > since && t <= until)]
  return at.slice(1).map((t, i) => t - at[i])
}

// lose opens a client whose link has lasted, and takes its network away.
async function lose(c, fault) {
  await open(c)
  await clock.run(20_000)
  server.fault = () => fault
  server.cut()
  return clock.now
}

for (const transports of KINDS) {
  for (const fault of ['lost', 'hole']) {
    test(`the first minute, ${fault === 'hole' ? 'in a black hole' : 'refused'}, on ${transports}: `
      + 'attempts at most 1.5 s apart, and not too many', async () => {
      for (let seed = 1; seed < 4; seed++) {
        Math.random = random(seed)
        const c = visitor({ transports })
        const lost = await lose(c, fault)
        await clock.run(59_000)
        const all = gaps(lost)
        assert.ok(Math.max(...all) <= 1600, `seed ${seed}: ${Math.max(...all)} ms`)
        const rounds = all.length / (fault === 'hole' ? 1 : 2 * transports.length)
        assert.ok(rounds > 35 && rounds < 170, `seed ${seed}: ${all.length} attempts`)

        // Then seldom.
        await clock.run(30_000)
        const later = clock.now
        await clock.run(120_000)
        const n = gaps(later).length / transports.length
        assert.ok(n > 4 && n < 40, `seed ${seed}: ${n} attempts in two minutes`)
        server.fault = () => ''
        await until('back', () => c.state === 'open', 30_000)
        c.disconnect()
        renew()
      }
    })
  }

  for (const away of [1000, 5000, 30_000]) {
    test(`${away / 1000} s away: back within 1.6 s of the network, on ${transports}`, async () => {
      for (let seed = 1; seed < 4; seed++) {
        for (const fault of ['lost', 'hole']) {
          Math.random = random(seed)
          renew()
          const c = visitor({ transports })
          await lose(c, fault)
          await clock.run(away)
          const back = clock.now, hellos = server.count
          server.fault = () => ''
          await until('back', () => server.count > hellos, 60_000)
          assert.ok(clock.now - back < 1600, `seed ${seed}, ${fault}: ${clock.now - back} ms`)
          await until('open', () => c.state === 'open', 100)
          c.disconnect()
        }
      }
    })
  }

  test(`a black hole shows as reconnecting, and is told, on ${transports}`, async () => {
    const c = visitor({ transports })
    await lose(c, 'hole')
    await until('shown', () => c.state === 'reconnecting', 12_000)
    await until('told', () => c.retries.length, 12_000)
  })
}

test('a first attempt into a dead connection does not cost the transport', async () => {
  for (const [first, second] of [['websocket', 'sse'], ['sse', 'poll']]) {
    renew()
    const c = visitor({ transports: [first, second] })
    await open(c)
    await clock.run(20_000)
    let n = 0
    server.fault = () => n++ ? '' : 'hole'
    server.cut()
    const lost = clock.now, { count } = server
    await until('back', () => server.count > count, 2000)
    assert.ok(clock.now - lost < 1600, `${clock.now - lost} ms`)
    await clock.run(100)
    assert.equal(c.transport, first)
    c.disconnect()
  }
})

test('a hidden page is not quick', async () => {
  const c = visitor()
  await open(c)
  page.hide()
  const lost = await lose(c, 'lost')
  await clock.run(60_000)
  const all = gaps(lost)
  assert.ok(all.length < 15, all.length + ' attempts')
  assert.ok(Math.max(...all) > 3000)
})

test('a first visit is not quick: nobody has had a link', async () => {
  server.fault = () => 'lost'
  const c = visitor()
  await clock.run(60_000)
  assert.ok(attempts().length < 16, attempts().length + ' attempts')
  assert.equal(c.state, 'connecting')
})

test('a server that answers with a failure is not hurried', async () => {
  const c = visitor()
  await open(c)
  await clock.run(20_000)
  server.script = () => server.answer(500, { detail: 'broken' })
  server.cut()
  const lost = clock.now
  await clock.run(60_000)
  assert.ok(gaps(lost).length < 20, gaps(lost).length + ' attempts')
})

test('maxDelay bounds the pauses', async () => {
  for (const maxDelay of [2000, 60_000]) {
    renew()
    const c = visitor({ maxDelay })
    await open(c)
    page.hide()
    await lose(c, 'lost')
    await clock.run(1_200_000)
    const delays = c.retries.map(e => e.delay)
    assert.ok(Math.max(...delays) <= maxDelay)
    assert.ok(Math.max(...delays) > 0.8 * maxDelay)
    c.disconnect()
    page.show()
  }
})

test('maxDelay bounds the pauses of the way up, too', async () => {
  const c = visitor({ maxDelay: 2000 })
  await open(c)
  await clock.run(2000)
  server.fault = r => r.method === 'POST' ? 'lost' : ''
  c.send('x')
  await clock.run(120_000)
  assert.ok(Math.max(...c.retries.map(e => e.delay)) <= 2000)
  assert.ok(c.retries.length > 60)
})

for (const [what, act] of [
  ['emit', c => c.emit('x')],
  ['send', c => c.send('x')],
  ['a click', () => page.say('pointerdown')],
  ['a key', () => page.say('keydown')],
]) {
  test(`${what} hurries the next attempt, not more than once in a second`, async () => {
    const c = visitor({ maxDelay: 600_000 })
    await open(c)
    await lose(c, 'lost')
    await clock.run(600_000)
    await until('a pause', () => c.retries.at(-1).delay > 60_000, 6_000_000)
    await clock.run(5000)
    const before = attempts().length
    act(c)
    await clock.run(50)
    assert.ok(attempts().length > before, 'at once')
    for (let i = 0; i < 100; i++) {
      await clock.run(20)
      act(c)
    }
    assert.ok(attempts().length - before < 8, attempts().length - before + ' attempts in two seconds')
    await clock.run(2000)
    server.fault = () => ''
    act(c)
    await until('open', () => c.state === 'open', 100)
  })
}

test('what the server asked for with Retry-After is not hurried', async () => {
  const c = visitor()
  await open(c)
  await clock.run(20_000)
  server.script = () => server.answer(503, { detail: 'later' }, { 'Retry-After': '40' })
  server.cut()
  await until('asked', () => c.retries.length)
  const before = attempts().length
  for (let i = 0; i < 30; i++) {
    await clock.run(1000)
    c.send('x')
    page.say('pointerdown')
  }
  assert.equal(attempts().length, before)
  server.script = undefined
  await until('open', () => c.state === 'open', 11_000)
})

test('what the server asked for with a drain is not hurried', async () => {
  const c = visitor()
  await open(c)
  await clock.run(20_000)
  const [link] = server.links.values()
  link.write('event: mirage-drain\ndata: {"retry":30000}\n\n')
  clock.add(() => link.cut(), 1)
  await clock.run(100)
  for (let i = 0; i < 25; i++) {
    await clock.run(1000)
    c.send('x')
    page.say('pointerdown')
  }
  assert.equal(attempts().length, 1)
  await until('another link', () => attempts().length === 2, 6000)
})

test('Retry-After of long ago does not keep emit from hurrying', async () => {
  let n = 0
  server.script = () => n++ ? undefined : server.answer(503, { detail: 'later' }, { 'Retry-After': '2' })
  const c = visitor({ maxDelay: 600_000 })
  await open(c)
  await clock.run(20_000)
  Math.random = () => 0.99
  server.cut() // the first pause is half a second at most
  server.cut()
  await clock.run(100)
  assert.equal(attempts().length, 2)
  await clock.run(0)
  c.send('x')
  await clock.run(10)
  assert.equal(attempts().length, 3)
})

test('a close frame with a pause is not hurried', async () => {
  server.script = r => r.method === 'WS' ? server.answer(429, { detail: 'too many; retry in 30 s' }) : undefined
  const c = visitor({ transports: ['websocket'] })
  await until('asked', () => c.retries.length, 1000)
  assert.equal(c.retries[0].delay, 30_000)
  for (let i = 0; i < 20; i++) {
    await clock.run(1000)
    c.send('x')
  }
  assert.equal(attempts().length, 1)
})

// After a freeze the browser's connections are dead: the first requests into them hang.
for (const transports of [['websocket'], ['sse'], ['poll'], ['websocket', 'sse', 'poll']]) {
  for (const dead of [0, 1, 2, 3]) {
    test(`resume with ${dead} dead attempts: back in 3 s, on ${transports}`, async () => {
      const c = visitor({ transports })
      const got = []
      c.on('message', data => got.push(data))
      await open(c)
      await clock.run(20_000)
      for (const l of server.links.values()) l.push = l.write = null // the old link is dead, silently
      server.links.clear()
      let n = 0
      server.fault = r => r.method !== 'POST' && n++ < dead || r.method === 'POST' && !server.links.size ? 'hole' : ''
      server.send('meanwhile')
      page.document.dispatchEvent(new Event('resume'))
      const began = clock.now
      await until('back', () => got.length === 1, 60_000)
      assert.ok(clock.now - began < 3000, `${clock.now - began} ms`)
      assert.equal(c.state, 'open')
      assert.deepEqual(c.retries, [])
    })
  }
}

test('resume over a link that is alive: replaced without a break, and nothing twice', async () => {
  for (const transports of [['websocket'], ['sse'], ['poll']]) {
    renew()
    const c = visitor({ transports })
    const got = []
    c.on('message', data => got.push(data))
    await open(c)
    await clock.run(20_000)
    for (let i = 0; i < 10; i++) {
      page.document.dispatchEvent(new Event('resume'))
      server.send('m' + i)
      await clock.run(100 * i)
    }
    await clock.run(10_000)
    assert.deepEqual(got, Array.from({ length: 10 }, (_, i) => 'm' + i))
    assert.deepEqual(c.states, ['open'])
    c.disconnect()
  }
})

test('a tab that is shown again trusts a link that spoke within its heartbeat, and no other', async () => {
  const c = visitor()
  await open(c)
  await clock.run(20_000)
  page.hide()
  await clock.run(1000)
  page.show()
  await clock.run(1000)
  assert.equal(attempts().length, 1)
  page.hide()
  server.silent = true
  await clock.run(30_000)
  server.silent = false
  page.show()
  await until('another link', () => attempts().length === 2, 1000)
})

// A transport that worked is not given up because it came second after an outage.
for (const [worked, other] of [['websocket', 'sse'], ['sse', 'poll']]) {
  test(`${worked} that worked is not marked bad after an outage, and is tried again soon`, async () => {
    const storage = new Store()
    const c = visitor({ transports: [worked, other], storage })
    await open(c)
    await clock.run(20_000)
    assert.equal(c.transport, worked)
    // After an outage it is slower to work again than the other one.
    const isOther = r => worked === 'websocket' ? r.method !== 'WS' : '_wait' in r.query || r.method === 'POST'
    server.fault = r => isOther(r) ? '' : 'lost'
    server.cut()
    await until('the other', () => c.transport === other, 10_000)
    page.hide() // it stores
    page.show()
    assert.deepEqual(JSON.parse([...storage.values()][0]).bad, {})
    await clock.run(3000)
    server.fault = () => ''
    const now = clock.now
    await until(worked + ' again', () => c.transport === worked, 15_000)
    assert.ok(clock.now - now < 15_000)
  })
}

test('a transport that never worked is remembered, and tried again after upgradeEvery', async () => {
  const storage = new Store()
  server.refused = true
  const c = visitor({ transports: ['websocket', 'sse'], storage, upgradeEvery: 100_000 })
  await open(c)
  await clock.run(2000)
  server.send('x') // the client stores
  await clock.run(2000)
  assert.ok(JSON.parse([...storage.values()][0]).bad.websocket > Date.now())
  await clock.run(60_000)
  assert.equal(attempts().filter(r => r.method === 'WS').length, 1)
  server.refused = false
  await until('WebSocket', () => c.transport === 'websocket', 60_000)
})

for (const [hidden, after] of [['release', 0], [60_000, 60_000]]) {
  for (const name of ['websocket', 'sse', 'poll']) {
    test(`hidden: ${hidden}, on ${name}: paused after that long, and back when it is shown`, async () => {
      const storage = new Store()
      const c = visitor({ transports: [name], storage, hidden })
      const got = []
      c.on('message', data => got.push(data))
      await open(c)
      await clock.run(20_000)
      if (after) {
        page.hide()
        await clock.run(after - 1000)
        assert.equal(c.state, 'open')
        page.show() // the time starts over
        await clock.run(after)
        assert.equal(c.state, 'open')
      }
      page.hide()
      c.send('last')
      await until('paused', () => c.state === 'paused', after + 10)
      await clock.run(200)
      const n = server.requests.length
      c.send('while it slept')
      server.send('meanwhile')
      page.say('pointerdown')
      page.say('online')
      await clock.run(300_000)
      assert.equal(server.requests.length, n)
      assert.equal(c.state, 'paused')
      page.show()
      await until('all', () => got.length === 1 && c.waiting === 0, 5000)
      assert.equal(c.state, 'open')
      assert.deepEqual(server.got.map(m => m.data), ['last', 'while it slept'])
    })
  }
}

test('hidden: keep is the default, and keeps the link', async () => {
  const c = visitor()
  await open(c)
  page.hide()
  await clock.run(600_000)
  assert.equal(c.state, 'open')
  assert.equal(attempts().length, 1)
})

test('hidden: a page that begins hidden is released, too', async () => {
  page.document.hidden = true
  const c = visitor({ hidden: 10_000 })
  await open(c)
  await until('paused', () => c.state === 'paused', 20_000)
})

test('a gateway that refuses is retried slowly, also in the first minute', async () => {
  const c = visitor()
  await open(c)
  await clock.run(20_000)
  server.script = () => html(403)
  server.cut()
  const lost = clock.now
  await clock.run(60_000)
  assert.ok(gaps(lost).length < 20, gaps(lost).length + ' attempts')
})
