// A page that sends a message whenever it is hidden and whenever it is left. The query
// says whether its listeners are registered before the client's own or after them.
import Mirage from '/live/mirage.js'
import { follow } from './record.js'

const query = new URLSearchParams(location.search)
const record = globalThis.record = JSON.parse(sessionStorage.getItem('record') ?? '{}')
const keep = () => sessionStorage.setItem('record', JSON.stringify(record))
const say = () => {
  globalThis.client.send(`:${++record.sent['']}`)
  keep()
}
const listen = () => {
  document.addEventListener('visibilitychange', () => document.hidden && say())
  addEventListener('pagehide', say)
}

if (query.get('listeners') === 'before') listen()
const client = globalThis.client = new Mirage('/live', JSON.parse(query.get('options')))
globalThis.talk = follow(client, '', record, keep)
if (query.get('listeners') === 'after') listen()
addEventListener('pageshow', e => { globalThis.restored = e.persisted })
