import { to } from '../address.js'
import { delayOf, failure } from '../errors.js'
import { place } from '../link.js'

/**
 * websocket runs a link over a WebSocket. The promise rejects when it has ended. fresh
 * returns the function that takes the text.
 */
export const websocket = (core, link, fresh) => new Promise((_, no) => {
  const socket = new (core.options.WebSocket || WebSocket)(to(core, place(core, link)).replace('http', 'ws'))
  const feed = fresh()

  link.socket = socket
  link.control.signal.onabort = () => no(socket.close())
  socket.onmessage = ({ data }) => { try { feed(data) } catch (error) { no(error) } }
  socket.onerror = () => 0 // Node's package ws throws if nobody listens
  socket.onclose = ({ code, reason }) => {
    // A page cannot read the status of a refused handshake. The server accepts it and
    // closes with 4000 + status. A close frame has no Retry-After.
    const [text, seconds] = (reason || '').split(/; retry in (\d+) s$/)
    no(Object.assign(failure(text || 'closed ' + code, Math.max(0, code - 4000)), { retry: delayOf(seconds) }))
  }
})
