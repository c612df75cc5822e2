// Presence: who is in a room.

import assert from 'node:assert/strict'
import { beforeEach, test } from 'node:test'
import { Rooms, block } from './rooms.js'
import { client, clock, renew, until } from './stage.js'

let server
beforeEach(() => {
  server = renew(Rooms)
  server.presence = true
})

const members = about => block({ event: 'mirage-members', data: JSON.stringify({ topic: 'a', ...about }) })
const member = n => ({ key: 'k' + n, info: { name: 'n' + n } })

async function enter(c) {
  const a = c.join('a')
  a.told = []
  a.on('mirage-members', ({ count, joined, left }) => a.told.push([count, joined.map(m => m.key), left]))
  await until('joined', () => a.state === 'joined')
  return a
}
async function note(about) {
  server.note(members(about))
  await clock.run(2000)
}

for (const kind of ['websocket', 'sse', 'poll']) {
  test(`T8: all of them, then what changes, then only how many, on ${kind}`, async () => {
    const c = client({ transports: [kind] })
    const a = await enter(c)
    assert.equal(a.key, 'me')
    assert.deepEqual([a.count, a.members], [0, new Map()])
    await note({ count: 2, members: [{ key: 'me', info: 1 }, member(1)] })
    assert.deepEqual([...a.members], [['me', 1], ['k1', { name: 'n1' }]])
    assert.equal(a.count, 2)

    await note({ count: 2, joined: [{ key: 'me', info: 2 }, member(2)], left: ['k1'] })
    assert.deepEqual([...a.members], [['me', 2], ['k2', { name: 'n2' }]])
    await note({ count: 3, joined: [{ key: 'k3' }] })
    assert.deepEqual([...a.members.keys()], ['me', 'k2', 'k3'])
    assert.equal(a.members.get('k3'), undefined)
    await note({ count: 2, left: ['k3', 'unknown'] })
    assert.deepEqual([...a.members.keys()], ['me', 'k2'])

    await note({ count: 2, members: [{ key: 'me', info: 2 }, member(4)] })
    assert.deepEqual([...a.members.keys()], ['me', 'k4'])
    await note({ count: 150 })
    assert.deepEqual([a.count, a.members.size], [150, 0])
    await note({ count: 1, members: [member(5)] })
    assert.deepEqual(a.told, [
      [2, ['me', 'k1'], []], [2, ['me', 'k2'], ['k1']], [3, ['k3'], []], [2, [], ['k3', 'unknown']],
      [2, ['me', 'k4'], ['k2']], [150, [], []], [1, ['k5'], []],
    ])
    assert.equal(c.position, 'e1-0')
  })
}

test('T8: rooms of one topic have the same members, and one that was left has none', async () => {
  const c = client({ transports: ['sse'] })
  const a = await enter(c), b = await enter(c)
  await note({ count: 2, members: [member(1), member(2)] })
  assert.deepEqual([b.count, b.told, [...b.members.keys()]], [2, a.told, ['k1', 'k2']])
  const late = await enter(c)
  assert.deepEqual([late.count, late.key, [...late.members.keys()]], [2, 'me', ['k1', 'k2']])
  a.leave()
  assert.deepEqual([a.count, a.members.size, b.members.size], [0, 0, 2])
  await note({ count: 1, left: ['k1'] })
  assert.deepEqual([a.told.length, b.told.length], [1, 2])
})

test('T8: without presence there is no key, and the members of a stranger are nobody\'s', async () => {
  server.presence = false
  const c = client({ transports: ['sse'] })
  const a = await enter(c)
  assert.equal(a.key, '')
  server.note(block({ event: 'mirage-members', data: '{"topic":"b","count":1,"members":[]}' }))
  server.note(block({ event: 'mirage-left', data: '{"topic":"b","status":403,"reason":"no"}' }))
  await clock.run(1000)
  assert.deepEqual(a.told, [])
  assert.equal(c.state, 'open')
})
