// The script of workers of every kind. The server puts cases.js before it.
const work = async ({ kind, prefix, target, own }, port) => {
  await (kind === 'ours' ? ours : foreign)(prefix, target, own)
  port.postMessage('done')
}
onmessage = e => work(e.data, self)
onconnect = e => { const port = e.ports[0]; port.onmessage = m => work(m.data, port) }
