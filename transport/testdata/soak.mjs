// mirage.js for TestSoak: it sends a chain of messages and takes another one, while it changes its transport at random. It prints its id, reads how many
// messages were sent to it when that is over, waits for them, and prints what it saw.
import { createHash } from 'node:crypto'
import { pathToFileURL } from 'node:url'

const [script, url, seed] = process.argv.slice(2)
const { Mirage } = await import(pathToFileURL(script))
const faults = []

class Chain {
  n = 0
  constructor(kind, id) { this.last = `${kind} ${id}` }
  next() { return this.last = `${++this.n} ${createHash('sha256').update(this.last).digest('hex').slice(0, 16)}` }
  take(text) {
    const { n } = this
    if (text !== this.next()) fault(`after message ${n} of the chain comes ${text}, not ${this.last}`)
  }
  skip(from, to) {
    if (from !== this.n + 1 || to < from) fault(`after message ${this.n} of the chain ${from} to ${to} are told as lost`)
    while (this.n < to) this.next()
  }
}
const fault = text => { if (faults.length < 5) faults.push(text) }

let random = +seed
const number = n => (random = Math.imul(random, 48271) >>> 0) % n

const client = new Mirage(url, { timeout: 1500, fallbackAfter: 300, upgradeEvery: 2000 })
let down, up, lost = 0, links = 0
client.on('mirage', (_, { id, resumed, reason, known }) => {
  if (known && (known !== id || !resumed && reason !== 'trimmed')) return fault(`hello for ${id}, ${reason}`)
  if (down) return
  down = new Chain('down', id)
  up = new Chain('up', id)
  console.log(id)
})
client.on('message', (text, { again }) => again ? fault('again ' + text) : down.take(text))
client.on('mirage-gap', ({ from, to }) => { lost += to - from + 1; down.skip(from, to) })
client.on('mirage-returned', ({ error }) => fault('returned: ' + error.message))
client.on('close', ({ code, reason }) => fault(`closed: ${code} ${reason}`))
client.on('mirage-transport', () => links++)

const talk = setInterval(() => {
  if (!up || client.queued().length > 200) return
  client.send(up.next())
}, 5)
const change = () => {
  client.use(client.transports[number(3)]).catch(() => 0)
  changing = setTimeout(change, 50 + number(450))
}
let changing = setTimeout(change, 500)

const sent = await new Promise(done => process.stdin.once('data', done))
clearInterval(talk)
clearTimeout(changing)
const until = Date.now() + 60_000
while ((down.n < +sent || client.bufferedAmount) && Date.now() < until && !faults.length) await new Promise(done => setTimeout(done, 20))
if (client.bufferedAmount) fault(`${client.queued().length} messages wait, ${client.state} on ${client.transport}`)
process.stdout.write(JSON.stringify({ Down: down.n - lost, Lost: lost, Up: up.n, Links: links, Faults: faults }) + '\n')
client.removeEventListener('close', fault)
await client.close()
process.exit()
