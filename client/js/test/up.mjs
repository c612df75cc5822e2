// Writes the events on standard input with mirage.js, as messages on their way up, and prints the bodies of its POSTs.
import { readFileSync } from 'node:fs'
import { Mirage } from '../mirage.js'
import { Clock, Server } from './world.js'

const clock = new Clock()
clock.install()
const server = new Server(clock)
const client = new Mirage('http://mirage.test/live', { fetch: server.fetch, storage: null })
const bodies = []
server.script = r => { if (r.body?.includes('id: ')) bodies.push(r.body) }
for (const { event, data, binary } of JSON.parse(readFileSync(0))) {
  if (event !== 'message') client.emit(event, data)
  else client.send(binary ? Buffer.from(data, 'base64') : data)
  await clock.run(60_000, () => !client.bufferedAmount && client.state === 'open')
}
process.stdout.write(JSON.stringify(bodies), () => process.exit())
