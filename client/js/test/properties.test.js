// Whatever the server, the network and the page do, in any order: messages to the server
// are handled once and in order, or handed back; messages from it arrive once and in
// order, or are reported missing. Each seed is another run, and always the same one:
// SEED=7 runs only that, and logs it.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Mirage } from '../mirage.js'
import { socketTo } from './socket.js'
import { Wild, bare } from './wild.js'
import { Clock, Store, random } from './world.js'

const { SEED, SEEDS = 150 } = process.env
const bound = 20 // messages that may wait

// A Page is one client object, and adds what it is told to the world's story. A dead one
// gets and sends nothing.
class Page {
  unsettled = 0 // promises

  constructor(world, storage) {
    const page = this, { server, story } = world
    const Socket = socketTo(server)
    let posting = 0
    this.storage = storage
    this.client = new Mirage('http://mirage.test/live', {
      storage, messages: bound, transports: ['websocket', 'sse', 'poll'],
      WebSocket: class extends Socket {
        async open(request) { if (!page.dead) return super.open(request) }
        down(data) { if (!page.dead) super.down(data) }
        end(code, reason) { if (!page.dead) super.end(code, reason) }
        send(body) { if (!page.dead) super.send(body) }
      },
      async fetch(url, init) {
        if (page.dead) return new Promise(() => 0)
        if (init.method !== 'POST' || init.keepalive) return server.fetch(url, init)
        if (posting++) server.faults.push('two POSTs at once')
        try { return await server.fetch(url, init) } finally { posting-- }
      },
    })
    world.tell('page at', this.client.position)

    const listen = (type, f) => this.client.addEventListener(type, e => { if (!this.dead) f(e) })
    const epoch = () => this.client.position.split('-')[0]
    let now = epoch() // while a gap is told, the position is in the next epoch already
    listen('message', e => {
      const [in_, n] = e.lastEventId.split('-')
      now = in_
      story.push({ epoch: now, n: +n, text: e.data, again: e.again })
    })
    listen('mirage', () => { now ||= epoch() })
    for (const type of ['message', 'mirage', 'mirage-gap', 'mirage-state', 'mirage-transport']) {
      listen(type, ({ lastEventId, again, reason, from, to, state, transport }) => {
        world.tell(type, { lastEventId, again, reason, from, to, state, transport }, this.client.position)
      })
    }
    listen('mirage-gap', ({ from, to }) => {
      story.push({ epoch: now, from, to })
      now = epoch()
    })
    listen('mirage-returned', ({ messages, error }) => {
      for (const m of messages) world.returned.push({ text: bare(m.data), status: error.status, why: error.message })
    })
    listen('close', e => server.faults.push('closed: ' + e.code))
  }

  watch(promise, outcome = () => 0) {
    this.unsettled++
    promise.then(() => 0, e => e).then(error => { this.unsettled--; outcome(error) })
  }
}

class World {
  story = [] // {epoch, n, text, again} and {epoch, from, to}, as the pages were told
  returned = [] // {text, status, why}
  sent = [] // {text, id: the id of the page}
  lost = new Set() // texts that a crash may have taken
  promised = new Map() // text → undefined if accepted, or the error
  crashes = 0
  dead = new Set() // names of readers that crashed

  constructor(seed) {
    this.r = random(seed)
    this.clock = new Clock()
    this.restore = this.clock.install()
    Math.random = random(seed + 1_000_000)
    this.server = new Wild(this.clock, this.r)
    this.server.pieces = this.r
    this.server.handler = m => m.data.includes('fail')
    this.page = new Page(this, new Store())
  }

  pick(...of) { return of[Math.floor(this.r() * of.length)] }

