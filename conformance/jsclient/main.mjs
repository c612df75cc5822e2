// Lets ./conformance check mirage.js in Node: it does what the lines on its standard input
// say, and tells on its standard output what happens. docs/protocol.md describes the lines
// under "Writing a client". Node 20 has a WebSocket only with --experimental-websocket.

import { createInterface } from 'node:readline'
import { Mirage } from '../../client/js/mirage.js'

const kept = new Map()
const storage = {
  getItem: k => kept.get(k) ?? null, setItem: (k, v) => kept.set(k, v), removeItem: k => kept.delete(k),
}
const names = { paused: 'idle', reconnecting: 'waiting' } // of states, where the protocol has others
const rooms = new Map()
let client, url, options

const tell = (event, more) => process.stdout.write(JSON.stringify({ event, ...more }) + '\n')

const payload = ({ data }) =>
  typeof data === 'string' ? { data } : { base64: Buffer.from(data).toString('base64') }

const tellMessage = (e, topic = e.topic) => tell('message', {
  ...e.text === undefined ? payload(e) : { whole: e.text, done: e.done },
  name: e.type === 'message' ? '' : e.type, topic, again: e.again,
})

const tellGap = ({ from, to, reason, topic }) => tell('gap', { from, to: to ?? 0, reason, topic })

async function readAll(source, topic) {
  for await (const e of source) tellMessage(e, topic)
}

// begin begins with a client that continues with what the last one has stored.
function begin() {
  const c = client = new Mirage(url, options)
  c.on('mirage-state', ({ state }) => {
    if (state !== 'closed') tell('state', { state: names[state] ?? state, transport: c.transport })
  })
  c.on('mirage-gap', tellGap)
  c.on('close', ({ code, reason }) => tell('state', { state: 'closed', status: code > 4000 ? code - 4000 : 0, reason }))
  c.on('mirage-retry', ({ error }) => tell('retry', { text: error.message }))
  readAll(c).catch(error => tell('error', { text: error.message }))
}

const commands = {
  connect(line) {
    if (client) return client.connect()
    url = line.url
    options = { storage, mirage: '', maxDelay: 5000, ...line.transports && { transports: line.transports } }
    begin()
  },
  reload() {
    client.release()
    begin()
  },
  disconnect() { client.disconnect() },
  async close() { await client.close() },
  use({ transport }) { client.use(transport).catch(() => 0) },
  send({ data = '', base64 }) { client.send(base64 == null ? data : Buffer.from(base64, 'base64')) },
  emit({ name, data, ref }) {
    client.emit(name, JSON.parse(data)).then(
      () => tell('accepted', { ref }), ({ status = 0 }) => tell('rejected', { ref, status }))
  },
  join({ topic, from = 'now' }) {
    const room = client.join(topic, { from })
    rooms.set(topic, room)
    room.on('mirage-joined', () => tell('joined', { topic }))
    room.on('mirage-left', ({ status }) => tell('left', { topic, status }))
    room.on('mirage-members', ({ count }) => tell('members', { topic, count }))
    room.on('mirage-gap', tellGap)
    readAll(room, topic)
  },
  leave({ topic }) { rooms.get(topic)?.leave() },
}

tell('hello', {
  name: 'mirage.js', transports: ['websocket', 'sse', 'poll'].slice(globalThis.WebSocket ? 0 : 1),
  features: ['binary', 'emit', 'reload', 'switch', 'topics'],
})
for await (const line of createInterface(process.stdin)) {
  const what = JSON.parse(line)
  try {
    await commands[what.do](what)
  } catch (error) {
    tell('error', { text: error.message })
  }
}
process.exit()
