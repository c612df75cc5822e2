// Compiled by `tsc --strict --noEmit`: what must pass does, and each line below a @ts-expect-error must not.
import Default, {
  Mirage, parser, type Growing, type Member, type MirageEvent, type MirageMessageEvent, type Room, type RoomState,
  type Stalled, type State,
} from '../mirage.js'

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
const loose = new Mirage('/live', { timeout: undefined, storage: undefined, fetch: undefined, WebSocket: undefined })
loose.emit('anything', 1)
loose.on('anything', (data: unknown) => data)

const waits: number = client.bufferedAmount
const open: 0 | 1 | 2 | 3 = client.readyState
const kept: Promise<void> = client.emit('ping')
client.onopen = e => e.type
client.onmirage = ({ id, mirage, previous, resumed, reason, sent, lost }) => [id, mirage, previous, resumed, reason, sent, lost?.from]
client.on('mirage-retry', ({ what, error, attempt, delay }) => [what === 'send', error.message, error.status, attempt, delay])
client.addEventListener('mirage-state', ({ state, previous }) => state === previous)
client.on('mirage-transport', ({ transport, previous }) => [transport, previous === ''])
client.addEventListener('mirage-drain', { handleEvent: e => e.retry })
client.addEventListener('message', e => e.again, { once: true })
client.close(1000, 'bye').then(() => client.state === 'closed')
new Mirage(new URL('http://localhost'), { storage: new Map() as unknown as Storage, fetch: (url, init) => fetch(url, { ...init, headers: { a: url } }) })
new Mirage('/live', { storage: { getItem: () => null, setItem() {}, removeItem() {} }, start: false, credentials: 'include' })
new Mirage<In, Out>().emit('say', { text: 'x' })
new Mirage({ start: false, storage: null })
new Mirage(undefined, { start: false })
new Mirage(undefined)
const external = (store: { subscribe(run: (value: unknown) => void): () => void }) => store // Svelte's Readable
external(client)

// Interfaces as event maps.
interface ServerToClient { said: { who: string; text: string }; left: string }
interface ClientToServer { say: { text: string }; leave: undefined; draft?: string }
const typed = new Mirage<ServerToClient, ClientToServer>('/live')
typed.on('said', ({ who }) => who.length)
typed.on('left', async who => { await fetch(who) })
typed.once('said', ({ text }, e) => text + e.lastEventId)
typed.once('open', e => e.type)
typed.once('message', data => data)
typed.once('mirage', (mirage, e) => mirage + e.id)
typed.emit('say', { text: 'x' }, { signal: AbortSignal.timeout(5) })
typed.emit('leave')
typed.emit('leave', undefined, { signal: new AbortController().signal })
typed.emit('draft', 'x', {})
typed.addEventListener('said', e => [e.lastEventId, e.again, e.waitUntil?.(Promise.resolve())])
typed.addEventListener('left', { handleEvent: (e: MirageMessageEvent) => e.data })
typed.removeEventListener('said', (e: MirageMessageEvent) => e.data)
typed.addEventListener('message', null)
const general: Mirage = typed
const names = (c: Mirage<ServerToClient>) => c.on('left', who => who.length)
names(typed)
class Own extends Mirage<ServerToClient> { get connected() { return this.state === 'open' && !this.stalled } }
new Own('/live').on('said', ({ who }) => who)

// All options, and what is new beside them.
new Mirage('/live', {
  mirage: async () => (await fetch('/token')).text(), query: { tenant: 5, lang: undefined }, fallbackAfter: 1000,
  upgradeEvery: 0, maxDelay: 5000, hidden: 60_000, abort: 'close', ackAfter: 'promise', debug: true,
})
new Mirage('/live', { mirage: () => undefined, query: async () => ({ token: 'x' }), hidden: 'release', abort: 'release' })
const stalled: Stalled = client.stalled, waiting: number = client.waiting
client.on('mirage-stalled', ({ stalled, previous }) => stalled === previous)
client.on('mirage-queue', ({ waiting, stored }) => [waiting.toFixed(), stored === true])
client.onmessage = async e => { e.waitUntil?.(Promise.resolve()) }
client.release()
client[Symbol.dispose]()
const disposable: Disposable = client
const loop = async () => { using c = new Mirage('/live'); for await (const { data } of c) data }

