// Errors of the client, and what the status of an answer means (docs/protocol.md,
// Errors).

// The server refuses this client for good. A gateway in front of it uses these statuses
// for reasons of its own, which may pass.
const REFUSED = [204, 400, 403, 410]

// No GET of this kind will ever be answered in another way, whoever gives the answer.
const IMPOSSIBLE = [405, 413, 415]

/**
 * failure returns an error with a status, which is undefined if the network failed. ours
 * says that the server itself answered, and no gateway. The error has these properties,
 * too:
 *
 * - final: the client must not come back. A gateway can only say so about a GET.
 * - unfit: a message of the request is the reason.
 * - other: another transport may work where this one was refused.
 * - foreign: a gateway refused. That may pass, but not soon.
 */
export function failure(message, status, ours = true) {
  const mine = ours && REFUSED.includes(status)
  return Object.assign(new Error(message), {
    status,
    final: mine || IMPOSSIBLE.includes(status),
    unfit: status === 413 || ours && [400, 415].includes(status),
    other: [426, 501].includes(status),
    foreign: !ours && status < 500,
  })
}

/** delayOf returns a delay that the server asked for, in milliseconds, or undefined. */
export const delayOf = seconds => seconds > 0 ? 1000 * seconds : undefined

const typeOf = ({ headers }) => headers.get('Content-Type') || 'nothing'

/**
 * isEventStream reports whether the answer is a stream or a long-poll of the server, and
 * not a page that a redirect led to.
 */
export const isEventStream = answer => answer.status === 200 && typeOf(answer).startsWith('text/event-stream')

/** check returns an answer with status 200. Otherwise it throws the reason. */
export async function check(answer, url) {
  const { status, headers } = answer
  if (status === 200) return answer
  const ours = typeOf(answer).startsWith('application/problem+json') // RFC 9457
  const { detail, expected } = ours && await answer.json().catch(() => 0) || {}
  const error = failure(detail || `status ${status}${ours ? '' : ' from ' + url}`, status, ours)
  throw Object.assign(error, { expected, retry: delayOf(headers.get('Retry-After')) })
}

/** discard frees the connection of an answer that is of no use. */
export function discard(answer) { answer.body?.cancel?.().catch(() => 0) }

/** foreign returns the error for an answer of somebody else, such as a log-in page. */
export function foreign(answer, url) {
  discard(answer)
  return failure(`${url} answered with ${typeOf(answer)}, so that is not Mirage`, answer.status, false)
}