  write() {
    const { client } = this.page
    const text = 'u' + (this.sent.length + 1) + this.pick('', '', '', '', '', ' fail', ' unfit')
    const { length } = client.queued(), full = e => assert.equal(e?.status, 429)
    assert.ok(length <= bound)
    if (length === bound) {
      assert.throws(() => client.send(text), { status: 429 })
      this.page.watch(client.emit('x', text), full)
      return
    }
    if (this.r() < 0.5) client.send(text)
    else this.page.watch(client.emit('x', text), error => this.promised.set(text, error))
    this.sent.push({ text, id: client.id })
  }

  // random steps
  happen() {
    const { server, page } = this
    const x = this.r()
    this.tell('happen', x)
    if (x < 0.25) server.cut()
    else if (x < 0.45) page.watch(page.client.use(this.pick('websocket', 'sse', 'poll', undefined)))
    else if (x < 0.52) this.reload()
    else if (x < 0.56) this.crash()
    else if (x < 0.63) server.restart()
    else if (x < 0.68) server.restart(this.pick('ann', 'bob'))
    else if (x < 0.74) server.trim()
    else if (x < 0.80) server.drain()
    else if (x < 0.88) server.hard = this.r()
    else if (x < 0.94) server.hard = 0
    else if (x < 0.97) page.client.disconnect()
    else page.client.connect()
  }

  tell(...what) { if (SEED) console.log(this.clock.now - 1_000_000, ...what) }

  reload() {
    this.page.client.disconnect()
    this.page = new Page(this, new Store(this.page.storage)) // the old one cannot write into the new storage
  }

  crash() {
    const { page } = this
    this.crashes++
    this.server.cut()
    this.dead.add(this.server.requests.findLast(r => r.query._cid).query._cid)
    page.dead = true
    const storage = new Store(page.storage)
    const kept = [...storage.values()].flatMap(text => JSON.parse(text).queue).map(m => m.d)
    for (const m of page.client.queued()) if (!kept.includes(m.data)) this.lost.add(bare(m.data))
    this.story.push('crash')
    this.page = new Page(this, storage)
  }

  async run() {
    const { r, clock, server } = this
    const rate = r() * 0.2, every = 20 + 80 * r()
    let rough = true
    server.fault = () => {
      const x = r()
      return !rough ? '' : x < rate ? 'lost' : x < 2 * rate ? 'unanswered'
        : x < 2.4 * rate ? 'cut' : x < 2.5 * rate ? 'hole' : ''
    }
    const often = (f, ms) => {
      const again = () => { if (rough) { f(); clock.add(again, 2 * ms * r()) } }
      again()
    }

    let down = 0
    often(() => this.write(), every)
    often(() => r() < 0.1 ? server.forHer() : server.send('d' + ++down), every)
    often(() => this.happen(), 500)
    await clock.run(12_000)

    rough = false
    server.hard = 0
    this.page.client.connect()
    server.send('last')
    this.quiet = await clock.run(120_000, () =>
      !this.page.client.bufferedAmount && !this.page.unsettled && this.story.at(-1)?.text === 'last')
    await clock.run(30_000) // a poll that nobody waits for has ended, too
  }

