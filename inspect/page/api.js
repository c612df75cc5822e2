// The JSON twin of the page.

// get returns the JSON at a path below api/.
export const get = path => request(path, {})

// post sends a body as JSON.
export const post = (path, body) =>
  request(path, {
    method: 'POST',
    body: JSON.stringify(body),
    headers: { 'Content-Type': 'application/json' },
  })

async function request(path, options) {
  let answer
  try {
    answer = await fetch('api/' + path, { ...options, signal: AbortSignal.timeout(10_000) })
  } catch {
    throw new Error('The server does not answer. Trying again.')
  }
  const body = await answer.json().catch(() => ({}))
  if (!answer.ok) throw new Error(body.error ?? `The server answers with ${answer.status}.`)
  return body
}
