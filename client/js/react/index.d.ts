// The types of mirage-client/react. docs/frameworks.md is the manual.

import type { EventsMap, Mirage, MirageOptions } from '../mirage.js'
import type { EventType, HandlerArgs, MirageStatus } from '../shared.js'

export type { MirageStatus }

/**
 * Returns the page's client for a URL. It connects when the component mounts, and is
 * released when the last component that uses it unmounts. Components that ask for the same
 * URL, and the same `name` if there is one, share a client. Another URL makes another client.
 *
 * The options are those of the first component that asks. But the functions `mirage` and
 * `query` are those of the component that mounted last, and of its last render. With
 * `start: false` the component calls connect() itself.
 */
export function useMirage<Down extends object = EventsMap, Up extends object = EventsMap>(
  url: string | URL, options?: MirageOptions
): Mirage<Down, Up>

/**
 * Returns what there is to show about the connection, and renders again when it changes.
 * In a server render and during hydration the state is `connecting`.
 */
export function useMirageState(client: Mirage<any, any>): MirageStatus

/**
 * Calls handler with the payload and the event, as client.on() does, while the component is
 * mounted. The handler of the last render counts.
 */
export function useMirageEvent<Down extends object, K extends EventType<Down>>(
  client: Mirage<Down, any>, type: K, handler: (...args: HandlerArgs<Down, K>) => unknown
): void
