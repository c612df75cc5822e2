// A page that opens one WebSocket after another, without a client library, and reports
// how each of the three ends.
const events = []
function open(n) {
  const socket = new WebSocket('/live')
  socket.onopen = () => socket.send(`${n}:1`)
  socket.onclose = async e => {
    events.push(`${e.code} ${e.reason} ${e.wasClean}`)
    if (n < 3) return open(n + 1)
    await fetch('/report', { method: 'POST', body: JSON.stringify({ events }) })
  }
}
open(1)
