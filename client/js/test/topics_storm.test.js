// Rooms under random faults: each message of a topic arrives once and in order, and texts
// that grow are whole. Each seed is another run, and always the same one: SEED=7 runs
// only that.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Mirage } from '../mirage.js'
import { Rooms } from './rooms.js'
import { socketTo } from './socket.js'
import { Clock, random } from './world.js'

const { SEED, SEEDS = 150 } = process.env

const ALL = ['websocket', 'sse', 'poll']
const sequence = (from, to) => Array.from({ length: to - from + 1 }, (_, i) => from + i)

// A World has a client with rooms a, b and c, and a topic that the server joined.
class World {
  got = { a: [], b: [], c: [], '~w': [], session: [] } // numbers, as they came
  last = { a: 0, b: 0, c: 0, '~w': 0, session: 0, up: 0, price: 0 }
  texts = [] // of growing messages: what the server wrote
  grown = new Map() // key → what the listeners put together
  prices = []

  constructor(seed) {
    this.r = random(seed)
    this.clock = new Clock()
    this.restore = this.clock.install()
    Math.random = random(seed + 1_000_000)
    const server = this.server = new Rooms(this.clock)
    server.pieces = this.r
    server.merge = this.r() < 0.7
    const ackAfter = this.pick('return', 'promise')
    const c = this.client = new Mirage('http://mirage.test/live', {
      fetch: server.fetch, WebSocket: socketTo(server), storage: null, maxDelay: 3000, ackAfter,
      transports: this.pick(ALL, ALL, ['websocket'], ['sse'], ['poll']),
    })
    server.joinSession('~w')
    c.on('message', (data, e) => this.note(e.topic || 'session', data))
    c.on('close', e => server.faults.push('closed: ' + e.code + e.reason))
    this.publish('a')
    this.a = this.join('a', 'start')
    this.b = this.join('b', 'start')
    this.c = this.join('c', 'start')
    this.a.on('price', price => this.prices.push(price))
    this.a.on('answer', ({ key, piece, text }) => {
      const before = piece === text ? '' : this.grown.get(key)
      this.grown.set(key, before + piece)
      assert.equal(before + piece, text)
    })
  }

  pick(...of) { return of[Math.floor(this.r() * of.length)] }

  // note takes a message. Its listener takes some time if the client waits for that.
  note(name, data) {
    this.got[name].push(+data)
    if (this.client && this.r() < 0.3) return new Promise(done => this.clock.add(done, 500 * this.r()))
  }

  join(name, from) {
    const room = this.client.join(name, { from })
    room.on('message', data => this.got[name].push(+data))
    room.on('message', () => new Promise(done => this.clock.add(done, 300 * this.r())))
    return room
  }

  publish(name) { this.server.publish(name, '' + ++this.last[name]) }

  grow() {
    let n = this.texts.length - 1
    if (n < 0 || this.texts[n].done || this.r() < 0.1) n = this.texts.push({ text: '', done: false }) - 1
    const piece = this.pick('a', 'é', '漢字', '🎉', '\r\n', '\0', '', 'word '.repeat(20)), done = this.r() < 0.1
    this.texts[n].text += piece
    this.texts[n].done = done
    this.server.grow('a', 'answer', 'k' + n, piece, done)
  }

  act() {
    const x = this.r(), { server, client } = this
    if (x < 0.2) this.publish(this.pick('a', 'b', '~w'))
    else if (x < 0.4) this.grow()
    else if (x < 0.45) server.publish('a', '' + ++this.last.price, { event: 'price', key: 'p' })
    else if (x < 0.55) server.send('' + ++this.last.session)
    else if (x < 0.62) client.send('' + ++this.last.up)
    else if (x < 0.75) this.publish('c')
    else if (x < 0.8) server.cut()
    else if (x < 0.84) client.use(this.pick(...client.transports, undefined)).catch(() => 0)
    else if (x < 0.88) this.rejoin()
    else if (x < 0.9) {
      client.disconnect()
      client.connect()
    } else if (x < 0.95) {
      const odds = this.r() * 0.5
      server.fault = () => this.r() < odds ? this.pick('lost', 'unanswered', 'cut', 'hole') : ''
    } else if (x < 0.97) {
      server.fault = () => ''
    } else {
      const status = this.pick(429, 503)
      server.refuse = () => this.r() < 0.5 ? { status, reason: 'later', retry: this.pick(undefined, 1000) } : undefined
    }
  }

  // rejoin leaves c and joins it again, sometimes in one task.
  rejoin() {
    if (this.c.state === 'left') return
    this.c.leave()
    this.got.c = []
    if (this.r() < 0.5) this.c = this.join('c', 'start')
    else this.clock.add(() => { this.c = this.join('c', 'start') }, 2000 * this.r())
  }

  async run() {
    for (let i = 0; i < 150; i++) {
      this.act()
      await this.clock.run(this.pick(0, 0, 1, 10, 100, 1000, 5000))
    }
    this.server.fault = () => ''
    this.server.refuse = () => undefined
    await this.clock.run(60_000) // what was asked to come back late does
    this.grow()
    for (const name of ['a', 'b', 'c', '~w']) this.publish(name)
    const { got, last, server } = this
    const all = () => ['a', 'b', 'c', '~w', 'session'].every(name => (got[name].at(-1) ?? 0) === last[name])
      && this.text(this.texts.length - 1) === this.texts.at(-1).text && server.got.length === last.up
    assert.ok(await this.clock.run(120_000, all), 'something is missing: ' + JSON.stringify([got, last]))
    await this.clock.run(5000)
    this.check()
    this.client.disconnect()
    await this.clock.run(1000)
  }

  text(n) { return this.a.text('k' + n) }

  check() {
    const { got, last, server } = this
    for (const name of ['a', 'b', '~w', 'session']) assert.deepEqual(got[name], sequence(1, last[name]), name)
    // What was under way when c was joined again may come before the rest.
    const c = got.c.slice(got.c.lastIndexOf(Math.min(...got.c)))
    assert.deepEqual(c, sequence(c[0], last.c), 'c')
    this.texts.forEach(({ text }, n) => {
      assert.equal(this.text(n), text)
      assert.equal(this.grown.get('k' + n) ?? '', text)
    })
    assert.deepEqual(this.prices, [...new Set(this.prices)].sort((a, b) => a - b))
    assert.equal(this.prices.at(-1) ?? 0, last.price)
    assert.deepEqual(server.got.map(m => +m.data), sequence(1, last.up))
    for (const room of [this.a, this.b, this.c]) {
      assert.equal(room.state, 'joined')
      assert.equal(room.position, server.topic(room.topic).at())
      assert.equal(server.acked.get(server.topic(room.topic).beginning), server.topic(room.topic).log.length)
    }
    assert.deepEqual(server.faults, [])
  }
}

for (const seed of SEED ? [+SEED] : sequence(1, Math.ceil(SEEDS / 5))) {
  test('T3, T4, M2: seed ' + seed, async () => {
    const world = new World(seed)
    try { await world.run() } finally { world.restore() }
  })
}
