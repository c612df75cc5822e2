// The types of mirage.js. docs/client.md is the manual.

export type TransportName = 'websocket' | 'sse' | 'poll'

/**
 * - connecting: the server has not said hello (its handshake) yet.
 * - open: messages flow, or will in a moment.
 * - reconnecting: the link (the connection) is lost. The first attempt to reconnect failed,
 *   or three links in a row ended within ten seconds each.
 * - paused: after disconnect(), or in the back/forward cache.
 * - closing: close() is sending what waits.
 * - closed: for good.
 */
export type State = 'connecting' | 'open' | 'reconnecting' | 'paused' | 'closing' | 'closed'

/** Event name → payload. on() parses what the server sent as JSON; emit() sends JSON. */
export type EventsMap = Record<string, unknown>

export interface MirageOptions {
  /**
   * The signed id, for a client that stores its id itself. `''` asks the server for one.
   * Default: the cookie decides, which no script can read. Where no cookie comes (other
   * origins, outside of browsers) it is `''`.
   */
  mirage?: string | undefined
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
  head?: number | undefined
  /**
   * How many milliseconds the client waits between attempts to reach a better transport.
   * 0 means that it makes none. Default 300000.
   */
  upgrade?: number | undefined
  /**
   * How many messages may wait to be accepted. Beyond that send() throws and emit()
   * rejects, with status 429. Default 256.
   */
  messages?: number | undefined
  /**
   * How many characters of payload may wait to be accepted. Bytes count as base64.
   * Default 1048576.
   */
  bytes?: number | undefined
  /** When it aborts, the client closes as by close(). */
  signal?: AbortSignal | undefined
  /** `false` waits for connect(). Default true. */
  start?: boolean | undefined
  /** Replaces the global fetch(): for tests, or to add a header. */
  fetch?: ((url: string, init: RequestInit) => Promise<Response>) | undefined
  /** Replaces the global WebSocket: for tests, or for a runtime that has none. */
  WebSocket?: (new (url: string) => WebSocket) | undefined
}

/** What promises reject with, and what `error` and `mirage-returned` events carry. */
export interface MirageError extends Error {
  /**
   * - 400, 413: the server does not take the message.
   * - 409: the visitor's id has changed.
   * - 410: the client was closed already.
   * - 429: the queue is full.
   * - 500: the server's handler failed.
   * - the close code: the client closed while the message waited.
   * - In `error` events, the HTTP status of the failed attempt.
   * - undefined or 0: the network failed.
   */
  readonly status?: number
}

/** Unnamed messages have the type `message`. Text is a string, bytes are an ArrayBuffer. */
export interface MirageMessageEvent extends MessageEvent<string | ArrayBuffer> {
  /** true if an earlier page, which crashed, may have had the message already. */
  readonly again: boolean
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
export interface MirageGapEvent extends Event { readonly from: number; readonly to: number | null; readonly reason: string }

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

/** A message that waits to be accepted: text, or JSON as it is sent, or bytes. */
export interface Queued { readonly event: string; readonly data: string | ArrayBuffer }

export interface MirageStateEvent extends Event { readonly state: State; readonly previous: State }

/** Another transport is in use. You need not do anything. */
export interface MirageTransportEvent extends Event { readonly transport: TransportName; readonly previous: TransportName | '' }

/**
 * There is no link. An attempt to get one failed, or three links in a row ended within ten
 * seconds each. The client tries again after `delay` milliseconds.
 */
export interface MirageErrorEvent extends Event { readonly error: MirageError; readonly attempt: number; readonly delay: number }

/**
 * Fires once, when the client will not come back. `code` is what close() was given, or
 * 4000 + the HTTP status of the server's refusal.
 */
export interface MirageCloseEvent extends Event { readonly code: number; readonly reason: string; readonly wasClean: boolean }

export interface MirageEventMap {
  open: Event
  message: MirageMessageEvent
  mirage: MirageEvent
  error: MirageErrorEvent
  close: MirageCloseEvent
  'mirage-state': MirageStateEvent
  'mirage-transport': MirageTransportEvent
  'mirage-gap': MirageGapEvent
  'mirage-drain': MirageDrainEvent
  'mirage-returned': MirageReturnedEvent
}

type Handler<E> = ((event: E) => void) | null
type Listener<E> = ((event: E) => void) | { handleEvent(event: E): void }
type Control = Exclude<keyof MirageEventMap, 'mirage' | 'message'>

export class Mirage<In extends EventsMap = EventsMap, Out extends EventsMap = EventsMap> extends EventTarget implements AsyncIterable<MirageMessageEvent> {
  static readonly CONNECTING: 0
  static readonly OPEN: 1
  static readonly CLOSING: 2
  static readonly CLOSED: 3

