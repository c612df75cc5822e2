// Records what a client gets, sends and is told. Numbers are stored as runs of
// consecutive ones, so that they fit into storage at every message.
export function follow(client, name, record, save = () => 0) {
  record.name = name
  record.got ??= []
  record.sent ??= {}
  record.sent[name] ??= 0
  record.again ??= 0
  record.events ??= []
  record.since ??= {} // by transport: milliseconds from the client's beginning to its first message
  record.owed ??= 0 // milliseconds that a busy machine kept this page waiting
  const began = performance.now()
  let last = began
  setInterval(() => {
    const now = performance.now()
    record.owed += Math.max(0, now - last - 50)
    last = now
  }, 50)
  const told = text => { record.events.push(text); save() }
  told('load')
  client.on('message', (data, e) => {
    const n = +data, last = record.got.at(-1)
    if (last && last[1] === n - 1) last[1] = n
    else record.got.push([n, n])
    if (e.again) record.again++
    record.since[client.transport] ??= performance.now() - began
    save()
  })
  client.addEventListener('open', () => told('open'))
  client.addEventListener('mirage', e => told('mirage ' + (e.reason || 'resumed')))
  client.addEventListener('mirage-gap', e => told(`gap ${e.from}-${e.to} ${e.reason}`))
  client.addEventListener('mirage-returned', e => told('returned ' + e.messages.length))
  client.addEventListener('mirage-state', e => told('state ' + e.state))
  client.addEventListener('mirage-retry', e => told(`retry ${e.what} ${e.error.status || ''} ${e.error.message}`))
  client.addEventListener('close', e => told(`close ${e.code} ${e.reason}`))
  let timer
  return ms => { // sends every so often
    clearInterval(timer)
    if (ms) timer = setInterval(() => {
      try {
        client.send(`${name}:${record.sent[name] + 1}`)
        record.sent[name]++
        save()
      } catch { /* the queue is full: later */ }
    }, ms)
  }
}
