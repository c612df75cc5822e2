// The types of mirage.js. docs/client.md is the manual.

declare global {
  // As in lib.esnext.disposable, for programs with an older lib.
  interface SymbolConstructor { readonly dispose: unique symbol }
  interface Disposable { [Symbol.dispose](): void }
}

export type TransportName = 'websocket' | 'sse' | 'poll'

/**
 * - connecting: the server has not said hello (its handshake) yet.
 * - open: messages flow, or will in a moment. See `stalled` for what may hold them up.
 * - reconnecting: the link (the connection) is lost. The first attempt to reconnect failed,
 *   or three links in a row ended within ten seconds each.
 * - paused: after disconnect() or release(), in the back/forward cache, or as the option
 *   `hidden` says.
 * - closing: close() is sending what waits.
 * - closed: for good.
 */
export type State = 'connecting' | 'open' | 'reconnecting' | 'paused' | 'closing' | 'closed'

/**
 * - '': nothing is known to hold messages up.
 * - offline: the browser says that there is no network.
 * - send: what the client sends is not accepted, again and again, or not answered.
 */
export type Stalled = '' | 'offline' | 'send'

/** Event name → payload. on() parses what the server sent as JSON; emit() sends JSON. */
export type EventsMap = Record<string, unknown>

/** Parameters for the query. Those that are null or undefined are left out. */
export type Query = Record<string, string | number | boolean | null | undefined>

export interface MirageOptions {
  /**
   * The signed id, for a client that stores its id itself, or a function that returns it.
   * The client calls the function before each link. `''` asks the server for an id.
   * Default: the cookie decides, which no script can read. Where no cookie comes (other
   * origins, outside of browsers) it is `''`.
   */
  mirage?: string | (() => string | null | undefined | Promise<string | null | undefined>) | undefined
  /**
   * What to add to the query of each request, or a function that returns it. The client
   * calls the function before each link.
   */
  query?: Query | (() => Query | null | undefined | Promise<Query | null | undefined>) | undefined
  /**
   * The transports that the client may use, in order of preference.
   * Default `['websocket', 'sse', 'poll']`.
   */
  transports?: readonly TransportName[] | undefined
  /**
   * Where id, position and unaccepted messages outlive the page. `null` stores nothing.
   * Default: `sessionStorage` in a window, otherwise nothing.
   */
  storage?: Pick<Storage, 'getItem' | 'setItem' | 'removeItem'> | null | undefined
  /**
   * The name of the record in `storage`. Two clients of one URL in a page need two names.
   * Default: the URL, without a slash at the end of its path.
   */
  name?: string | undefined
  /** The option of fetch(). Default `'same-origin'`. */
  credentials?: RequestCredentials | undefined
  /**
   * How many milliseconds a transport has until the server's hello must be there. close()
   * waits as long at most for unaccepted messages. Default 5000.
   */
  timeout?: number | undefined
  /**
   * After how many milliseconds the next transport starts beside a slow one. The first
   * hello wins. Default 1500.
   */
  fallbackAfter?: number | undefined
  /**
   * How many milliseconds the client waits between attempts to reach a better transport.
   * 0 means that it makes none. Default 300000.
   */
  upgradeEvery?: number | undefined
  /**
   * How many milliseconds the client waits at most between attempts, unless the server
   * says when to come back. Default 20000.
   */
  maxDelay?: number | undefined
  /**
   * What happens to the link while the page is hidden: it stays, it ends at once, or it
   * ends after so many milliseconds. A page that is shown again connects. Default `'keep'`.
   */
  hidden?: 'keep' | 'release' | number | undefined
  /**
   * How many messages may wait to be accepted. Beyond that send() throws and emit()
   * rejects, with status 429. Default 256.
   */
  messages?: number | undefined
  /**
   * How many characters of payload may wait to be accepted, and how many may wait for a
   * `for await` loop. Bytes count as base64 in the queue. Default 1048576.
   */
  bytes?: number | undefined
  /** When it aborts, the client is released or closed for good: see the option `abort`. */
  signal?: AbortSignal | undefined
  /** What `signal` does when it aborts: release() or close(). Default `'release'`. */
  abort?: 'release' | 'close' | undefined
  /** `false` waits for connect(). Default true. */
  start?: boolean | undefined
  /**
   * When a message counts as received: when its listeners have returned, or when the
   * promises that they returned have resolved. Default `'return'`.
   */
  ackAfter?: 'return' | 'promise' | undefined
  /** `true` logs what the client does by console.debug(). Default false. */
  debug?: boolean | undefined
  /** Replaces the global fetch(): for tests, or to add a header. */
  fetch?: ((url: string, init: RequestInit) => Promise<Response>) | undefined
  /** Replaces the global WebSocket: for tests, or for a runtime that has none. */
  WebSocket?: (new (url: string) => WebSocket) | undefined
}

