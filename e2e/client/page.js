// A page with a client. The query (of the parent if a frame has none) has its name and
// its client's options. Its record survives a reload.
import Mirage from '/live/mirage.js'
import { follow } from './record.js'

const query = new URLSearchParams(location.search || parent.location.search)
const record = globalThis.record = JSON.parse(sessionStorage.getItem('record') ?? '{}')
const client = globalThis.client = new Mirage(query.get('url') ?? '/live', JSON.parse(query.get('options') ?? '{}'))
const keep = () => sessionStorage.setItem('record', JSON.stringify(record))
globalThis.talk = follow(client, query.get('name') ?? '', record, keep)
addEventListener('pageshow', e => { globalThis.restored = e.persisted })
// A client in this page would have had the time to do something, and must not.
if (document.prerendering) setTimeout(() => fetch('/prepared'), 300)
