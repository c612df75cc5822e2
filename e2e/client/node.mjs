// mirage.js in Node against a real server: no cookie, no storage of the browser. Prints what it got and what it sent.
import { pathToFileURL } from 'node:url'

const [file, url] = process.argv.slice(2)
const { Mirage } = await import(pathToFileURL(file))
const kept = new Map()
const storage = { getItem: k => kept.get(k) ?? null, setItem: (k, v) => kept.set(k, v), removeItem: k => kept.delete(k) }
const got = [], ids = new Set()
let sent = 0, client
const open = () => {
  client = new Mirage(url, { storage })
  client.on('message', data => got.push(+data))
  client.on('mirage', (mirage, { id }) => { if (!mirage.startsWith('~')) throw new Error('not the signed id: ' + mirage); ids.add(id) })
}
open()
const talk = setInterval(() => { client.send(String(++sent)) }, 10)
const pause = ms => new Promise(done => setTimeout(done, ms))
for (const transport of ['poll', 'sse', 'poll', 'sse']) {
  await pause(400)
  await client.use(transport).catch(() => 0)
}
client.disconnect() // what a page load is in a browser
open()
await pause(400)
clearInterval(talk)
console.log('quiet')
process.stdin.once('data', async down => { // how many there were
  for (const until = Date.now() + 20_000; (got.length < +down || client.bufferedAmount) && Date.now() < until;) await pause(20)
  console.log(JSON.stringify({ got, sent, ids: [...ids] }))
  await client.close()
  process.exit()
})
