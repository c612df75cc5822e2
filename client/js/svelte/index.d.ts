// The types of mirage-client/svelte. docs/frameworks.md is the manual.

import type { EventsMap, Mirage, MirageOptions } from '../mirage.js'
import type { MirageStatus } from '../shared.js'

export type { MirageStatus }

/**
 * Returns the page's client for a URL. It connects when the component mounts, and is
 * released when the last component that uses it is destroyed. Components that ask for the
 * same URL, and the same `name` if there is one, share a client.
 *
 * The options are those of the first component that asks. But the functions `mirage` and
 * `query` are those of the component that mounted last. With `start: false` the component
 * calls connect() itself.
 */
export function useMirage<Down extends object = EventsMap, Up extends object = EventsMap>(
  url: string | URL, options?: MirageOptions
): Mirage<Down, Up>

/** Returns a store of what there is to show about the connection. */
export function mirageState(client: Mirage<any, any>): { subscribe(run: (status: MirageStatus) => void): () => void }
