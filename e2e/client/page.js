// A page with a client. The query, a frame's parent's where it has none, says how it is
// called and what its client's options are; what it did outlives a reload.
import Mirage from '/live/mirage.js'
import { follow } from './record.js'

const query = new URLSearchParams(location.search || parent.location.search)
const record = globalThis.record = JSON.parse(sessionStorage.getItem('record') ?? '{}')
const client = globalThis.client = new Mirage(query.get('url') ?? '/live', JSON.parse(query.get('options') ?? '{}'))
const keep = () => sessionStorage.setItem('record', JSON.stringify(record))
globalThis.talk = follow(client, query.get('name') ?? '', record, keep)
addEventListener('pageshow', e => { globalThis.restored = e.persisted })
// Its client had the time to do something, and must not.
if (document.prerendering) setTimeout(() => fetch('/prepared'), 300)