/** What promises reject with, and what `mirage-retry` and `mirage-returned` events carry. */
export interface MirageError extends Error {
  /**
   * - 400, 413: the server does not take the message.
   * - 409: the visitor's id has changed.
   * - 410: the client was closed already.
   * - 429: the queue is full.
   * - 500: the server's handler failed.
   * - the close code: the client closed while the message waited, or the room was joined.
   * - From `ready`, the status of the refusal: see `mirage-left`.
   * - In `mirage-retry` events, the HTTP status of the failed attempt.
   * - undefined or 0: the network failed.
   */
  readonly status?: number
}

/** Unnamed messages have the type `message`. Text is a string, bytes are an ArrayBuffer. */
export interface MirageMessageEvent extends MessageEvent<string | ArrayBuffer> {
  /** true if an earlier page, which crashed, may have had the message already. */
  readonly again: boolean
  /** The name of the topic, or `''` for a message to the session. */
  readonly topic: string
  /** The key that the server gave the message, or `''`. */
  readonly key: string
  /** All that there is of a growing message. `data` is the piece. */
  readonly text: string | undefined
  /** Of a growing message: true with its last piece. */
  readonly done: boolean | undefined
  /**
   * With the option `ackAfter: 'promise'`: the message counts as received only when the
   * promise has resolved. A listener of on() can return the promise instead.
   */
  waitUntil?(promise: PromiseLike<unknown>): void
}

/**
 * Says who the visitor is. Fires at the first hello, when the id or the signed value has
 * changed, and when the server could not resume.
 */
export interface MirageEvent extends Event {
  /** The mirage id, which identifies the visitor. */
  readonly id: string
  /** The id before this hello, or `''`. */
  readonly known: string
  /** The value of `client.mirage` now. If you gave the option `mirage`, store it. */
  readonly mirage: string
  /** The id that this one replaces, or `''`. */
  readonly previous: string
  /** true if nothing is missing since the client's position. */
  readonly resumed: boolean
  /**
   * Why the server could not resume: new, expired, restarted, trimmed, diverged, moved,
   * ahead, malformed. Otherwise `''`.
   */
  readonly reason: string
  /** The numbers of the missing messages. `to` is null if the server cannot know it. */
  readonly lost: { readonly from: number; readonly to: number | null } | null
  /** The number of the last message that was written to any reader of the session. */
  readonly sent: number
}

/**
 * These messages are lost to this client: reload what the page shows. `to` is null if the
 * server cannot know it.
 */
export interface MirageGapEvent extends Event {
  readonly from: number
  readonly to: number | null
  readonly reason: string
  /** The name of the topic that they belong to, or `''` for messages to the session. */
  readonly topic: string
}

/** The server ends the link. The client reconnects after `retry` milliseconds by itself. */
export interface MirageDrainEvent extends Event { readonly retry: number }

/**
 * The client will not deliver these messages. `error` says why: the server's handler
 * failed, the server does not take them, the id has changed, or the client has closed.
 */
export interface MirageReturnedEvent extends Event {
  /** The mirage id under which they were written. */
  readonly id: string
  readonly error: MirageError
  readonly messages: readonly Queued[]
}

