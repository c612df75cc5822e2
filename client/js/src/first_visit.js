// A browser that has no cookie yet opens one first link at a time, in all tabs of the
// origin. Otherwise each would get an id of its own, and the last cookie would win.

const PATIENCE = 1500 // milliseconds

/**
 * firstVisit waits for the client's turn, but not for long. The promise resolves with the
 * function that ends the turn. Without Web Locks, as over plain http, there is no wait.
 */
export const firstVisit = origin => new Promise(go => {
  const { locks } = globalThis.navigator ?? {}
  if (!locks) return go()
  let done
  const ended = new Promise(end => { done = end })
  const begin = () => {
    clearTimeout(timer)
    go(done)
    return ended
  }
  const timer = setTimeout(begin, PATIENCE)
  locks.request('mirage:' + origin, begin).catch(begin)
})
