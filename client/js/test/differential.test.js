// Our parser and npm's eventsource-parser parse random streams, cut anywhere, with the
// same result.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parser } from '../mirage.js'
import { load, skip } from './modules.js'
import { random } from './world.js'

const utf8 = text => [...new TextEncoder().encode(text)]

// The parts of streams: fields and what looks like them, line ends, and bytes that are
// hard to cut or are not UTF-8.
const tokens = [
  ...[
    'data', 'data:', 'data: ', 'data:  ', 'event:', 'event: ', 'event', 'id:', 'id: ', 'id', 'retry: 1', 'retry',
    ':', ': ', ' ', 'DATA:', 'foo: ', 'ids: ', 'message', 'a', 'b\tc', 'mirage', '__proto__: x', '0',
    'é', '日本', '🎉', '\u2028', '\u0085', '\0', '\uFEFF', '\uFFFD',
  ].map(utf8),
  [0xff], [0xc3], [0xe6, 0x97], [0xf0, 0x9f, 0x8e], [0x80], [0xed, 0xa0, 0x80], // not UTF-8
]
const ends = ['\n', '\n', '\r', '\r\n', '\n\n', '\n\n', '\r\n\r\n', '\r\r', '\n\r', '\r\n\n'].map(utf8)

// stream returns a random stream. Half of its lines are well-formed, so that events
// occur.
function stream(r) {
  const pick = from => from[Math.floor(r() * from.length)]
  const bytes = r() < 0.2 ? [...utf8('\uFEFF')] : []
  for (let n = 1 + r() * 40; n > 0; n--) {
    if (r() < 0.5) bytes.push(...utf8(pick(['data: ', 'data: ', 'id: ', 'event: '])), ...pick(tokens))
    else for (let m = r() * 4; m > 0; m--) bytes.push(...pick(tokens))
    if (r() < 0.9) bytes.push(...pick(ends))
  }
  // Theirs waits for the byte after a CR, so one is added.
  return Uint8Array.from([...bytes, ...utf8(':\n')])
}

function cut(bytes, r) {
  const pieces = []
  const most = 1 + Math.floor(r() * r() * 60)
  for (let at = 0; at < bytes.length;) {
    const n = Math.floor(r() * (most + 1)) // 0 is possible
    pieces.push(bytes.subarray(at, at + n))
    at += n
  }
  return pieces
}

function ours(pieces) {
  const events = []
  const feed = parser(({ id, event, data }) => { if (data !== undefined) events.push({ id, event, data }) })
  pieces.forEach(p => feed(p))
  return events
}

const count = +(process.env.STREAMS ?? 8_000)
test(`W1: ${count} random streams`, { skip }, async () => {
  const { createParser } = await load('eventsource-parser')
  const theirs = pieces => {
    const events = []
    const p = createParser({ onEvent: ({ id, event, data }) => events.push({ id, event: event ?? 'message', data }) })
    const decoder = new TextDecoder()
    for (const piece of pieces) p.feed(decoder.decode(piece, { stream: true }))
    return events
  }
  let events = 0
  for (let seed = 1; seed <= count; seed++) {
    const r = random(seed)
    const bytes = stream(r)
    const got = ours(cut(bytes, r))
    assert.deepEqual(got, theirs(cut(bytes, r)), `seed ${seed}: ${JSON.stringify(new TextDecoder().decode(bytes))}`)
    events += got.length
  }
  assert.ok(events > 2 * count, `only ${events} events: the streams say too little`)
})
