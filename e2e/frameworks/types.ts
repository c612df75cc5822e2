// What the types of the entry points accept and refuse. It is compiled, and does not run.

import type { Mirage } from 'mirage-client'
import * as react from 'mirage-client/react'
import * as svelte from 'mirage-client/svelte'
import * as vue from 'mirage-client/vue'
import { fromStore, type Readable } from 'svelte/store'
import type { Down, Up } from './page.ts'

const clients: Mirage<Down, Up>[] = [
  react.useMirage<Down, Up>('/live'),
  svelte.useMirage<Down, Up>(new URL('https://localhost/live'), { start: false }),
  vue.useMirage<Down, Up>('/live', { name: 'other' }),
]
const client = clients[0]!
void client.emit('chat', { text: '' })

for (const { useMirageEvent } of [react, vue]) {
  useMirageEvent(client, 'chat', ({ text }, event) => text.length + event.lastEventId.length)
  useMirageEvent(client, 'chat', async () => {})
  useMirageEvent(client, 'message', data => typeof data === 'string' ? data.length : data.byteLength)
  useMirageEvent(client, 'mirage', (mirage, { resumed }) => mirage.length && !resumed)
  useMirageEvent(client, 'mirage-gap', ({ from, to }) => from - (to ?? 0))
  // @ts-expect-error: the server sends no such event
  useMirageEvent(client, 'char', () => {})
  // @ts-expect-error: its payload is an object
  useMirageEvent(client, 'chat', (data: string) => data)
}
react.useMirageEvent(react.useMirage('/live'), 'any', data => {
  // @ts-expect-error: without a map of events the payload is unknown
  data.text
})

const status: react.MirageStatus = react.useMirageState(client)
const store: Readable<svelte.MirageStatus> = svelte.mirageState(client)
const { value } = vue.useMirageState(client)
const open: boolean[] = [status, fromStore(store).current, value].map(({ state, stalled, transport }) =>
  state === 'open' && stalled !== 'offline' && transport === 'websocket')
// @ts-expect-error: there is no such state
open.push(status.state === 'opened')
// @ts-expect-error: the library changes it
vue.useMirageState(client).value = value
