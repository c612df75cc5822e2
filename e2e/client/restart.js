// A page that sends numbers, gets its own back, and gets others from the application. It
// measures for how long it has no link. The query has its client's transport.
import Mirage from '/live/mirage.js'

const transport = new URLSearchParams(location.search).get('transport')

// A link is a WebSocket from its first message to its close, or the answer to a GET from
// its beginning to its end.
let links = 0, since = performance.now()
function begin() {
  if (links++) return
  const away = performance.now() - since
  if (away > 50) record.after = 0 // it was no pause between two polls
  record.away = Math.max(record.away, away)
}
const end = () => { if (!--links) since = performance.now() }

class Socket extends WebSocket {
  constructor(url) {
    super(url)
    let began
    this.addEventListener('message', () => { began = !begin() }, { once: true })
    this.addEventListener('close', ({ code, reason }) => {
      if (began) end()
      else record.refused.push(`WebSocket closed with ${code} ${reason}`)
    })
  }
}

async function fetchLink(url, init) {
  const answer = await fetch(url, init)
  if (answer.status !== 200) record.refused.push(`${init.method} ${answer.status}`)
  else if (init.method === 'GET') {
    begin()
    answer.clone().body.pipeTo(new WritableStream()).catch(() => 0).finally(end)
  }
  return answer
}

const client = new Mirage('/live', { transports: [transport], WebSocket: Socket, fetch: fetchLink })
const record = globalThis.record = {
  away: 0, // milliseconds: the longest time without a link
  silence: 0, // milliseconds: the longest time in which nothing came
  down: [], // runs of the numbers from the application, and of the page's own
  back: [],
  said: 0,
  hellos: [], // what the events named mirage said
  refused: [], // requests for links that got none
  failed: [], // what is not to happen
  after: 0, // messages since the last time without a link
}

let heard = performance.now()
function add(runs, n) {
  const now = performance.now()
  record.silence = Math.max(record.silence, now - heard)
  heard = now
  record.after++
  if (runs.at(-1)?.[1] === n - 1) runs.at(-1)[1] = n
  else runs.push([n, n])
}
client.on('down', n => add(record.down, n))
client.on('back', n => add(record.back, n))
client.on('mirage', (_, e) => record.hellos.push(e.reason || 'resumed'))
for (const type of ['mirage-gap', 'mirage-returned', 'close']) {
  client.on(type, e => record.failed.push(`${type} ${e.reason}`))
}

const say = () => client.emit('up', ++record.said).catch(e => record.failed.push(e.message))
const timer = setInterval(say, 20)
globalThis.id = () => client.state === 'open' ? client.id : ''
globalThis.forget = () => { record.away = record.silence = record.after = 0 } // what came before was the beginning
globalThis.hush = () => clearInterval(timer)
