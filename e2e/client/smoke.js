// A page with a client, like page.js, that a test controls without automation. Its record
// survives a reload.
import Mirage from '/live/mirage.js'
import { follow } from './record.js'
import { obey } from './remote.js'

const query = new URLSearchParams(location.search)
const name = query.get('name')
const key = 'record of ' + name // a window that is opened has a copy of the storage
const record = JSON.parse(sessionStorage.getItem(key) ?? '{}')
const client = new Mirage('/live', JSON.parse(query.get('options')))
const save = () => sessionStorage.setItem(key, JSON.stringify(record))
const talk = follow(client, name, record, save)
let restored = 0
addEventListener('pageshow', e => { if (e.persisted) restored++ })

const status = () => {
  const { state, transport, bufferedAmount } = client
  return { ...record, state, transport, bufferedAmount, restored }
}
obey(status, {
  talk,
  use: transport => client.use(transport),
  quit: () => client.close(),
  send: n => { // at once: the first one is sent, the others wait for the response
    while (n--) client.send(`${name}:${++record.sent[name]}`)
    save()
  },
})
