import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parser } from '../mirage.js'

// The rows of internal/frame's TestParser, in the same order: what a block is to be, and the last id of the stream. W1, W4.
const B = 'binary'
const rows = [
  ['nothing', '', []],
  ['one', 'data: a\n\n', ['a']],
  ['lines', 'data: a\ndata: b\n\n', ['a\nb']],
  ['no space, one space, two spaces', 'data:a\n\ndata: a\n\ndata:  a\n\n', ['a', 'a', ' a']],
  ['a tab is no space', 'data:\ta\n\n', ['\ta']],
  ['empty data', 'data\n\ndata:\n\ndata: \n\n', ['', '', '']],
  ['two empty lines of data', 'data\ndata\n\n', ['\n']],
  ['no data, no event', 'event: a\n\ndata: b\n\n', ['b']],
  ['CR', 'data: a\rdata: b\r\r', ['a\nb']],
  ['CRLF', 'data: a\r\ndata: b\r\n\r\n', ['a\nb']],
  ['mixed ends', 'data: a\r\ndata: b\rdata: c\n\r\ndata: d\n\r', ['a\nb\nc', 'd']],
  ['BOM', '\uFEFFdata: a\n\n', ['a']],
  ["second BOM is part of the field's name", '\uFEFF\uFEFFdata: a\n\ndata: b\n\n', ['b']],
  ['BOM later', 'data: a\n\n\uFEFFdata: b\n\ndata: \uFEFF\n\n', ['a', '\uFEFF']],
  ['comments', ':\n: a\ndata: b\n:data: c\n\n:\n\n', ['b']],
  ['unknown fields', 'data: a\nDATA: b\n data: c\nfoo: d\nfoo\n\n', ['a']],
  ['name', 'event: x\ndata: a\n\ndata: b\n\n', [['x', 'a'], 'b']],
  ['last name counts', 'event: x\nevent: y\ndata: a\n\nevent: x\nevent\ndata: b\n\n', [['y', 'a'], 'b']],
  ['message is unnamed', 'event: message\ndata: a\n\n', ['a']],
  ['id stays', 'id: 1\ndata: a\n\ndata: b\n\n', ['a', 'b'], '1'],
  ['id alone', 'id: 1\n\ndata: a\n\nid: 2\n\n', ['a'], '2'],
  ['empty id', 'id: 1\ndata: a\n\nid\ndata: b\n\n', ['a', 'b'], ''],
  ['id with NUL', 'id: 1\n\nid: 2\x003\ndata: a\n\n', ['a'], '1'],
  ['incomplete block', 'id: 1\ndata: a\n\nid: 2\ndata: b\n', ['a'], '1'],
  ['incomplete line', 'id: 1\ndata: a\n\nid: 2', ['a'], '1'],
  ['NUL in data', 'data: \x00\n\n', ['\x00']],
  ['base64', 'encoding: base64\ndata: AAECDQo=\n\ndata: AAECDQo=\n\n', ['\x00\x01\x02\r\n', 'AAECDQo=']],
  ['base64 in lines', 'encoding: base64\ndata: AAEC\ndata: DQo=\n\n', ['\x00\x01\x02\r\n']],
  ['base64 of nothing', 'encoding: base64\ntype: binary\ndata: \n\n', [['message', '', B]]],
  ['binary', 'type: binary\nencoding: base64\ndata: AA==\n\n', [['message', '\x00', B]]],
  ['unknown type', 'type: image\ndata: a\n\n', ['a']],
  ['letters of several bytes', 'event: é\ndata: 日本 🎉\u2028\n\n', [['é', '日本 🎉\u2028']]],
  ['text in base64 keeps its BOM', 'encoding: base64\ndata: 77u/DQ==\n\n', ['\uFEFF\r']],
  ['a field that objects have', '__proto__: a\nconstructor: b\ndata: c\n\n', ['c']],
]

function read(pieces) {
  const seen = []
  let last = ''
  const feed = parser(({ id, event, data }) => {
    if (id !== undefined) last = id
    if (data === undefined) return
    const binary = data instanceof ArrayBuffer
    seen.push([event, binary ? Buffer.from(data).toString('latin1') : data, binary ? B : ''])
  })
  pieces.forEach(p => feed(p))
  return { seen, last }
}

for (const [name, stream, want, last = ''] of rows) {
  test('W1: ' + name, () => {
    const all = new TextEncoder().encode(stream)
    const expected = { seen: want.map(w => Array.isArray(w) ? [w[0], w[1], w[2] ?? ''] : ['message', w, '']), last }
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

test('W4: an encoding that we do not know is an error, unless there is nothing in it', () => {
  assert.throws(() => read([Buffer.from('encoding: rot13\ndata: a\n\n')]))
  assert.throws(() => read([Buffer.from('encoding: base64\ndata: a$==\n\n')]))
  assert.deepEqual(read([Buffer.from('encoding: rot13\n\n')]), { seen: [], last: '' })
})

test('W4: a megabyte in small pieces takes linear time', () => {
  const all = Buffer.from('data: ' + 'x'.repeat(1 << 20) + '\n\n')
  const pieces = []
  for (let i = 0; i < all.length; i += 64) pieces.push(all.subarray(i, i + 64))
  const began = performance.now()
  assert.equal(read(pieces).seen[0][1].length, 1 << 20)
  assert.ok(performance.now() - began < 2000)
})