/** The third argument of emit(). */
export interface EmitOptions {
  /**
   * When it aborts, the promise rejects with its reason. A message that was not sent yet is
   * taken back. One that was sent cannot be: the server may handle it.
   */
  signal?: AbortSignal | undefined
}

/** A message that waits to be accepted: text, or JSON as it is sent, or bytes. */
export interface Queued { readonly event: string; readonly data: string | ArrayBuffer }

export interface MirageStateEvent extends Event { readonly state: State; readonly previous: State }

/** Another transport is in use. You need not do anything. */
export interface MirageTransportEvent extends Event { readonly transport: TransportName; readonly previous: TransportName | '' }

/** What keeps messages from flowing has changed. */
export interface MirageStalledEvent extends Event { readonly stalled: Stalled; readonly previous: Stalled }

/**
 * The messages that wait to be accepted have changed, or whether they are stored: one event
 * for all changes of a task.
 */
export interface MirageQueueEvent extends Event {
  /** How many wait. */
  readonly waiting: number
  /** false if there is no storage, or the messages could not be stored in it. */
  readonly stored: boolean
}

/** Something failed, and the client tries again after `delay` milliseconds. */
export interface MirageRetryEvent extends Event {
  /**
   * - connect: there is no link. An attempt to get one failed, or three links in a row
   *   ended within ten seconds each.
   * - send: there is a link, and the server does not accept what the client sends. Fires
   *   from the second failure in a row on.
   * - join: the server refused for a while (429 or 503) to let the client join a topic.
   */
  readonly what: 'connect' | 'send' | 'join'
  /** The name of the topic that the client joins, otherwise `''`. */
  readonly topic: string
  readonly error: MirageError
  /** How many attempts have failed in a row. */
  readonly attempt: number
  readonly delay: number
}

/**
 * Fires once, when the client will not come back. `code` is what close() was given, or
 * 4000 + the HTTP status of the server's refusal.
 */
export interface MirageCloseEvent extends Event { readonly code: number; readonly reason: string; readonly wasClean: boolean }

export interface MirageEventMap {
  open: Event
  message: MirageMessageEvent
  mirage: MirageEvent
  close: MirageCloseEvent
  'mirage-state': MirageStateEvent
  'mirage-stalled': MirageStalledEvent
  'mirage-transport': MirageTransportEvent
  'mirage-gap': MirageGapEvent
  'mirage-drain': MirageDrainEvent
  'mirage-queue': MirageQueueEvent
  'mirage-returned': MirageReturnedEvent
  'mirage-retry': MirageRetryEvent
}

/** What on() passes for a growing message: use it as the payload in your event map. */
export interface Growing {
  readonly key: string
  /** What is new. If it is the same as `text`, the message begins (again). */
  readonly piece: string
  /** All that there is. Beyond 1 MiB, `text` stays as it is, and pieces still come. */
  readonly text: string
  /** true with the last piece, which may be empty. */
  readonly done: boolean
}

/** One who is present in a topic. */
export interface Member {
  /** Names the member in this topic. It is not the mirage id. */
  readonly key: string
  /** What the member passed to join(). */
  readonly info?: unknown
}

export interface RoomOptions {
  /**
   * Where the messages begin: only new ones, or all that the server retains, or those
   * after a position. Later links continue where the client is. The first room of a
   * topic decides. Default `'now'`.
   */
  from?: 'now' | 'start' | (string & {}) | null | undefined
  /** What other members see of this one, as JSON. At most 1 KiB. */
  info?: unknown
}

/**
 * - joining: the server has not confirmed it, or has refused for a while.
 * - joined: messages arrive. It stays so while the client reconnects.
 * - left: for good, after leave(), or because the server or the client has ended it.
 */
export type RoomState = 'joining' | 'joined' | 'left'

/**
 * The room is joined, and everything before it has come. Fires once, and again if
 * messages are lost, or after the server had refused for a while.
 */
