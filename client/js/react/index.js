// Hooks for React 18 and later. docs/frameworks.md explains them.

import { useCallback, useEffect, useInsertionEffect, useMemo, useRef, useSyncExternalStore } from 'react'
import { hold, initial, obtain, statusOf } from '../shared.js'

/**
 * useMirage returns the page's client for a URL, which is connected while the component
 * is mounted.
 */
export function useMirage(url, options = {}) {
  const entry = useMemo(() => obtain(url, options), ['' + url, options.name])
  const user = useRef({ options }).current
  useInsertionEffect(() => { user.options = options })
  useEffect(() => hold(entry, user), [entry, user])
  return entry.client
}

/**
 * useMirageState returns { state, stalled, transport }, and renders again when one of
 * them changes.
 */
export function useMirageState(client) {
  const subscribe = useCallback(changed => client.subscribe(changed), [client])
  return useSyncExternalStore(subscribe, () => statusOf(client), () => initial)
}

/**
 * useMirageEvent calls handler as client.on() does, while the component is mounted. It
 * calls the handler of the last render, and does not subscribe again for a new one.
 */
export function useMirageEvent(client, type, handler) {
  const latest = useRef(handler)
  useInsertionEffect(() => { latest.current = handler })
  useEffect(() => client.on(type, (...args) => latest.current(...args)), [client, type])
}
