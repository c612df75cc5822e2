import { delayOf, failure } from '../errors.js'

/** websocket runs a link over a WebSocket. The promise rejects when it has ended. */
export const websocket = ({ address, options }, link) => new Promise((_, no) => {
  const socket = new (options.WebSocket || WebSocket)(address.to(link.where()).replace('http', 'ws'))
  const feed = link.feeder()

  link.socket = socket
  link.signal.onabort = () => no(socket.close())
  socket.onmessage = ({ data }) => { try { feed(data) } catch (error) { no(error) } }
  socket.onclose = ({ code, reason }) => {
    // A page cannot read the status of a refused handshake. The server accepts it and
    // closes with 4000 + status. A close frame has no Retry-After.
    const [text, seconds] = reason.split(/; retry in (\d+) s$/)
    const status = Math.max(0, code - 4000)
    no(Object.assign(failure(text || 'closed ' + code, status), { retry: delayOf(seconds) }))
  }
})
