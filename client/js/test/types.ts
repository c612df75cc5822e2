// Compiled by `tsc --strict --noEmit`: what must pass does, and each line below a @ts-expect-error must not.
import Default, { Mirage, parser, type MirageEvent, type State } from '../mirage.js'

type In = { said: { who: string; text: string }; count: number }
type Out = { say: { text: string }; ping: undefined }

const client = new Mirage<In, Out>('/live', { mirage: '', transports: ['poll'], storage: null, name: 'a', signal: new AbortController().signal })
const same: typeof Mirage = Default

client.on('said', ({ who, text }, e) => `${who}${text}${e.lastEventId}${e.again}`)
client.on('count', n => n.toFixed())
client.on('message', data => typeof data === 'string' ? data.length : data.byteLength, { once: true })
client.on('mirage', (mirage: string, e: MirageEvent) => mirage + e.previous + e.lost?.to)
client.on('close', e => e.code + e.reason.length)
client.addEventListener('mirage-gap', e => e.from + (e.to ?? 0))
client.addEventListener('mirage-returned', e => e.messages.map(m => m.event))
client.addEventListener('said', e => JSON.parse(e.data as string))
client.onmessage = e => e.data
client.onclose = null
client.send('text')
client.send(new Uint8Array(2))
client.send(new ArrayBuffer(2))
client.emit('say', { text: 'x' }).then(() => client.use('sse')).catch(e => e)
client.emit('ping')
const stop: () => void = client.subscribe(c => c.state)
const state: State = client.state
const stream = async () => { for await (const e of client) e.again }
const feed: (bytes: Uint8Array) => void = parser(({ id, data }) => [id, data])
const loose = new Mirage('/live')
loose.emit('anything', 1)
loose.on('anything', (data: unknown) => data)

// @ts-expect-error an event that there is not
client.emit('sya', { text: 'x' })
// @ts-expect-error another payload
client.emit('say', { txt: 'x' })
// @ts-expect-error a payload is missing
client.emit('say')
// @ts-expect-error text or bytes
client.send({ text: 'x' })
// @ts-expect-error no such transport
client.use('ws2')
// @ts-expect-error read-only
client.state = 'open'
// @ts-expect-error no such option
new Mirage('/live', { retries: 3 })
// @ts-expect-error no such event
client.on('siad', () => 0)
// @ts-expect-error a number is no string
client.on('count', (n: string) => n)
// @ts-expect-error there is no such state
const no: boolean = client.state === 'away'

export { same, stop, state, stream, feed, no }
