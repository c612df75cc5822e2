// A page whose requests go through a service worker.
const { serviceWorker } = navigator
const controlled = new Promise(done => { serviceWorker.oncontrollerchange = done })
const policy = trustedTypes.createPolicy('worker', { createScriptURL: url => url })
await serviceWorker.register(policy.createScriptURL('/sw.js'))
if (!serviceWorker.controller) await controlled
await import('./page.js')
