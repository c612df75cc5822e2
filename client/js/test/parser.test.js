import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { parser } from '../mirage.js'

// The server's encoder writes these vectors, and its parser reads them: internal/frame's
// TestVectors writes the file.
const load = file => JSON.parse(readFileSync(new URL(file, import.meta.url)))
const vectors = load('vectors.json')

// read returns the result of our parser for a stream in these pieces, in the vectors'
// form.
function read(pieces) {
  const events = []
  let lastID = ''
  const feed = parser(({ id, event, data }) => {
    if (id !== undefined) lastID = id
    if (data === undefined) return
    const binary = data instanceof ArrayBuffer
    events.push({ id: id ?? null, event, data: binary ? Buffer.from(data).toString('base64') : data, binary })
  })
  pieces.forEach(p => feed(p))
  return { events, lastID }
}

for (const { name, stream, events, lastID } of vectors) {
  test('W1, W4: ' + name, () => {
    const all = new TextEncoder().encode(stream), expected = { events, lastID }
    for (let size = 1; size <= all.length + 1; size++) {
      const pieces = []
      for (let i = 0; i < all.length; i += size) pieces.push(all.subarray(i, i + size))
      assert.deepEqual(read(pieces), expected, 'in pieces of ' + size)
    }
    for (let cut = 0; cut <= all.length; cut++) { // and at each byte, with an empty piece between
      assert.deepEqual(read([all.subarray(0, cut), new Uint8Array(), all.subarray(cut)]), expected, 'cut at ' + cut)
    }
  })
}

// The same for messages of topics, with their fields: TestTopicVectors.
for (const { name, stream, events } of load('topic_vectors.json')) {
  test('M4: ' + name, () => {
    const got = []
    const feed = parser(({ id, event, data, topic, key, grow, done }) => {
      if (data === undefined) return
      const binary = data instanceof ArrayBuffer
      const text = binary ? Buffer.from(data).toString('base64') : data
      const fields = { topic: topic ?? '', key: key ?? '', grow: grow ?? null, done }
      got.push({ id: id ?? null, event, data: text, binary, ...fields })
    })
    feed(new TextEncoder().encode(stream))
    assert.deepEqual(got, events)
  })
}

test('W4: an encoding that we do not know is an error, unless there is nothing in it', () => {
  assert.throws(() => read([Buffer.from('encoding: rot13\ndata: a\n\n')]))
  assert.throws(() => read([Buffer.from('encoding: base64\ndata: a$==\n\n')]))
  assert.deepEqual(read([Buffer.from('encoding: rot13\n\n')]), { events: [], lastID: '' })
})

test('W4: a megabyte in small pieces takes linear time', () => {
  const all = Buffer.from('data: ' + 'x'.repeat(1 << 20) + '\n\n')
  const pieces = []
  for (let i = 0; i < all.length; i += 64) pieces.push(all.subarray(i, i + 64))
  const began = performance.now()
  assert.equal(read(pieces).events[0].data.length, 1 << 20)
  assert.ok(performance.now() - began < 2000)
})
