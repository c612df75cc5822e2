// A page that tests on its own, in a browser without automation: a hundred messages each
// way, a reload in between, a report to the server, the next page.
import Mirage from '/live/mirage.js'
import { follow } from './record.js'

const query = new URLSearchParams(location.search)
const record = JSON.parse(sessionStorage.getItem('record') ?? '{}')
const save = () => sessionStorage.setItem('record', JSON.stringify(record))
const client = new Mirage('/live', JSON.parse(query.get('options')))
const talk = follow(client, '', record, save)
const loads = record.events.filter(e => e === 'load').length
talk(10)
const look = setInterval(async () => {
  const sent = record.sent[''], got = record.got.at(-1)?.[1]
  if (loads === 1 && sent >= 50 && got >= 50) return location.reload()
  if (sent >= 100) talk(0)
  if (loads === 1 || sent < 100 || !(got >= 100) || client.bufferedAmount) return
  clearInterval(look)
  await client.close()
  await fetch('/report', { method: 'POST', body: JSON.stringify({ ...record, transport: client.transport }) })
  const next = query.get('next')
  if (next) location.href = next
}, 20)
