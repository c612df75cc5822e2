// src/backoff.js and src/options.js by themselves.

import assert from 'node:assert/strict'
import { afterEach, beforeEach, test } from 'node:test'
import { delayAfterRefusal, delayBefore, sleep } from '../src/backoff.js'
import { complete, defaults, noTransport } from '../src/options.js'
import { Clock, random } from './world.js'

let clock, restore
beforeEach(() => {
  clock = new Clock()
  restore = clock.install()
})
afterEach(() => restore())

// bounds are the least and the greatest of many delays.
function bounds(attempt, error, maxDelay = 20_000, quick = false) {
  Math.random = random(attempt)
  const all = Array.from({ length: 3000 }, () => delayBefore(attempt, error, maxDelay, quick))
  return [Math.min(...all), Math.max(...all)]
}
function near(value, expected, what) {
  assert.ok(Math.abs(value - expected) <= expected * 0.02 + 5, `${what}: ${value}, not ${expected}`)
}
const NETWORK = {}

test('full jitter: from nothing to a bound that doubles up to maxDelay', () => {
  const doubled = [[0, 500], [1, 1000], [2, 2000], [3, 4000], [4, 8000], [5, 16_000]]
  for (const [attempt, bound] of [...doubled, [6, 20_000], [7, 20_000], [50, 20_000], [2000, 20_000]]) {
    const [least, most] = bounds(attempt, NETWORK)
    assert.ok(least >= 0 && least < 0.01 * bound, 'least before attempt ' + attempt)
    near(most, bound, 'most before attempt ' + attempt)
    assert.ok(most <= bound)
  }
})

test('maxDelay bounds it', () => {
  for (const maxDelay of [0, 100, 1000, 60_000]) near(bounds(20, NETWORK, maxDelay)[1], maxDelay, 'most')
  for (const maxDelay of [0, 100, 1000]) assert.ok(bounds(20, { foreign: true }, maxDelay)[1] <= maxDelay)
})

test('quick: below a second however often, if the network is to blame', () => {
  for (const error of [NETWORK, { status: 0 }, { status: undefined }, { status: 502 }, { status: 504 }]) {
    for (const attempt of [1, 5, 100]) assert.ok(bounds(attempt, error, 20_000, true)[1] <= 1000, JSON.stringify(error))
    near(bounds(1, error, 20_000, true)[0], 400, 'not all at once, and not in a row')
  }
  for (const status of [429, 500, 503, 401, 404]) {
    const error = { status, foreign: status === 404 }
    assert.ok(bounds(5, error, 20_000, true)[1] > 5000, JSON.stringify(error))
  }
})

test('quick: maxDelay bounds it, too', () => {
  assert.ok(bounds(5, NETWORK, 100, true)[1] <= 100)
})

test('the server\'s own word counts first', () => {
  for (const error of [{ retry: 7000 }, { retry: 7000, status: 503 }, { retry: 7000, foreign: true }]) {
    for (const quick of [true, false]) assert.deepEqual(bounds(3, error, 1000, quick), [7000, 7000])
  }
})

test('a gateway that refuses: once soon, so that it is told, then seldom, and spread', () => {
  assert.ok(bounds(1, { status: 403, foreign: true })[1] <= 1000)
  for (const attempt of [2, 3, 30]) {
    const [least, most] = bounds(attempt, { status: 403, foreign: true })
    near(least, 4000, 'least')
    near(most, 8000, 'most')
  }
})

test('after a refusal: the server\'s word at least, doubled up to maxDelay, and spread', () => {
  for (const [attempt, retry, maxDelay, least, most] of [
    [1, undefined, 20_000, 500, 750], [1, 0, 20_000, 500, 750], [3, undefined, 20_000, 2000, 3000],
    [1, 2000, 20_000, 2000, 3000], [2, 2000, 20_000, 4000, 6000], [5, 2000, 20_000, 20_000, 20_000],
    [1, 60_000, 20_000, 60_000, 60_000], [9, 60_000, 20_000, 60_000, 60_000], [1, 1e9, 20_000, 3_600_000, 3_600_000],
    [5000, undefined, 100, 100, 100],
  ]) {
    const all = Array.from({ length: 1000 }, () => delayAfterRefusal(attempt, retry, maxDelay))
    near(Math.min(...all), least, `least of ${attempt}, ${retry}`)
    near(Math.max(...all), most, `most of ${attempt}, ${retry}`)
    assert.ok(Math.min(...all) >= least && Math.max(...all) <= most)
  }
})

test('sleep: as long as asked, unless it is woken', async () => {
  let done, wake
  sleep(1000).then(() => { done = clock.now })
  const began = clock.now
  await clock.run(2000, () => done)
  assert.equal(done - began, 1000)

  done = 0
  sleep(1e6, f => { wake = f }).then(() => { done = clock.now })
  await clock.run(500)
  assert.equal(done, 0)
  wake()
  wake()
  assert.ok(await clock.run(0, () => done))
  assert.equal(clock.timers.filter(t => t.on).length, 0)
})

test('options: the defaults, the given ones, and undefined ones', () => {
  for (const none of [undefined, null, {}, { timeout: undefined, transports: undefined }]) {
    assert.deepEqual(complete(none), defaults)
  }
  const given = Object.freeze({ timeout: 1, hidden: 0, start: false, mirage: '', query: null, ackAfter: 'promise' })
  assert.deepEqual(complete(given), { ...defaults, ...given })
})

test('options: nothing is shared between clients', () => {
  const a = complete(), given = { transports: ['sse'] }
  assert.notEqual(a.transports, defaults.transports)
  a.transports.push('x')
  a.timeout = 1
  assert.deepEqual(complete(), defaults)
  assert.notEqual(complete(given).transports, given.transports)
  assert.deepEqual(defaults.transports, ['websocket', 'sse', 'poll'])
})

test('options: the transports that there are, in the order given', () => {
  assert.deepEqual(complete({ transports: ['poll', 'pigeon', 'sse'] }).transports, ['poll', 'sse'])
  for (const transports of [[], ['pigeon'], ['SSE']]) {
    assert.throws(() => complete({ transports }), /no such transport.*websocket,sse,poll/)
  }
  assert.match(noTransport().message, /websocket/)
})

test('options: the defaults that docs/client.md has', () => {
  assert.deepEqual(defaults, {
    transports: ['websocket', 'sse', 'poll'], timeout: 5000, fallbackAfter: 1500,
    upgradeEvery: 300_000, maxDelay: 20_000, hidden: 'keep', messages: 256, bytes: 1_048_576,
    abort: 'release', start: true, ackAfter: 'return', debug: false,
  })
})
