// A page that runs its test on its own: the cases of its kind, in the page and in
// workers, then the next page. The server names the next page once the expected requests
// have arrived.
const query = new URLSearchParams(location.search)
const target = query.get('target'), kind = query.get('kind'), prefix = query.get('prefix')
const url = name => at(target, prefix + name)

const ask = (worker, name) => new Promise(done => {
  const port = worker.port ?? worker
  port.onmessage = worker.onerror = done
  port.postMessage({ kind, prefix: prefix + name + ': ', target, own: location.origin })
})

function add(tag, attributes, parent = document.body) {
  const e = document.createElement(tag)
  for (const [name, value] of Object.entries(attributes)) e.setAttribute(name, value)
  parent.append(e)
  return e
}

const frame = name => { add('iframe', { name }); return name }

// elements makes a browser load URLs without fetch. Only the server waits for them.
function elements() {
  for (const policy of ['', 'no-referrer', 'unsafe-url']) {
    add('img', { src: url('img ' + policy), referrerpolicy: policy })
    add('script', { src: url('script ' + policy), referrerpolicy: policy })
    add('link', { rel: 'stylesheet', href: url('stylesheet ' + policy), referrerpolicy: policy })
    add('link', { rel: 'prefetch', href: url('prefetch ' + policy), referrerpolicy: policy })
    add('link', { rel: 'preload', as: 'image', href: url('preload image ' + policy), referrerpolicy: policy })
    add('link', { rel: 'preload', as: 'fetch', href: url('preload fetch ' + policy), referrerpolicy: policy })
    add('iframe', { src: url('iframe ' + policy), referrerpolicy: policy })
    add('a', { href: url('link ' + policy), referrerpolicy: policy, target: frame('link ' + policy) }).click()
    add('a', { href: '#', ping: url('ping ' + policy), referrerpolicy: policy }).click()
  }

  add('a', { href: url('link noreferrer'), rel: 'noreferrer', target: frame('link noreferrer') }).click()
  add('link', { rel: 'modulepreload', href: url('modulepreload') })
  add('link', { rel: 'icon', href: url('icon') }, document.head)
  add('link', { rel: 'manifest', href: url('manifest'), crossorigin: 'use-credentials' }, document.head)
  add('script', { src: url('module script'), type: 'module', crossorigin: 'use-credentials' })
  add('object', { data: url('object') })
  add('embed', { src: url('embed') })
  add('video', { src: url('video'), preload: 'auto' })
  add('audio', { src: url('audio'), preload: 'auto' })
  add('input', { type: 'image', src: url('input image') })
  add('style', {}).textContent = `@import "${url('css import')}"; body { background: url("${url('css background')}") }`

  for (const name of ['form GET', 'form POST', 'form noreferrer GET', 'form noreferrer POST']) {
    const action = url(name)
    const rel = name.includes('noreferrer') ? 'noreferrer' : ''
    const form = add('form', { action, rel, method: name.split(' ').at(-1), target: frame(name) })
    for (const [name, value] of new URL(action).searchParams) add('input', { name, value, type: 'hidden' }, form)
    form.submit()
  }

  for (const policy of ['', 'no-referrer']) {
    const to = url('meta refresh' + (policy && ' ' + policy)).replaceAll('&', '&amp;')
    const referrer = `<meta name="referrer" content="${policy}">`
    add('iframe', { srcdoc: `${referrer}<meta http-equiv="refresh" content="0;url=${to}">` })
  }

  window.open(url('window.open'))
  window.open(url('window.open noreferrer'), '_blank', 'noreferrer')
  navigator.sendBeacon(url('beacon'), 'x')
  add('iframe', { src: '/reports?' + new URLSearchParams({ to: url('report') }) })
  add('script', { type: 'speculationrules' }).textContent = JSON.stringify({
    prefetch: [{ urls: [url('speculation')], eagerness: 'immediate', referrer_policy: 'no-referrer' }] })
  new WebSocket(url('WebSocket').replace('http', 'ws')).onopen = e => e.target.close()
}

// frames are documents without an address of their own, some with an opaque origin.
function frames(source) {
  const body = name => `<!doctype html><script>${source}
    foreign(...${JSON.stringify([prefix + name + ': ', target, location.origin])})
      .finally(() => parent.postMessage('done', '*'))</` + 'script>'
  add('iframe', { srcdoc: body('srcdoc') })
  add('iframe', { srcdoc: body('sandbox'), sandbox: 'allow-scripts' })
  add('iframe', { src: URL.createObjectURL(new Blob([body('blob document')], { type: 'text/html' })) })
  add('iframe', { src: 'data:text/html,' + encodeURIComponent(body('data document')) })
  const blank = add('iframe', { src: 'about:blank' })
  blank.contentDocument.write(body('about:blank'))
  blank.contentDocument.close()
  return new Promise(done => {
    let left = 5
    onmessage = () => --left || done()
  })
}

// links opens mirage.js on each transport. The Referer is sent whatever the page's policy
// is.
async function links() {
  const { Mirage } = await import('/live/mirage.js')
  const ask = (url, init) => fetch(url, { ...init, referrerPolicy: 'same-origin' })
  return Promise.all(['sse', 'poll', 'websocket'].map(name => new Promise(done => {
    const client = new Mirage('/live', { name, transports: [name], fetch: ask })
    client.addEventListener('mirage-state', ({ state }) => {
      if (state === 'open') client.close()
      if (state === 'closed') done(name + ' ' + client.id)
    })
  })))
}

addEventListener('load', async () => {
  const source = await (await fetch('/cases.js')).text()
  const blob = new Blob([source, await (await fetch('/worker.js')).text()], { type: 'text/javascript' })
  await (kind === 'ours' ? ours : foreign)(prefix, target, location.origin)
  elements()

  await ask(new Worker('/worker'), 'worker')
  await ask(new Worker('/worker?policy=no-referrer'), 'worker no-referrer')
  await ask(new SharedWorker('/worker?policy=no-referrer'), 'shared worker')
  await ask(new Worker(URL.createObjectURL(blob)), 'blob worker')
  if (kind === 'foreign') {
    await ask(new Worker('data:text/javascript,' + encodeURIComponent(await blob.text())), 'data worker')
    await frames(source)
  }

  const opened = kind === 'ours' ? await links() : []
  const services = 'serviceWorker' in navigator
  const next = await (await fetch('/next?' + new URLSearchParams({ prefix, opened, services }))).text()
  if (next) location.href = next
})
