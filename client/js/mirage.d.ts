// The types of mirage.js. docs/client.md is the manual.

export type TransportName = 'websocket' | 'sse' | 'poll'

/**
 * connecting: there was no hello yet. open: messages flow, or will in a moment. reconnecting: the link is lost, and the first try for
 * another one failed, or three in a row died young.
 * paused: after disconnect(), or in the back/forward cache. closing, closed: for good.
 */
export type State = 'connecting' | 'open' | 'reconnecting' | 'paused' | 'closing' | 'closed'

/** Event name → payload: what comes down is JSON for on(), what emit() takes is made JSON. */
export type EventsMap = Record<string, unknown>

export interface MirageOptions {
  /**
   * The signed id of a client that keeps it by itself; `''` asks for one. Default: the cookie's, which no script can read; but `''` where no
   * cookie comes: cross-origin and outside of browsers.
   */
  mirage?: string | undefined
  /** In order of preference. Default `['websocket', 'sse', 'poll']`. */
  transports?: readonly TransportName[] | undefined
  /** Where id, position and unaccepted messages outlive a page load. Default `sessionStorage` in a window, otherwise nothing; `null` is nothing. */
  storage?: Pick<Storage, 'getItem' | 'setItem' | 'removeItem'> | null | undefined
  /** The name of the record in `storage`; each client in a page needs its own. Default: the URL, without a slash at the end of its path. */
  name?: string | undefined
  /** Of fetch(). Default `'same-origin'`. */
  credentials?: RequestCredentials | undefined
  /** Milliseconds for a transport to bring the server's hello. Default 5000. */
  timeout?: number | undefined
  /** Milliseconds after which the next transport starts beside a slow one. Default 1500. */
  head?: number | undefined
  /** Milliseconds between looks for a better transport than the present one; 0 never looks. Default 300000. */
  upgrade?: number | undefined
  /** Messages that may wait to be accepted; above it send() throws and emit() rejects, with status 429. Default 256. */
  messages?: number | undefined
  /** The same in characters of payload. Default 1048576. */
  bytes?: number | undefined
  /** Aborting it is close(). */
  signal?: AbortSignal | undefined
  /** false waits for connect(). Default true. */
  start?: boolean | undefined
  /** Takes the place of fetch(): for tests, or to add a header. */
  fetch?: ((url: string, init: RequestInit) => Promise<Response>) | undefined
  /** Takes the place of WebSocket: for tests, or for a runtime that has none. */
  WebSocket?: (new (url: string) => WebSocket) | undefined
}

/** What promises are broken with, and what `error` events carry. */
export interface MirageError extends Error {
  /** 400, 413: the server does not take it. 429: the queue is full. 500: the server's handler failed. 409: the id has changed. 410: the client was closed before; its close code: it has closed since. undefined: the network. */
  readonly status?: number
}

/** Unnamed messages have the type `message`; text is a string, bytes are an ArrayBuffer. */
export interface MirageMessageEvent extends MessageEvent<string | ArrayBuffer> {
  /** An earlier page, which crashed, may have had it already. */
  readonly again: boolean
}

/** Who we are: at the first hello, when the id has changed, and when the server could not resume. */
export interface MirageEvent extends Event {
  readonly id: string
  /** Who we were before this hello, or `''`. */
  readonly known: string
  /** What `.mirage` is now: store it, if you gave the option. */
  readonly mirage: string
  /** The id that this one replaces, or `''`. */
  readonly previous: string
  /** Nothing is missing since the position that we had. */
  readonly resumed: boolean
  /** Why not: new, expired, restarted, trimmed, diverged, moved, ahead, malformed; or `''`. */
  readonly reason: string
  readonly lost: { readonly from: number; readonly to: number | null } | null
  /** The highest number that was ever written to anyone of the session. */
  readonly sent: number
}

/** These messages are lost to this client; `to` is null where the server cannot know. */
export interface MirageGapEvent extends Event { readonly from: number; readonly to: number | null; readonly reason: string }

/** The server ends the link; the client is back after `retry` milliseconds. Nothing is to be done. */
export interface MirageDrainEvent extends Event { readonly retry: number }