  // wrong returns the violations.
  wrong() {
    const { server, sent, story, returned } = this
    const wrong = [...server.faults]
    const check = (ok, ...what) => { if (!ok) wrong.push(what.join(' ')) }
    const { client, unsettled } = this.page
    check(this.quiet, 'not quiet:', client.state, client.transport, client.bufferedAmount, unsettled,
      JSON.stringify(story.at(-1)))
    const open = [...server.links.values()].filter(l => l.push && !this.dead.has(l.cid)).length
    check(open <= 1, open, 'links are open')

    // up
    const calls = group(server.calls), back = group(returned)
    let before = -1
    for (const { text } of dedupe(server.calls)) {
      const i = sent.findIndex(s => s.text === text)
      check(i > before, text, 'was called after', sent[before]?.text)
      before = i
    }
    for (const { text, id } of sent) {
      const called = calls.get(text) ?? [], handed = back.get(text) ?? []
      check(called.length || handed.length || this.lost.has(text), text, 'is lost')
      check(handed.length <= 1 || this.crashes, text, 'was handed back twice')
      for (const [i, c] of called.entries()) {
        check(!id || c.id === id, text, 'was written as', id, 'and delivered as', c.id)
        check(!i || c.again && c.life !== called[i - 1].life, text, 'was called again, not flagged')
      }
      for (const { status, why } of handed) {
        const right = status === 500 ? text.includes('fail') && called.length
          : status === 413 ? text.includes('unfit') && !called.length
            : why === 'the id has changed'
        check(right, text, 'was handed back:', status, why)
      }
      if (!this.promised.has(text)) continue
      const error = this.promised.get(text)
      check(error ? handed.length : called.length, text, error ? 'failed and was not handed back' : 'was not handled')
    }

    // down
    const covered = group(server.lives.map(({ epoch }) => ({ text: epoch })))
    const at = {} // epoch → up to where all is told
    for (const [epoch] of covered) covered.set(epoch, new Map())
    for (const e of story) {
      if (e === 'crash') {
        for (const k in at) at[k] = -Infinity
        continue
      }
      const seen = covered.get(e.epoch)
      if (e.text) {
        check(e.n > (at[e.epoch] ?? 0), e.epoch, e.n, 'came after', at[e.epoch])
        check(!seen.has(e.n) || e.again, e.epoch, e.n, 'came twice')
        check(!e.again || this.crashes, e.epoch, e.n, 'was flagged')
        const { log } = server.lives.find(l => l.epoch === e.epoch)
        check(log[e.n - 1] === `data: ${e.text}\n\n`, e.epoch, e.n, 'is', e.text)
        seen.set(e.n, e)
        at[e.epoch] = e.n
      } else {
        check(e.from > (at[e.epoch] ?? 0), e.epoch, 'a gap from', e.from, 'after', at[e.epoch])
        for (let n = e.from; n <= (e.to ?? 1e4); n++) if (!seen.has(n)) seen.set(n, e)
        at[e.epoch] = e.to ?? Infinity
      }
    }
    for (const { epoch, log } of server.lives) {
      if (!(epoch in at)) continue // nobody was there
      for (const [i, block] of log.entries()) {
        check(block === '\n' || covered.get(epoch).has(i + 1), epoch, i + 1, 'is missing')
      }
    }
    return wrong
  }
}

const group = all => {
  const by = new Map()
  for (const e of all) by.set(e.text, [...by.get(e.text) ?? [], e])
  return by
}
const dedupe = all => [...new Map(all.toReversed().map(e => [e.text, e])).values()].reverse()

const worlds = SEED ? [+SEED] : Array.from({ length: SEEDS / 3 }, (_, i) => i + 1)
test(`D1, D2, D3, U1, U2, U3, X1, X2: ${worlds.length} wild worlds`, async t => {
  const happened = { calls: 0, again: 0, returned: 0, failed: 0, unfit: 0, gaps: 0, flagged: 0, crashes: 0 }
  for (const seed of worlds) {
    const world = new World(seed)
    try {
      await world.run()
      assert.deepEqual(world.wrong(), [], 'seed ' + seed)
      happened.calls += world.server.calls.length
      happened.again += world.server.calls.filter(c => c.again).length
      happened.returned += world.returned.length
      happened.failed += world.returned.filter(m => m.status === 500).length
      happened.unfit += world.returned.filter(m => m.status === 413).length
      happened.gaps += world.story.filter(e => e.from).length
      happened.flagged += world.story.filter(e => e.again).length
      happened.crashes += world.crashes
    } finally {
      world.page.client.disconnect()
      world.server.cut()
      await world.clock.run(50)
      world.restore()
    }
  }
  for (const [what, n] of Object.entries(happened)) assert.ok(SEED || n > 0, what + ' never happened')
  t.diagnostic(JSON.stringify(happened))
})
