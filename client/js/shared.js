// What the entry points for React, Svelte and Vue share: the components of a page that
// ask for the same URL have one client. It is connected while one of them is mounted.

import { Mirage } from './mirage.js'

const KEPT = 32 // entries; of more, the oldest without users are evicted
const entries = new Map() // URL and name → entry

// create makes a client that does nothing yet. Its functions are those of the component
// that mounted last, because the others may be gone.
function create(url, options) {
  const users = new Set()
  const newest = name => [...users].reverse().find(user => user.options[name]?.call)?.options
  const given = { ...options, start: false }
  for (const name of ['mirage', 'query']) {
    if (given[name]?.call) given[name] = () => newest(name)?.[name]()
  }
  return { client: new Mirage(url, given), users }
}

/**
 * obtain returns the page's entry for a URL. One without users waits for the next
 * component with its place and its queue, which may not be in storage. A client that was
 * closed is replaced. A server render has no page, and gets a client that nobody shares.
 */
export function obtain(url, options) {
  if (!globalThis.window) return create(url, options)
  const key = url + '\n' + (options.name || '')
  const known = entries.get(key)
  if (known && known.client.readyState < 2) return known

  for (const [key, { users }] of entries) if (entries.size >= KEPT && !users.size) entries.delete(key)
  const entry = create(url, options)
  entries.set(key, entry)
  return entry
}

/**
 * hold connects the client for a user, unless its option start is false. It returns the
 * function that releases the client. If another user holds it by the end of the task, as
 * in StrictMode or when one view of an application replaces another, the link stays.
 */
export function hold({ client, users }, user) {
  const starts = ({ options }) => options.start !== false
  const isFirst = starts(user) && ![...users].some(starts)
  users.add(user)
  if (isFirst) client.connect()
  return () => {
    users.delete(user)
    queueMicrotask(() => users.size || client.release())
  }
}

/** initial is the status in a server render, and of a client that has not connected. */
export const initial = Object.freeze({ state: 'connecting', stalled: '', transport: '' })

const statuses = new WeakMap()

/** statusOf returns the client's status, the same object until it changes. */
export function statusOf(client) {
  const { state, stalled, transport } = client
  let status = statuses.get(client) ?? initial
  if (status.state !== state || status.stalled !== stalled || status.transport !== transport) {
    statuses.set(client, status = Object.freeze({ state, stalled, transport }))
  }
  return status
}