export interface RoomJoinedEvent extends Event {
  /** The position in the topic. */
  readonly position: string
  /** The numbers of missing messages. `to` is null if the topic began anew. */
  readonly lost: { readonly from: number; readonly to: number | null } | null
  /** Why they are lost, or `''`. */
  readonly reason: string
}

/**
 * The room has ended, and not by leave().
 *
 * - 400: the name or `from` is not allowed.
 * - 403: refused, or removed.
 * - 410: the topic was ended.
 * - 413: too many topics.
 * - 501: the server has no topics.
 * - 0: the client was released.
 * - the close code: the client was closed.
 */
export interface RoomLeftEvent extends Event { readonly status: number; readonly reason: string }

/** Who is in the topic has changed: at most one event a second. */
export interface RoomMembersEvent extends Event {
  /** How many there are. */
  readonly count: number
  /** Who came, or has another info. After a new link these may be all. */
  readonly joined: readonly Member[]
  /** The keys of those who left. */
  readonly left: readonly string[]
}

export interface RoomEventMap {
  message: MirageMessageEvent
  'mirage-joined': RoomJoinedEvent
  'mirage-left': RoomLeftEvent
  'mirage-members': RoomMembersEvent
  'mirage-gap': MirageGapEvent
}

type RoomControl = Exclude<keyof RoomEventMap, 'message'>
type RoomNamed<Events> = Exclude<keyof Events & string, keyof RoomEventMap>

/**
 * A topic that the page has joined, from client.join(). Events are the messages of the
 * topic: a type or interface with a payload for each name.
 */
export interface Room<Events extends object = EventsMap> extends EventTarget, AsyncIterable<MirageMessageEvent> {
  /** The name of the topic. */
  readonly topic: string
  readonly state: RoomState
  /**
   * Resolves when the room is joined for the first time. Rejects with a MirageError if it
   * ends before that.
   */
  readonly ready: Promise<void>
  /** The position in the topic up to which everything has been delivered, or `''`. */
  readonly position: string
  /** Who is there, key → info. Empty if the server tells only how many. */
  readonly members: ReadonlyMap<string, unknown>
  /** How many are there. */
  readonly count: number
  /** The own key among the members, or `''`. */
  readonly key: string

  /** Adds a listener, as client.on() does. Returns its removal. */
  on(type: 'message', listener: (data: string | ArrayBuffer | Growing, event: MirageMessageEvent) => unknown, options?: AddEventListenerOptions): () => void
  on<K extends RoomControl>(type: K, listener: (event: RoomEventMap[K]) => unknown, options?: AddEventListenerOptions): () => void
  on<K extends RoomNamed<Events>>(type: K, listener: (data: Events[K], event: MirageMessageEvent) => unknown, options?: AddEventListenerOptions): () => void
  /** Adds a listener for one event, as on() does. Returns its removal. */
  once(type: 'message', listener: (data: string | ArrayBuffer | Growing, event: MirageMessageEvent) => unknown): () => void
  once<K extends RoomControl>(type: K, listener: (event: RoomEventMap[K]) => unknown): () => void
  once<K extends RoomNamed<Events>>(type: K, listener: (data: Events[K], event: MirageMessageEvent) => unknown): () => void
  /**
   * Returns what there is of a growing message, `''` if nothing. Give the event, too, if
   * several events use one key. The client keeps 64 texts of a topic.
   */
  text(key: string, event?: RoomNamed<Events> | 'message'): string
  /** Ends this room. The page leaves the topic with the last room that it has of it. */
  leave(): void
  /** Iterates over the messages, as a loop over the client does, until the room ends. */
  [Symbol.asyncIterator](): AsyncGenerator<MirageMessageEvent, void, void>