// Rooms.
interface RoomEvents { said: { who: string; text: string }; answer: Growing; count: number }
const room = typed.join<RoomEvents>('room:7', { from: 'start', info: { name: 'me' } })
room.on('said', ({ who }, e) => who + e.topic + e.key + e.again)
room.on('answer', ({ key, piece, text, done }, e) => key + piece + text.length + done + e.lastEventId)
room.once('count', async n => n.toFixed())
room.on('message', data => typeof data === 'string' ? data.length : 'text' in data ? data.text : data.byteLength)
room.on('mirage-joined', ({ position, lost, reason }) => position + lost?.from + (lost?.to ?? '') + reason)
room.on('mirage-left', ({ status, reason }) => status.toFixed() + reason)
room.on('mirage-members', ({ count, joined, left }) => [count, joined.map(m => [m.key, m.info]), left.join()])
room.once('mirage-gap', ({ topic, from, to, reason }) => topic + from + to + reason)
room.addEventListener('answer', e => [e.data, e.text?.length, e.done])
room.addEventListener('mirage-left', { handleEvent: e => e.status })
room.removeEventListener('said', (e: MirageMessageEvent) => e.topic)
room.addEventListener('anything', e => e.type)
const whole: string = room.text('k') + room.text('k', 'answer') + room.text('k', 'message')
const roomState: RoomState = room.state
const present: [string, unknown][] = [...room.members]
const ready = async () => { await room.ready; for await (const { data, topic } of room) [data, topic] }
const place: string = room.topic + room.position + room.key + room.count
const anyRoom: Room<any> = room
const member = ({ key, info }: Member) => [key, info]
room.leave()
client.join('a').on('anything', (data: unknown) => data)
client.join('a', { from: '_k3j9x0a1b2-17' })
client.join('a', { from: null, info: undefined })
client.on('mirage-gap', e => e.topic)
client.on('mirage-retry', ({ what, topic }) => what === 'join' && topic.length)

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
// @ts-expect-error a number is neither a URL nor options
new Mirage(5)
// @ts-expect-error options come last
new Mirage({ start: false }, '/live')
// @ts-expect-error no such option, without a URL, too
new Mirage({ retries: 3 })
// @ts-expect-error a transport that there is not
new Mirage('/live', { transports: ['pigeon'] })
// @ts-expect-error a number of milliseconds
new Mirage('/live', { timeout: '5s' })
// @ts-expect-error a storage has three methods
new Mirage('/live', { storage: { getItem: () => null } })
// @ts-expect-error text or bytes
client.send(5)
// @ts-expect-error `ping` has no payload
client.emit('ping', { text: 'x' })
// @ts-expect-error what comes down is not what goes up
client.emit('said', { who: 'a', text: 'b' })
// @ts-expect-error the payload has no such field
client.on('said', ({ when }) => when)
// @ts-expect-error a message may be bytes
client.on('message', data => data.length)
// @ts-expect-error hello is told by the mirage, which is text
client.on('mirage', (n: number) => n)
// @ts-expect-error `to` may be null
client.on('mirage-gap', e => e.to.toFixed())
// @ts-expect-error it is mirage-retry now
client.on('error', e => e)
// @ts-expect-error an option that has another name now
new Mirage('/live', { head: 1000 })
// @ts-expect-error an option that has another name now
new Mirage('/live', { upgrade: 1000 })
// @ts-expect-error keep, release or milliseconds
new Mirage('/live', { hidden: 'never' })
// @ts-expect-error return or promise
new Mirage('/live', { ackAfter: 'async' })
// @ts-expect-error release or close
new Mirage('/live', { abort: 'disconnect' })
// @ts-expect-error parameters are no objects
new Mirage('/live', { query: { filter: { a: 1 } } })
// @ts-expect-error an id is text
new Mirage('/live', { mirage: async () => 5 })
// @ts-expect-error an interface has no other names
typed.on('siad', () => 0)
// @ts-expect-error nor for once
typed.once('siad', () => 0)
// @ts-expect-error nor for emit
typed.emit('said', { who: 'a', text: 'b' })
// @ts-expect-error the payload is needed
typed.emit('say')
// @ts-expect-error the payload comes before the options
typed.emit('say', { signal: AbortSignal.timeout(5) })
// @ts-expect-error no such option of emit
typed.emit('say', { text: 'x' }, { timeout: 5 })
// @ts-expect-error the payload has no such field
typed.once('said', ({ when }) => when)
// @ts-expect-error a message is no CloseEvent
typed.addEventListener('said', (e: CloseEvent) => e)
// @ts-expect-error the event has no such field
client.on('mirage-retry', ({ retries }) => retries)
// @ts-expect-error there is no such cause
const cause: boolean = client.stalled === 'network'
// @ts-expect-error nothing to wait for without ackAfter
client.on('message', (_, e) => e.waitUntil(Promise.resolve()))
// @ts-expect-error an event map is an object
new Mirage<string>('/live')
// @ts-expect-error only the client counts
client.waiting = 0
// @ts-expect-error codes are numbers
client.close('bye')
// @ts-expect-error the id is not for the page to set
client.id = 'me'
// @ts-expect-error nor where it is
client.position = 'a-1'
// @ts-expect-error a constant
Mirage.OPEN = 2
// @ts-expect-error bytes, not text
feed('data: a')
// @ts-expect-error a room has only its events
room.on('siad', () => 0)
// @ts-expect-error the payload has no such field
room.on('said', ({ when }) => when)
// @ts-expect-error a growing message is an object
room.on('answer', (text: string) => text)
// @ts-expect-error the client's events are not the room's
room.on('mirage-retry', () => 0)
// @ts-expect-error the room's events are not the client's
client.on('mirage-left', () => 0)
// @ts-expect-error read-only
room.state = 'left'
// @ts-expect-error members are told, not set
room.members.set('k', 1)
// @ts-expect-error no such state
const noRoom: boolean = room.state === 'open'
// @ts-expect-error a topic has a name
client.join()
// @ts-expect-error no such option
client.join('a', { since: 'start' })
// @ts-expect-error a position is text
client.join('a', { from: 5 })
// @ts-expect-error a message without text has none
room.on('said', (_, e) => e.text.length)
// @ts-expect-error only join() makes rooms
new Room()
// @ts-expect-error no such event of the room
room.text('k', 'siad')
// @ts-expect-error a block has no name but its event's
parser(({ name }) => name)

export { whole, roomState, present, ready, place, anyRoom, member, noRoom }
export { waits, open, kept, same, stop, state, stream, feed, no, general, stalled, waiting, disposable, loop, cause }
