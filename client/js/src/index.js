// mirage.js: the browser client of Mirage, sessions that survive the network.
// docs/client.md is the manual, docs/protocol.md describes the wire.

export { Mirage, Mirage as default } from './client.js'
export { parser } from './parser.js'
