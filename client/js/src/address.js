// Where the server is, and what each request says about the client.

import { isEventStream } from './errors.js'

// scriptDirectory returns the URL of the directory that the server serves this script
// from, which is where Mirage is mounted. It throws in a bundle, which has another name,
// and in a module from a file.
function scriptDirectory() {
  // A variable: bundlers take new URL('…', import.meta.url) for a file to include.
  const script = import.meta.url
  if (/^https?:[^?#]*\/mirage(\.min|\.dev)?\.js([?#]|$)/.test(script)) return new URL('.', script)
  throw new TypeError("the URL is missing: write new Mirage('/live'), with the URL where your server has Mirage. "
    + 'Only a mirage.js that the browser loaded from that server knows it by itself.')
}

const ask = value => typeof value === 'function' ? value() : value

export class Address {
  cid = crypto.getRandomValues(new Uint32Array(4)).join('_') // 128 random bits in characters of base64url
  extra // what the application adds to the query

  constructor(url, options) {
    const { document, location, origin } = globalThis
    const page = document?.baseURI ?? location?.href
    url ??= scriptDirectory()

    this.options = options
    // As fetch() takes it. adopt() changes the path. A relative URL has no base outside of
    // a page, as in a server render.
    this.base = page || /^[a-z]+:/i.test(url) ? new URL(url, page) : undefined
    this.url = '' + (this.base || url)
    // The value of _mirage; undefined leaves it to the cookie.
    this.signed = this.base?.origin === origin ? undefined : ''
  }

  /** identify takes the signed id from the options or from an earlier page. */
  identify(kept) {
    const { mirage = this.signed } = this.options
    this.signed = typeof mirage === 'function' ? '' : mirage || kept || mirage
  }

  /** renew asks the application for values that may expire. It is called before each link. */
  async renew() {
    const { mirage, query } = this.options
    this.extra = await ask(query)
    if (typeof mirage === 'function') this.signed = await mirage() ?? this.signed
  }

  /** to returns the URL of a request. */
  to(query) {
    const url = new URL(this.base)
    query = { ...this.extra, ...query, _cid: this.cid, _mirage: this.signed }
    for (const k in query) if (query[k] != null) url.searchParams.set(k, query[k])
    return url.href
  }

  async request(method, token, init, query) {
    const { fetch: ask = fetch, credentials } = this.options
    const headers = { Accept: 'text/event-stream' }
    if (init.body) headers['Content-Type'] = headers.Accept
    if (token) headers['Mirage-Link'] = token
    const answer = await ask(this.to(query), {
      method, headers, credentials, cache: 'no-store',
      referrerPolicy: 'same-origin', // over plain http only the Referer shows which site's page asks
      ...init,
    })
    if (isEventStream(answer)) this.adopt(answer)
    return answer
  }

  /**
   * adopt takes the path that a redirect led to, as from /live to /live/, for all requests,
   * because a WebSocket does not follow redirects. It is called only for answers of Mirage:
   * the redirect may lead to a log-in form. It adopts no other origin.
   */
  adopt({ redirected, url }) {
    const { origin, pathname } = redirected ? new URL(url) : this.base
    if (origin === this.base.origin) this.base.pathname = pathname
  }
}
