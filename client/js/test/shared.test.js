// What the entry points for React, Svelte and Vue have in common. The frameworks
// themselves are tested in a browser: see e2e/frameworks_test.go.

import assert from 'node:assert/strict'
import { afterEach, beforeEach, test } from 'node:test'
import { hold, obtain as get, statusOf } from '../shared.js'

const task = () => new Promise(done => setTimeout(done))
const asked = [] // the queries of all links
const clients = new Set()
let tests = 0, url

function obtain(url, options) {
  const entry = get(url, options)
  clients.add(entry.client)
  return entry
}

// fetch records what is asked, and never answers.
const options = more => ({
  transports: ['sse'],
  fetch: (url, { signal }) => new Promise((_, no) => {
    asked.push(new URL(url).searchParams.get('mark'))
    signal.addEventListener('abort', () => no(signal.reason))
  }),
  ...more,
})

beforeEach(() => {
  globalThis.window = globalThis // as in a page
  asked.length = 0
  url = 'http://localhost/' + ++tests
})
afterEach(() => { // otherwise the process does not end after a failure
  for (const client of clients) client.disconnect()
})

test('one client for each URL and name', () => {
  const { client } = obtain(url, options())
  assert.equal(obtain(url, options()).client, client)
  assert.equal(obtain(new URL(url), options()).client, client)
  assert.notEqual(obtain(url + '?room=1', options()).client, client)
  assert.notEqual(obtain(url, options({ name: 'other' })).client, client)
})

test('a server render shares nothing', () => {
  delete globalThis.window
  assert.notEqual(obtain('/live', {}), obtain('/live', {}))
})

test('the client is connected while it has a user', async () => {
  const entry = obtain(url, options({ query: () => ({ mark: 'a' }) })), { client } = entry
  const states = []
  client.on('mirage-state', e => states.push(e.state))
  const one = hold(entry, { options: {} }), two = hold(entry, { options: {} })
  one()
  await task()
  assert.equal(client.state, 'connecting')

  two()
  hold(entry, { options: {} })() // in the same task
  const three = hold(entry, { options: {} })
  await task()
  assert.equal(client.state, 'connecting')
  three()
  await task()
  assert.deepEqual(states, ['paused'])

  const four = hold(entry, { options: {} })
  assert.deepEqual(states, ['paused', 'connecting'])
  four()
  await task()
})

test('a disconnect() of the application stays, whatever other components mount', async () => {
  const entry = obtain(url, options())
  const one = hold(entry, { options: {} })
  entry.client.disconnect()
  const two = hold(entry, { options: {} })
  assert.equal(entry.client.state, 'paused')
  one()
  two()
  await task()
})

test('the functions are those of the newest user that has them', async () => {
  const given = mark => ({ options: options({ query: () => ({ mark }) }) })
  const first = given('first'), second = given('second')
  const entry = obtain(url, first.options), { client } = entry
  const again = async () => {
    client.disconnect()
    await task()
    client.connect()
    await task()
  }
  const ends = [first, second, { options: {} }].map(user => hold(entry, user))
  await task()
  await again()
  assert.deepEqual(asked, ['first', 'second'])

  ends[1]()
  first.options = given('newer').options // as in a later render
  await again()
  assert.deepEqual(asked, ['first', 'second', 'newer'])
  ends[0]()
  ends[2]()
  await task()
})

test('with start: false the application connects', async () => {
  const given = options({ start: false }), entry = obtain(url, given)
  const end = hold(entry, { options: given })
  await task()
  assert.equal(asked.length, 0)
  entry.client.connect()
  await task()
  assert.equal(asked.length, 1)
  end()
  await task()
  assert.equal(entry.client.state, 'paused')
})

test('a client that was closed is replaced, and its users keep it', async () => {
  const entry = obtain(url, options())
  const end = hold(entry, { options: {} })
  await entry.client.close()
  const next = obtain(url, options())
  assert.notEqual(next, entry)
  assert.equal(next.client.state, 'connecting')
  end()
  await task()
  assert.equal(entry.client.state, 'closed')
})

test('of many clients without users, the oldest are evicted', async () => {
  const held = obtain(url + '/held', options())
  const end = hold(held, { options: {} })
  const all = Array.from({ length: 50 }, (_, i) => obtain(url + '/' + i, options()))
  assert.equal(obtain(url + '/held', options()), held)
  assert.equal(obtain(url + '/40', options()), all[40])
  assert.notEqual(obtain(url + '/0', options()), all[0])
  end()
  await task()
})

test('the status is the same object until it changes', async () => {
  const entry = obtain(url, options()), { client } = entry
  const status = statusOf(client)
  assert.deepEqual(status, { state: 'connecting', stalled: '', transport: '' })
  assert.equal(statusOf(client), status)
  client.disconnect()
  const paused = statusOf(client)
  assert.deepEqual(paused, { state: 'paused', stalled: '', transport: '' })
  assert.equal(statusOf(client), paused)
})

test('the first user does not start the client, and the second one does', async () => {
  const entry = obtain(url, options({ start: false }))
  const ends = [hold(entry, { options: { start: false } }), hold(entry, { options: {} })]
  await task()
  assert.equal(asked.length, 1)
  for (const end of ends) end()
  await task()
})
