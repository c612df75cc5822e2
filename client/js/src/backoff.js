// How long the client waits before it tries again.

/** HOUR is the longest that the client waits, whoever says so, in milliseconds. */
export const HOUR = 3_600_000

const FIRST = 500, QUICK = 800, SLOW = 8000 // milliseconds

/** sleep waits for ms. It gives wake the function that ends it early. */
export const sleep = (ms, wake) => new Promise(done => {
  const timer = setTimeout(done, ms)
  wake?.(() => {
    clearTimeout(timer)
    done()
  })
})

/**
 * delayBefore returns how many milliseconds to wait before the next attempt. The server's
 * own word counts first. Otherwise it is random, so that not all clients come back at
 * once, and its bound doubles with each attempt up to maxDelay (full jitter). It stays
 * below a second while quick: somebody looks at the page, and the network was there a
 * minute ago.
 */
export function delayBefore(attempt, error, maxDelay, quick) {
  const { retry, status, foreign } = error
  if (retry > 0) return Math.min(retry, HOUR)
  if (foreign && attempt > 1) return Math.min(maxDelay, SLOW) * (1 + Math.random()) / 2
  if (quick && (!status || [502, 504].includes(status))) return Math.min(maxDelay, QUICK) * (1 + Math.random()) / 2
  return Math.random() * Math.min(maxDelay, FIRST * 2 ** attempt)
}

/**
 * delayAfterRefusal returns how many milliseconds to wait after the server has refused
 * for a while: at least retry, which is its own word. The delay doubles with each attempt
 * up to maxDelay. It is random, so that not all clients come back at once.
 */
export function delayAfterRefusal(attempt, retry, maxDelay) {
  const least = Math.min(retry || 0, HOUR)
  const bound = Math.max(least, FIRST) * 2 ** (attempt - 1)
  return Math.max(least, Math.min(maxDelay, bound * (1 + Math.random() / 2)))
}
