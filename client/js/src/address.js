// Where the server is, and what each request says about the client. The state:
//
//   base    the URL as fetch() takes it; undefined if it is relative and there is no page
//   cid     the name of this client object
//   signed  the value of _mirage; undefined leaves it to the cookie
//   extra   what the application adds to the query

import { isEventStream } from './errors.js'

// scriptDirectory returns the URL of the directory that the server serves this script
// from, which is where Mirage is mounted. It throws in a bundle, which has another name,
// and in a module from a file.
function scriptDirectory() {
  // A variable: bundlers take new URL('…', import.meta.url) for a file to include.
  const script = import.meta.url
  if (/^https?:[^?#]*\/mirage(\.min|\.dev)?\.js([?#]|$)/.test(script)) return new URL('.', script)
  throw new TypeError("the URL is missing: write new Mirage('/live'), with the URL of Mirage on your server")
}

/** locate resolves the URL, and returns it. */
export function locate({ address }, url = scriptDirectory()) {
  const { document, location, origin } = globalThis
  const page = document?.baseURI ?? location?.href
  address.base = page || /^[a-z]+:/i.test(url) ? new URL(url, page) : undefined
  address.cid = crypto.getRandomValues(new Uint32Array(4)).join('_') // 128 random bits in characters of base64url
  address.signed = address.base?.origin === origin ? undefined : ''
  return '' + (address.base || url)
}

/** identify takes the signed id from the options or from an earlier page. */
export function identify({ address, options: { mirage = address.signed, query } }, kept) {
  address.signed = mirage?.call ? '' : mirage || kept || mirage
  address.extra = query
}

/** renews reports whether the application has to be asked for values that may expire. */
export const renews = ({ options: { mirage, query } }) => mirage?.call || query?.call

/** renew asks for them. It is called before each link. */
export async function renew({ address, options: { mirage, query } }) {
  if (query?.call) address.extra = await query()
  if (mirage?.call) address.signed = await mirage() ?? address.signed
}

/** to returns the URL of a request. */
export function to({ address }, query) {
  const url = new URL(address.base)
  query = { ...address.extra, ...query, _cid: address.cid, _mirage: address.signed }
  for (const k in query) if (query[k] != null) url.searchParams.set(k, query[k])
  return url.href
}

export async function request(core, method, token, init, query) {
  const { fetch: ask = fetch, credentials } = core.options
  const headers = { Accept: 'text/event-stream' }
  if (init.body) headers['Content-Type'] = headers.Accept
  if (token) headers['Mirage-Link'] = token
  const answer = await ask(to(core, query), {
    method, headers, credentials, cache: 'no-store',
    referrerPolicy: 'same-origin', // over plain http only the Referer shows which site's page asks
    ...init,
  })
  if (isEventStream(answer)) adopt(core, answer)
  return answer
}

/**
 * adopt takes the path that a redirect led to, as from /live to /live/, for all requests,
 * because a WebSocket does not follow redirects. It is called only for answers of Mirage:
 * the redirect may lead to a log-in form. It adopts no other origin.
 */
export function adopt({ address: { base } }, { redirected, url }) {
  const { origin, pathname } = redirected ? new URL(url) : base
  if (origin === base.origin) base.pathname = pathname
}