  /**
   * Without a URL the client connects to the directory of the mirage.js that the server
   * serves. In a bundle, or a module from a file, that throws a TypeError: give the URL.
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
  readonly readyState: 0 | 1 | 2 | 3
  /** `''` before the first hello. */
  readonly transport: TransportName | ''
  /** The transports that this client may use, in order of preference. */
  readonly transports: readonly TransportName[]
  /** The position (an offset) up to which everything has been delivered. */
  readonly position: string
  /** How many characters of payload are not accepted yet. */
  readonly bufferedAmount: number

  onopen?: Handler<Event>
  onmessage?: Handler<MirageMessageEvent>
  onmirage?: Handler<MirageEvent>
  onerror?: Handler<MirageErrorEvent>
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
  emit<K extends keyof Out & string>(event: K, ...data: undefined extends Out[K] ? [data?: Out[K]] : [data: Out[K]]): Promise<void>
  /** Adds a listener, which gets the payload and the event. Returns its removal. */
  on(type: 'mirage', listener: (mirage: string, event: MirageEvent) => void, options?: AddEventListenerOptions): () => void
  on(type: 'message', listener: (data: string | ArrayBuffer, event: MirageMessageEvent) => void, options?: AddEventListenerOptions): () => void
  on<K extends Control>(type: K, listener: (event: MirageEventMap[K]) => void, options?: AddEventListenerOptions): () => void
  on<K extends Exclude<keyof In & string, keyof MirageEventMap>>(type: K, listener: (data: In[K], event: MirageMessageEvent) => void, options?: AddEventListenerOptions): () => void
  /**
   * Calls fn now and at each change of state or transport. Returns the function that ends
   * this. Svelte takes the client as a store, React in useSyncExternalStore.
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
  /** Connects again after disconnect(), or for the first time after `start: false`. */
  connect(): void
  /** Ends the link and keeps the session. */
  disconnect(): void
  /**
   * Closes the client for good. If there is a link, it sends what waits, for at most
   * `timeout`, and says goodbye to the server, which ends the session with its last reader.
   */
  close(code?: number, reason?: string): Promise<void>
  /**
   * Iterates over the messages, named ones too, from the first call of next() on. Throws if
   * more than 1000 wait.
   */
  [Symbol.asyncIterator](): AsyncGenerator<MirageMessageEvent, void, void>

  addEventListener<K extends keyof MirageEventMap>(type: K, listener: Listener<MirageEventMap[K]>, options?: boolean | AddEventListenerOptions): void
  addEventListener<K extends string>(type: K extends keyof MirageEventMap ? never : K, listener: Listener<MirageMessageEvent> | null, options?: boolean | AddEventListenerOptions): void
  addEventListener(type: string, listener: EventListenerOrEventListenerObject | null, options?: boolean | AddEventListenerOptions): void
  removeEventListener<K extends keyof MirageEventMap>(type: K, listener: Listener<MirageEventMap[K]>, options?: boolean | EventListenerOptions): void
  removeEventListener(type: string, listener: EventListenerOrEventListenerObject | null, options?: boolean | EventListenerOptions): void
}

export default Mirage

/** One block of an event stream. */
export interface Block { readonly id: string | undefined; readonly event: string; readonly data: string | ArrayBuffer | undefined }

/** The event stream parser of Mirage. Feed the function bytes or text, cut anywhere. */
export function parser(take: (block: Block) => void): (piece: Uint8Array | string) => void
