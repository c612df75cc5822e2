// The page of client_test.go: it numbers what it sends and keeps what it gets, across page loads.
import Mirage from '/live/mirage.js'

const kept = JSON.parse(sessionStorage.getItem('record') ?? '{"got": [], "sent": 0, "again": 0}')
const record = globalThis.record = { ...kept, events: [], restored: false }
const save = () => sessionStorage.setItem('record', JSON.stringify({ got: record.got, sent: record.sent, again: record.again }))
addEventListener('pageshow', e => { record.restored = e.persisted })

const client = globalThis.client = new Mirage('/live')
client.on('message', (data, e) => {
  record.got.push(+data)
  if (e.again) record.again++
  save()
})
for (const type of ['open', 'mirage', 'mirage-gap', 'mirage-returned', 'error']) client.addEventListener(type, () => record.events.push(type))
client.addEventListener('mirage-state', e => record.events.push('state ' + e.state))
client.addEventListener('close', e => record.events.push(`close ${e.code} ${e.reason}`))

let timer
globalThis.talk = ms => {
  clearInterval(timer)
  if (ms) timer = setInterval(() => {
    try {
      client.send(String(record.sent + 1))
      record.sent++
      save()
    } catch { /* the queue is full: later */ }
  }, ms)
}
