// mirage.js and a real server, which TestLive starts. It sends back every message. LIVE is its URL through a network that can be cut.

import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { createInterface } from 'node:readline'
import { beforeEach, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { Worker } from 'node:worker_threads'
import { Mirage } from '../mirage.js'
import { serve } from './served.js'
import { Store } from './world.js'

const { LIVE, CONTROL } = process.env
const control = async (what, query = '') => (await fetch(CONTROL + what + query, { method: 'POST' })).json()
const pause = ms => new Promise(done => setTimeout(done, ms))
const numbers = n => Array.from({ length: n }, (_, i) => String(i + 1))

async function until(what, done, ms = 15_000) {
  for (const end = Date.now() + ms; !await done();) {
    assert.ok(Date.now() < end, 'waited in vain for: ' + what())
    await pause(5)
  }
}

beforeEach(() => control('forget'))

// open opens a client that keeps what it is told. The next client with the same storage is the page after a reload.
function open(t, options, url = LIVE) {
  const c = new Mirage(url, options)
  c.told = []
  for (const type of ['error', 'mirage', 'mirage-gap', 'mirage-returned', 'close']) c.addEventListener(type, e => c.told.push(e))
  t.after(() => c.disconnect())
  return c
}

for (const transports of [['sse'], ['poll'], ['sse', 'poll']]) {
  test(`D1, U1, X1, X2: both ways over ${transports.join(' and ')}, cut and reloaded`, async t => {
    const storage = new Store(), got = [], flagged = []
    let c
    const load = () => {
      c = open(t, { transports, storage })
      c.on('message', (data, e) => (e.again ? flagged : got).push(data))
    }
    load()
    const all = 300
    for (let n = 1; n <= all; n++) {
      c.send(String(n))
      if (n % 50 === 0) await control('cut')
      if (n % 70 === 0 && transports[1]) c.use(transports[n / 70 % 2]).catch(() => 0)
      if (n % 110 === 0) {
        c.disconnect()
        load()
      }
      await pause(3)
    }
    await until(() => `${all}, got ${got.length}, ${c.state}, ${c.bufferedAmount} wait`, () => got.length >= all && !c.bufferedAmount)
    const { ids, up } = await control('look')
    assert.deepEqual(up, numbers(all))
    assert.deepEqual(got, numbers(all))
    assert.deepEqual(flagged, [])
    assert.deepEqual(ids, [c.id])
    assert.match(c.mirage, /^~/)
    assert.deepEqual(c.told.filter(e => e.type.startsWith('mirage-')), [])
    await c.close()
    assert.equal(storage.size, 0)
  })
}

for (const name of ['websocket', 'sse', 'poll']) {
  test(`U2: an answer for each message over ${name}`, async t => {
    const c = open(t, { transports: [name], storage: null })
    const outcomes = await Promise.allSettled([
      c.emit('say', 1), c.emit('refuse', 2), c.emit('say', 'x'.repeat(70_000)), c.emit('say', 4),
    ])
    assert.deepEqual(outcomes.map(o => o.reason?.status ?? o.status), ['fulfilled', 500, 413, 'fulfilled'])
    assert.deepEqual((await control('look')).up, ['1', '2', '4'])
  })
}

test('U3: the messages of an iterator, from before there was a link', async t => {
  const c = open(t, { storage: null })
  for (const n of numbers(20)) c.send(n)
  c.emit('named', { n: 21 })
  c.send(new Uint8Array([0, 13, 255]))
  const seen = []
  for await (const { type, data } of c) {
    seen.push(type === 'message' ? data : [type, data])
    if (seen.length === 22) break
  }
  assert.deepEqual([...new Uint8Array(seen.pop())], [0, 13, 255])
  assert.deepEqual(seen, [...numbers(20), ['named', '{"n":21}']])
})

test('D3, U1: a server that forgot all says so, once, and goes on', async t => {
  const c = open(t, { storage: null }), got = []
  c.on('message', data => got.push(data))
  c.send('before')
  await until(() => 'before', () => got.length === 1)
  await control('restart')
  await until(() => 'the gap', () => c.told.some(e => e.type === 'mirage-gap'))
  await c.emit('after')
  const gaps = c.told.filter(e => e.type === 'mirage-gap')
  assert.deepEqual(gaps.map(({ from, to, reason }) => [from, to, reason]), [[2, null, 'restarted']])
  assert.deepEqual((await control('look')).up, ['before', 'null'])
})

for (const name of ['websocket', 'sse', 'poll']) {
  test(`I11: a revoked id closes ${name}, with the reason`, async t => {
    const c = open(t, { transports: [name], storage: new Store() })
    await until(() => 'open', () => c.state === 'open')
    await control('revoke', '?id=' + c.id)
    await until(() => 'closed, is ' + c.state, () => c.state === 'closed')
    const { code, reason } = c.told.at(-1)
    assert.deepEqual([code, reason], [4410, 'the id was revoked'])
    assert.throws(() => c.send('x'))
  })
}

// load loads a page of the server's own origin. It returns the page's cookies, and a fetch and a
// WebSocket that send what a browser sends. Node does not show the Set-Cookie of a handshake.
async function load(t) {
  const { origin } = new URL(LIVE), page = origin + '/page'
  globalThis.origin = origin
  t.after(() => { delete globalThis.origin })
  const jar = new Map()
  const cookies = () => ({ Cookie: [...jar].map(pair => pair.join('=')).join('; ') })
  const browser = {
    async fetch(url, init) {
      const headers = { ...init?.headers, ...cookies() }
      if (init?.referrerPolicy === 'same-origin') headers.Referer = page
      const answer = await fetch(url, { ...init, headers })
      for (const cookie of answer.headers.getSetCookie()) jar.set(...cookie.split(';')[0].split('='))
      return answer
    },
    WebSocket: function (url) { return new WebSocket(url, { headers: { ...cookies(), Origin: origin } }) },
  }
  await browser.fetch(page)
  assert.equal(jar.size, 1)
  return { jar, browser }
}

for (const name of ['websocket', 'sse', 'poll']) {
  test(`I11: a client on ${name} names its last id in _was`, async t => {
    const { jar, browser } = await load(t)
    const c = open(t, { transports: [name], storage: null, ...browser }, LIVE + '?tab=' + name)
    const gets = async () => (await control('look')).gets?.filter(g => g.tab === name) ?? []
    await until(() => 'open', () => c.state === 'open')
    const first = c.id
    await control('cut')
    const begun = async () => (await gets()).filter(g => !g.follows)
    await until(() => 'the second link', async () => (await begun()).length > 1)
    assert.deepEqual((await begun()).map(g => g.was), [null, [first]])
    await until(() => 'open again', async () => name !== 'poll' || (await gets()).at(-1).follows)
    assert.equal(c.id, first)

    // Without the cookie the server makes a new visitor, even if a poll brings its link token.
    jar.clear()
    if (name === 'poll') {
      await control('send', '?n=1&id=' + first) // ends the poll that is under way
    } else {
      c.disconnect()
      c.connect()
    }
    await until(() => 'another id', () => c.id !== first)
    const stranger = (await gets()).find(g => !g.cookie)
    assert.deepEqual([stranger.was, stranger.follows], [[first], name === 'poll'])

    const { id } = c, { length } = await begun()
    c.disconnect()
    c.connect()
    await until(() => 'the last link', async () => (await begun()).length > length)
    assert.deepEqual((await begun()).at(-1).was, [id])
  })
}

// The server has Mirage at /307/live/ and at /301/live/, and redirects to these paths with that status.

serve({}) // module URLs with http are asked of the server

// withPaths notes the paths that fetch() and WebSocket are given.
function withPaths() {
  const paths = []
  const note = (method, url) => paths.push(`${method} ${new URL(url).pathname}`)
  return {
    paths,
    fetch(url, init) {
      note(init.method, url)
      return fetch(url, init)
    },
    WebSocket: function (url) {
      note('WS', url)
      return new WebSocket(url)
    },
  }
}

for (const status of [307, 301]) {
  const path = `/${status}/live`
  const url = new URL(path, LIVE)

  test(`a client that is redirected with ${status} is on a WebSocket soon`, async t => {
    const storage = new Store(), { paths, ...ways } = withPaths()
    const c = open(t, { storage, ...ways }, url), got = []
    c.on('message', data => got.push(data))
    c.send('a')
    await until(() => 'a WebSocket, is ' + c.transport, () => c.transport === 'websocket', 5000)
    await until(() => 'the echo', () => got.length === 1)
    assert.deepEqual(paths.filter(p => !p.startsWith('POST')), ['WS ' + path, 'GET ' + path, `WS ${path}/`])
    const { ids, up } = await control('look')
    assert.deepEqual(ids, [c.id], 'one session')
    assert.deepEqual(up, ['a'])

    paths.length = 0
    await control('cut')
    await c.emit('say', 'b')
    assert.equal(c.transport, 'websocket')
    assert.deepEqual([...new Set(paths)], [`WS ${path}/`])
    assert.deepEqual(c.told.map(e => e.type), ['mirage'])
    c.disconnect()
    assert.deepEqual(JSON.parse(storage.getItem('mirage:' + url)).bad, {})
  })

  for (const name of ['sse', 'poll']) {
    test(`messages both ways over ${name}, redirected with ${status}`, async t => {
      const { paths, ...ways } = withPaths()
      const c = open(t, { transports: [name], storage: null, ...ways }, url), got = []
      c.on('message', data => got.push(data))
      for (const n of numbers(20)) c.send(n)
      await until(() => `20, got ${got.length}`, () => got.length === 20 && !c.bufferedAmount)
      assert.deepEqual((await control('look')).up, numbers(20))
      assert.deepEqual(paths.filter(p => !p.endsWith('/')), ['GET ' + path])
    })
  }

  test(`a page that imports ${path}/mirage.js needs no URL`, async t => {
    const { Mirage: Served } = await import(`${url}/mirage.js?v=1`)
    const { paths, ...ways } = withPaths()
    const c = new Served({ storage: null, ...ways })
    t.after(() => c.disconnect())
    assert.equal(c.url, url + '/')
    await c.emit('say', 'a')
    assert.equal(c.transport, 'websocket')
    assert.deepEqual([...new Set(paths)], [`WS ${path}/`])
  })
}

// The programs of docs/client.md.

const manual = readFileSync(new URL('../../../docs/client.md', import.meta.url), 'utf8')

// example writes the code that is marked so as a module beside mirage.js, with other words in it, and returns its path.
function example(t, mark, words) {
  let [, code] = new RegExp(`\\n\`\`\`js ${mark}\\n(.*?)\\n\`\`\`\\n`, 's').exec(manual)
  for (const [from, to] of Object.entries(words)) {
    assert.ok(code.includes(from), from)
    code = code.replace(from, to)
  }
  const dir = mkdtempSync(join(tmpdir(), 'mirage-'))
  t.after(() => rmSync(dir, { recursive: true }))
  copyFileSync(fileURLToPath(new URL('../mirage.js', import.meta.url)), join(dir, 'mirage.js'))
  writeFileSync(join(dir, 'package.json'), '{"type":"module"}')
  writeFileSync(join(dir, 'program.js'), code)
  return join(dir, 'program.js')
}

test('a store of what was said', async t => {
  const { collect } = await import(example(t, 'stores', {}))
  const c = open(t, { storage: null }), said = collect(c, 'said'), seen = []
  const stop = said.subscribe(list => seen.push(list))
  const first = said.get()
  await c.emit('said', 'a')
  await until(() => 'a', () => seen.length === 2)
  stop()
  await c.emit('said', 'b')
  await until(() => 'b', () => said.get().length === 2)
  assert.deepEqual(seen, [[], ['a']])
  assert.deepEqual(first, [])
})

test('a worker', async t => {
  const scope = `import { parentPort } from 'node:worker_threads'
    globalThis.onmessage = null
    globalThis.postMessage = data => parentPort.postMessage(data)
    parentPort.on('message', data => onmessage({ data }))
  `
  const file = example(t, 'worker', { 'import ': scope + 'import ', '/live/mirage.js': './mirage.js', "'/live'": `'${LIVE}'`, "'said'": "'say'" })
  const worker = new Worker(file)
  t.after(() => worker.terminate())
  worker.postMessage({ text: 'hello' })
  const [said] = await once(worker, 'message')
  assert.deepEqual(said, { text: 'hello' })
})

// It is killed twice without warning: messages whose position was not stored yet come again, and are flagged.
test('X2: a program that is killed goes on where it was', async t => {
  const file = example(t, 'node', { 'http://localhost:8080/live': LIVE })
  const got = [], flagged = []
  let child
  const start = () => {
    child = spawn(process.execPath, [file], { cwd: dirname(file), stdio: ['ignore', 'pipe', 'inherit'] })
    createInterface(child.stdout).on('line', line => {
      const [how, data] = line.split(' ')
      if (how === 'new') got.push(data)
      else flagged.push(data)
    })
  }
  const kill = () => new Promise(done => {
    child.on('close', done)
    child.kill('SIGKILL')
  })
  start()
  await until(() => 'a session', async () => (await control('look')).ids?.length)
  const { ids } = await control('look')
  for (const n of [40, 80]) {
    await control('send', `?n=40&id=${ids[0]}`)
    await until(() => `some of ${n}, got ${got.length}`, () => got.length > n - 40)
    await kill()
    start()
  }
  await control('send', `?n=40&id=${ids[0]}`)
  await until(() => `120, got ${got}, again ${flagged}`, () => [...got, ...flagged].includes('120'))
  await kill()
  assert.deepEqual([...new Set([...got, ...flagged].map(Number))].sort((a, b) => a - b), numbers(120).map(Number), 'nothing is lost')
  assert.deepEqual(got, [...new Set(got)], 'what is not flagged comes once')
  assert.deepEqual((await control('look')).ids, ids)
})
