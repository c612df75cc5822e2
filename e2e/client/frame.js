// The client of a frame whose origin is opaque. It tells the page around it what it gets.
const script = new URL(import.meta.url)
const { Mirage } = await import(new URL('/live/mirage.js', script))
const tell = what => parent.postMessage(what, '*')
addEventListener('error', e => tell({ error: e.message }))
addEventListener('unhandledrejection', e => tell({ error: '' + e.reason }))
let storage = 'there'
try { void sessionStorage } catch { storage = 'forbidden' }
try {
  const client = new Mirage(new URL('/live', script), JSON.parse(script.searchParams.get('options')))
  client.on('message', data => tell({ got: +data }))
  client.on('mirage-queue', ({ waiting, stored }) => tell({ waiting, stored }))
  client.on('mirage-retry', ({ error }) => tell({ retry: error.message }))
  client.on('mirage-state', ({ state }) => tell({ state, storage }))
  for (let i = 1; i <= 20; i++) client.send(`:${i}`)
} catch (error) {
  tell({ error: error.message })
}
