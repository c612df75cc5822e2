// For Svelte 5 components. docs/frameworks.md explains it.

import { onMount } from 'svelte'
import { hold, obtain, statusOf } from '../shared.js'

/**
 * useMirage returns the page's client for a URL, which is connected while the component
 * is mounted.
 */
export function useMirage(url, options = {}) {
  const entry = obtain(url, options)
  onMount(() => hold(entry, { options }))
  return entry.client
}

/** mirageState returns a store of { state, stalled, transport }. */
export const mirageState = client => ({ subscribe: run => client.subscribe(() => run(statusOf(client))) })
