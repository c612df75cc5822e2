// The options of a client and their defaults. docs/client.md explains them.

export const defaults = {
  transports: ['websocket', 'sse', 'poll'],
  timeout: 5000,
  fallbackAfter: 1500,
  upgradeEvery: 300_000,
  maxDelay: 20_000,
  hidden: 'keep',
  messages: 256,
  bytes: 1 << 20,
  abort: 'release',
  start: true,
  ackAfter: 'return',
  debug: false,
}

/** others are the options without a default. */
export const others = ['mirage', 'query', 'storage', 'name', 'credentials', 'signal', 'fetch', 'WebSocket']

const LONGEST = 2 ** 31 - 1 // milliseconds that a timer can wait

/** complete returns the options with their defaults. Undefined counts as left out. */
export function complete(given) {
  const options = { ...defaults }
  for (const name in given) {
    const value = given[name]
    if (!(name in defaults || others.includes(name))) console.warn('mirage: there is no option ' + name)
    else if (value !== undefined) options[name] = value > LONGEST ? LONGEST : value
  }
  options.maxDelay = Math.max(100, options.maxDelay) || defaults.maxDelay
  options.transports = options.transports.filter(name => defaults.transports.includes(name))
  if (!options.transports[0]) throw noTransport()
  return options
}

/** noTransport is the error for a transport that does not exist. */
export const noTransport = () => new Error(`no such transport: they are ${defaults.transports}`)
