// A page that starts several clients at once. The query has the names of their records.
import Mirage from '/live/mirage.js'
import { follow } from './record.js'

const query = new URLSearchParams(location.search)
const options = JSON.parse(query.get('options') ?? '{}')
globalThis.pair = query.getAll('client').map((name, i) => {
  const record = {}
  const client = new Mirage('/live', { ...options, name: name || undefined })
  return { client, record, talk: follow(client, `${query.get('name')}${i}`, record) }
})
const all = what => globalThis.pair.every(({ client, record }) => what(client, record))
globalThis.allOpen = () => all(client => client.state === 'open')
globalThis.allGot = n => all((_, record) => record.got.length === 1 && record.got[0][0] === 1 && record.got[0][1] === n)
globalThis.allAccepted = () => all(client => client.waiting === 0)
globalThis.say = n => {
  for (const { client, record } of globalThis.pair) {
    for (let i = 0; i < n; i++) client.send(`${record.name}:${++record.sent[record.name]}`)
  }
}
globalThis.record = {} // this page has a client
