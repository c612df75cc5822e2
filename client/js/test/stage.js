// The environment of each test in a file: a clock, a server, and clients, which it
// closes.

import assert from 'node:assert/strict'
import { afterEach, beforeEach } from 'node:test'
import { Mirage } from '../mirage.js'
import { socketTo } from './socket.js'
import { Clock, Server, random } from './world.js'

export let clock, server
let restore, clients

beforeEach(() => {
  clock = new Clock()
  restore = clock.install()
  Math.random = random(1)
  server = new Server(clock)
  clients = []
})
afterEach(async () => {
  for (const c of clients) c.disconnect()
  await clock.run(100)
  restore()
  assert.deepEqual(server.faults, [])
})

/** renew makes a new server, with nothing in it, and returns it. */
export function renew(Made = Server) {
  server = new Made(clock)
  return server
}

/** client opens one. */
export function client(options) {
  const c = new Mirage('http://mirage.test/live', {
    fetch: server.fetch, WebSocket: socketTo(server), storage: null, ...options,
  })
  clients.push(c)
  return c
}

/** until advances the time until done(). */
export const until = async (what, done, ms = 120_000) => assert.ok(await clock.run(ms, done), 'waited in vain: ' + what)
