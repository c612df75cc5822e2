// Types that the entry points for React, Svelte and Vue share.

import type { Mirage, MirageEvent, MirageEventMap, MirageMessageEvent } from './mirage.js'

/** What the application may show about its connection. */
export interface MirageStatus {
  readonly state: Mirage['state']
  readonly stalled: Mirage['stalled']
  readonly transport: Mirage['transport']
}

/** The types of events that a client may listen to. */
export type EventType<Down> = keyof MirageEventMap | (keyof Down & string)

/** The arguments of a handler for such an event, as on() passes them. */
export type HandlerArgs<Down, K> =
  K extends 'message' ? [data: string | ArrayBuffer, event: MirageMessageEvent]
  : K extends 'mirage' ? [mirage: string, event: MirageEvent]
  : K extends keyof MirageEventMap ? [event: MirageEventMap[K]]
  : K extends keyof Down ? [data: Down[K], event: MirageMessageEvent]
  : never