/** These messages will not be delivered, and `error` says why: the handler failed, they are not acceptable, the id has changed, the client has closed. */
export interface MirageReturnedEvent extends Event {
  /** Who wrote them. */
  readonly id: string
  readonly error: MirageError
  readonly messages: readonly Queued[]
}

/** A message that waits: text or JSON as it goes up, or bytes. */
export interface Queued { readonly event: string; readonly data: string | ArrayBuffer }

export interface MirageStateEvent extends Event { readonly state: State; readonly previous: State }

/** Another transport is in use. Nothing is to be done. */
export interface MirageTransportEvent extends Event { readonly transport: TransportName; readonly previous: TransportName | '' }

/** There is no link, and an attempt to get one failed, or one link after the other dies; the next is after `delay` milliseconds. */
export interface MirageErrorEvent extends Event { readonly error: MirageError; readonly attempt: number; readonly delay: number }

/** Once, when the client will not try again. `code` is what close() was given, or 4000 + the HTTP status. */
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
   * Without a URL the client connects to the directory of the mirage.js that the server serves. In a bundle, and for a
   * module from a file, that throws a TypeError: give the URL.
   */
  constructor(options?: MirageOptions)
  constructor(url: string | URL | undefined, options?: MirageOptions)

  /** The URL that the client was given, resolved. A redirect does not change it. */
  readonly url: string
  /** The mirage id; `''` until the server gave one. */
  readonly id: string
  /** The same, or the signed value for clients with the option `mirage` and for those without a cookie. */
  readonly mirage: string
  readonly state: State
  readonly readyState: 0 | 1 | 2 | 3
  /** `''` before the first hello. */
  readonly transport: TransportName | ''
  /** The ones that this client may use, in order of preference. */
  readonly transports: readonly TransportName[]
  /** Up to where everything has been delivered. */
  readonly position: string
  /** Characters of payload that are not accepted yet. */
  readonly bufferedAmount: number

  onopen?: Handler<Event>
  onmessage?: Handler<MirageMessageEvent>
  onmirage?: Handler<MirageEvent>
  onerror?: Handler<MirageErrorEvent>
  onclose?: Handler<MirageCloseEvent>

  /** An unnamed message, delivered once and in order. Throws if the queue is full or the client closed. */
  send(data: string | ArrayBuffer | ArrayBufferView): void
  /** A named message in JSON; the promise is kept when the server's handler has accepted it. */
  emit<K extends keyof Out & string>(event: K, ...data: undefined extends Out[K] ? [data?: Out[K]] : [data: Out[K]]): Promise<void>
  /** Calls listener with the payload; returns the way to stop. */
  on(type: 'mirage', listener: (mirage: string, event: MirageEvent) => void, options?: AddEventListenerOptions): () => void
  on(type: 'message', listener: (data: string | ArrayBuffer, event: MirageMessageEvent) => void, options?: AddEventListenerOptions): () => void
  on<K extends Control>(type: K, listener: (event: MirageEventMap[K]) => void, options?: AddEventListenerOptions): () => void
  on<K extends Exclude<keyof In & string, keyof MirageEventMap>>(type: K, listener: (data: In[K], event: MirageMessageEvent) => void, options?: AddEventListenerOptions): () => void
  /** Calls fn now and at every change of state or transport: a Svelte store, and what React's useSyncExternalStore wants. */
  subscribe(fn: (client: this) => void): () => void
  /**
   * Moves to another transport, without a break; the promise is kept when it is in use, or will be at the next connect(). One that fails is forgotten.
   * Without a name the choice is the client's again.
   */
  use(transport?: TransportName): Promise<void>
  /** What is not accepted yet, of an earlier page, too. */
  queued(): Queued[]
  /** Takes up the session again after disconnect(). */
  connect(): void
  /** Lets go of the link and keeps the session. */
  disconnect(): void
  /** Sends what waits if there is a link, ends the session at the server and forgets it. */
  close(code?: number, reason?: string): Promise<void>
  /** The messages, named ones too, from the first call of next() on. Throws if the loop is 1000 behind. */
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

/** The reader of event streams that Mirage uses: feed it bytes or text, cut anywhere. */
export function parser(take: (block: Block) => void): (piece: Uint8Array | string) => void
