// A browser that has no cookie yet opens one first link at a time, in all tabs of the
// origin. Otherwise each would get an id of its own, and the last cookie would win.

let before // settles when the first link of the client before, in this page, has been tried

/**
 * seen reports whether the browser has had a cookie, which the client noted in
 * localStorage with now. A Web Lock takes some milliseconds, which only a first visit
 * should cost.
 */
export function seen({ record }, now) {
  try {
    return record.storage && (now ? localStorage.mirage = 1 : localStorage.mirage)
  } catch { /* there is no such storage, or it is forbidden */ }
}

/**
 * firstVisit waits for the client's turn, for patience milliseconds at most. The promise
 * resolves with the function that ends the turn. Without Web Locks, as over plain http,
 * there are turns only within the page.
 */
export const firstVisit = (origin, patience) => new Promise(go => {
  const { locks } = globalThis.navigator ?? {}
  const earlier = before
  let done
  const ended = before = new Promise(end => { done = end })
  const begin = () => {
    clearTimeout(timer)
    go(done)
    return ended
  }
  const timer = setTimeout(begin, patience)
  Promise.resolve(earlier).then(() => locks.request('mirage:' + origin, begin)).catch(begin)
})
