// A page whose client is in a worker. The query's 'worker' is the kind of worker.
const query = new URLSearchParams(location.search)
const policy = trustedTypes.createPolicy('worker', { createScriptURL: url => url }) // the site's policy asks for one
const script = policy.createScriptURL('/worker.js' + location.search)
const shared = query.get('worker') === 'shared'
const worker = shared ? new SharedWorker(script, { type: 'module' }) : new Worker(script, { type: 'module' })
const port = shared ? worker.port : worker
port.onmessage = ({ data }) => {
  globalThis.record = data.record
  globalThis.client = { ...data.client, close() { port.postMessage({}) } }
}
worker.onerror = e => { throw new Error('the worker failed: ' + e.message) }
globalThis.talk = talk => port.postMessage({ talk })