  addEventListener<K extends keyof RoomEventMap>(type: K, listener: Listener<RoomEventMap[K]>, options?: boolean | AddEventListenerOptions): void
  addEventListener<K extends RoomNamed<Events>>(type: K, listener: Listener<MirageMessageEvent>, options?: boolean | AddEventListenerOptions): void
  addEventListener(type: string, listener: EventListenerOrEventListenerObject | null, options?: boolean | AddEventListenerOptions): void
  removeEventListener<K extends keyof RoomEventMap>(type: K, listener: Listener<RoomEventMap[K]>, options?: boolean | EventListenerOptions): void
  removeEventListener<K extends RoomNamed<Events>>(type: K, listener: Listener<MirageMessageEvent>, options?: boolean | EventListenerOptions): void
  removeEventListener(type: string, listener: EventListenerOrEventListenerObject | null, options?: boolean | EventListenerOptions): void
}

type Handler<E> = ((event: E) => unknown) | null
type Listener<E> = ((event: E) => unknown) | { handleEvent(event: E): unknown } | null
type Control = Exclude<keyof MirageEventMap, 'mirage' | 'message'>
type EmitArguments<T> = undefined extends T ? [data?: T, options?: EmitOptions] : [data: T, options?: EmitOptions]
type Named<Down> = Exclude<keyof Down & string, keyof MirageEventMap>

/**
 * The client. Down are the events that the server sends, Up those that emit() sends: types
 * or interfaces with a payload for each name.
 */
