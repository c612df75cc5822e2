// Composables for Vue 3. docs/frameworks.md explains them.

import { getCurrentInstance, onMounted, onScopeDispose, shallowRef } from 'vue'
import { hold, obtain, statusOf } from '../shared.js'

/**
 * useMirage returns the page's client for a URL, which is connected while the component
 * is mounted. In an effect scope outside of a component it is connected until the scope
 * is disposed.
 */
export function useMirage(url, options = {}) {
  const entry = obtain(url, options)
  let release
  const start = () => { release = hold(entry, { options }) }
  if (getCurrentInstance()) onMounted(start)
  else if (globalThis.window) start()
  onScopeDispose(() => release?.())
  return entry.client
}

/** useMirageState returns a ref of { state, stalled, transport }. */
export function useMirageState(client) {
  const status = shallowRef(statusOf(client))
  whileScope(() => client.subscribe(() => { status.value = statusOf(client) }))
  return status
}

/** useMirageEvent calls handler as client.on() does, until the scope is disposed. */
export function useMirageEvent(client, type, handler) {
  whileScope(() => client.on(type, handler))
}

// whileScope does nothing in a server render, which does not dispose of its scopes.
function whileScope(listen) { if (globalThis.window) onScopeDispose(listen()) }
