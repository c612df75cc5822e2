// What the three applications have in common: what a test reads in their page, and does
// there. Numbers are recorded as runs of consecutive ones.

import type { Mirage, MirageMessageEvent } from 'mirage-client'

export interface Down { chat: { text: string } }
export interface Up { chat: { text: string } }
export type Live = Mirage<Down, Up>

/** So that a test can count links: a slow page would open a second one for another transport. */
export const transports = ['websocket'] as const

/** View is what an application shows; manual is the example in docs/frameworks.md. */
export type View = 'first' | 'second' | 'both' | 'room' | 'module' | 'manual' | 'away'

/** Where is where a component records its messages. */
export type Where = 'got' | 'copy' | 'room'

const record = {
  name: '',
  got: [] as [number, number][],
  copy: [] as [number, number][],
  room: [] as [number, number][],
  sent: { '': 0 },
  again: 0,
  events: ['load'],
  mounts: 0, // of components with a client
  mark: '', // of the handler that got the last message
}

let client: Live | undefined
let timer: ReturnType<typeof setInterval>

/** talk sends a number every so often, also while no component is there. */
function talk(ms: number) {
  clearInterval(timer)
  if (ms) timer = setInterval(() => {
    try {
      client?.send(':' + (record.sent[''] + 1))
      record.sent['']++
    } catch { /* the queue is full: later */ }
  }, ms)
}

/** note records a message. */
export function note(where: Where, data: string | ArrayBuffer, e: MirageMessageEvent, mark: string) {
  const n = Number(data), runs = record[where], last = runs.at(-1)
  if (last?.[1] === n - 1) last[1] = n
  else runs.push([n, n])
  if (e.again) record.again++
  record.mark = mark
}

/** adopt makes a client the one that the test sees. */
export function adopt(next: Live) {
  record.mounts++
  if (client === next) return
  client = next
  next.on('open', () => record.events.push('open'))
  next.on('mirage', (_, { reason }) => record.events.push('mirage ' + (reason || 'resumed')))
  next.on('mirage-state', ({ state }) => record.events.push('state ' + state))
  next.on('mirage-gap', ({ reason }) => record.events.push('gap ' + reason))
  Object.assign(globalThis, { client })
}

/** begin returns the first view. It is the same in a server render. */
export function begin(): View {
  if (typeof document === 'undefined') return 'first'
  Object.assign(globalThis, { record, talk })
  return new URLSearchParams(location.search).get('view') as View ?? 'first'
}

/** expose gives the test the function that shows another view. */
export function expose(show: (view: View, mark?: string) => void) { Object.assign(globalThis, { show }) }
