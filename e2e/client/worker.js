// A client in a worker, dedicated or shared. It sends the page that opened it what a
// page's own client would show there.
import Mirage from '/live/mirage.js'
import { follow } from './record.js'

const query = new URLSearchParams(self.location.search)
const record = {}
const client = new Mirage('/live', JSON.parse(query.get('options') ?? '{}'))
const talk = follow(client, query.get('name') ?? '', record)
const serve = port => {
  setInterval(() => {
    const { state, transport, position, bufferedAmount } = client
    port.postMessage({ client: { state, transport, position, bufferedAmount }, record })
  }, 50)
  port.onmessage = ({ data }) => 'talk' in data ? talk(data.talk) : client.close()
}
self.onconnect = e => serve(e.ports[0])
if (self.postMessage) serve(self)
