// Modules with a web page's address, as if a server had sent mirage.js to a browser.

import { register } from 'node:module'

const hooks = `
  let sources
  export function initialize(data) { sources = data }
  const ours = url => /^https?:/.test(url)
  export function resolve(url, context, next) {
    return ours(url) ? { url, shortCircuit: true } : next(url, context)
  }
  export async function load(url, context, next) {
    if (!ours(url)) return next(url, context)
    const source = sources[new URL(url).hostname] ?? await (await fetch(url)).text()
    return { format: 'module', source, shortCircuit: true }
  }
`

/**
 * serve sets the source that the hosts named in sources answer with, for all paths. Other
 * hosts are asked.
 */
export function serve(sources) {
  register('data:text/javascript,' + encodeURIComponent(hooks), { data: sources })
}