export class Mirage<Down extends object = EventsMap, Up extends object = EventsMap> extends EventTarget
  implements AsyncIterable<MirageMessageEvent>, Disposable {
  static readonly CONNECTING: 0
  static readonly OPEN: 1
  static readonly CLOSING: 2
  static readonly CLOSED: 3

  /**
   * Without a URL the client connects to the directory of the mirage.js that the server
   * serves. In a bundle, or a module from a file, that throws a TypeError: give the URL.
   * With a relative URL and outside of a page, as in a server render, the client does
   * nothing, and connect() throws.
   */
  constructor(options?: MirageOptions)
  constructor(url: string | URL | undefined, options?: MirageOptions)

  /** The URL that you gave, resolved. A redirect does not change it. */
  readonly url: string
  /** The visitor's mirage id. `''` until the server has said it. */
  readonly id: string
  /** The same, or the signed value if the client keeps its id itself. */
  readonly mirage: string
  readonly state: State
  /** What keeps messages from flowing, even if `state` is `open`. Otherwise `''`. */
  readonly stalled: Stalled
  readonly readyState: 0 | 1 | 2 | 3
  /** `''` before the first hello. */
  readonly transport: TransportName | ''
  /** The transports that this client may use, in order of preference. */
  readonly transports: readonly TransportName[]
  /** The position (an offset) up to which everything has been delivered. */
  readonly position: string
  /** How many characters of payload are not accepted yet. */
  readonly bufferedAmount: number
  /** How many messages are not accepted yet. */
  readonly waiting: number

  onopen?: Handler<Event>
  onmessage?: Handler<MirageMessageEvent>
  onmirage?: Handler<MirageEvent>
  onclose?: Handler<MirageCloseEvent>

  /**
   * Enqueues an unnamed message, which is delivered once and in order. Throws if the queue
   * is full or the client is closed.
   */
  send(data: string | ArrayBuffer | ArrayBufferView): void
  /**
   * Enqueues a named message with its data as JSON. The promise resolves once the server's
   * handler has accepted the message, and rejects with a MirageError if it will not.
   */
  emit<K extends keyof Up & string>(event: K, ...rest: EmitArguments<Up[K]>): Promise<void>
  /**
   * Joins a topic, and returns a room of it. Rooms survive reconnects. Two rooms of one
   * topic share a membership. Throws a MirageError if the name or `from` is malformed
   * (400), the info is too long (413), or the client is closed (410).
   */
  join<Events extends object = EventsMap>(topic: string, options?: RoomOptions): Room<Events>
  /**
   * Adds a listener, which gets the payload and the event. Returns its removal. If the
   * listener returns a promise, see the option `ackAfter`.
   */
  on(type: 'mirage', listener: (mirage: string, event: MirageEvent) => unknown, options?: AddEventListenerOptions): () => void
  on(type: 'message', listener: (data: string | ArrayBuffer, event: MirageMessageEvent) => unknown, options?: AddEventListenerOptions): () => void
  on<K extends Control>(type: K, listener: (event: MirageEventMap[K]) => unknown, options?: AddEventListenerOptions): () => void
  on<K extends Named<Down>>(type: K, listener: (data: Down[K], event: MirageMessageEvent) => unknown, options?: AddEventListenerOptions): () => void
  /** Adds a listener for one event, as on() does. Returns its removal. */
  once(type: 'mirage', listener: (mirage: string, event: MirageEvent) => unknown): () => void
  once(type: 'message', listener: (data: string | ArrayBuffer, event: MirageMessageEvent) => unknown): () => void
  once<K extends Control>(type: K, listener: (event: MirageEventMap[K]) => unknown): () => void
  once<K extends Named<Down>>(type: K, listener: (data: Down[K], event: MirageMessageEvent) => unknown): () => void
  /**
   * Calls fn now and at each change of state, stalled or transport. Returns the function
   * that ends this, as Svelte's stores do.
   */
  subscribe(fn: (client: this) => void): () => void
  /**
   * Moves to another transport without a break. The promise resolves when that is in use,
   * or at once while the client is disconnected. If the transport fails, the promise
   * rejects and the choice before it counts again. Without a name the client chooses again.
   */
  use(transport?: TransportName): Promise<void>
  /** Returns the messages that are not accepted yet, those of an earlier page included. */
  queued(): Queued[]
  /**
   * Connects again after disconnect() or release(), or for the first time after
   * `start: false`. Throws if the URL is relative and there is no page.
   */
  connect(): void
  /** Ends the link and keeps the session. */
  disconnect(): void
  /**
   * disconnect() for cleanups: also ends all rooms, and the `for await` loops over the
   * client. Link, timers and global listeners are gone, and place and queue stay in
   * storage.
   */
  release(): void
  /** The same as release(). Runtimes without Symbol.dispose lack it. */
  [Symbol.dispose](): void
  /**
   * Closes the client for good. If there is a link, it sends what waits, for at most
   * `timeout`, and says goodbye to the server, which ends the session with its last reader.
   */
  close(code?: number, reason?: string): Promise<void>
  /**
   * Iterates over the messages, named ones too, from the first call of next() on, until
   * the client is released or closed. Throws if more than 1000 wait, or more characters
   * than the option `bytes` says.
   */
  [Symbol.asyncIterator](): AsyncGenerator<MirageMessageEvent, void, void>

  addEventListener<K extends keyof MirageEventMap>(type: K, listener: Listener<MirageEventMap[K]>, options?: boolean | AddEventListenerOptions): void
  addEventListener<K extends Named<Down>>(type: K, listener: Listener<MirageMessageEvent>, options?: boolean | AddEventListenerOptions): void
  addEventListener(type: string, listener: EventListenerOrEventListenerObject | null, options?: boolean | AddEventListenerOptions): void
  removeEventListener<K extends keyof MirageEventMap>(type: K, listener: Listener<MirageEventMap[K]>, options?: boolean | EventListenerOptions): void
  removeEventListener<K extends Named<Down>>(type: K, listener: Listener<MirageMessageEvent>, options?: boolean | EventListenerOptions): void
  removeEventListener(type: string, listener: EventListenerOrEventListenerObject | null, options?: boolean | EventListenerOptions): void
}

export default Mirage

/** One block of an event stream. */
export interface Block {
  readonly id: string | undefined
  readonly event: string
  readonly data: string | ArrayBuffer | undefined
  readonly topic: string | undefined
  readonly key: string | undefined
  /** The offset in bytes of a piece of a growing message. */
  readonly grow: number | undefined
  /** It is the last piece. */
  readonly done: boolean
}

/** The event stream parser of Mirage. Feed the function bytes or text, cut anywhere. */
export function parser(take: (block: Block) => void): (piece: Uint8Array | string) => void
