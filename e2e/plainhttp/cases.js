// The requests that scripts can make, in pages and in workers. Each names its case.
const policies = ['', 'no-referrer', 'no-referrer-when-downgrade', 'origin', 'origin-when-cross-origin', 'same-origin',
  'strict-origin', 'strict-origin-when-cross-origin', 'unsafe-url']

// at returns the address of a case: a poll of a new reader, which is answered at once.
function at(target, name) {
  const cid = crypto.getRandomValues(new Uint32Array(4)).join('_')
  return target + '?' + new URLSearchParams({ case: name, _wait: 0, _cid: cid })
}

const stream = { Accept: 'text/event-stream' }

// get resolves once the response is there, or once the browser has refused to show it.
const get = (url, init) => fetch(url, { credentials: 'include', cache: 'no-store', headers: stream, ...init })
  .then(r => r.text()).catch(() => '')

const listen = url => new Promise(done => {
  const source = new EventSource(url, { withCredentials: true })
  source.onopen = source.onerror = () => { source.close(); done() }
})

// ours makes the requests of our own pages.
async function ours(prefix, target) {
  const url = name => at(target, prefix + name)
  await Promise.all([
    listen(url('EventSource')),
    listen(target + '?' + new URLSearchParams({ case: prefix + 'EventSource, a stream' })),
    ...policies.map(referrerPolicy => get(url('fetch ' + referrerPolicy), { referrerPolicy })),
    get(url('fetch */*'), { headers: {} }),
    get(url('fetch with Mirage-Link'), { headers: { ...stream, 'Mirage-Link': 'new' }, referrerPolicy: 'no-referrer' }),
  ])
  await get(url('POST'), { method: 'POST', body: 'x' }) // now there is a session
  await get(url('POST no-referrer'), { method: 'POST', body: 'x', referrerPolicy: 'no-referrer' })
}

// foreign makes the requests that scripts of another origin can try. own is their own
// server.
function foreign(prefix, target, own) {
  const url = name => at(target, prefix + name)
  const via = (name, status, policy = '') => own + '/redirect?' + new URLSearchParams({ status, policy, to: url(name) })
  const home = new URL('/', target).href
  const pairs = { ...stream, Referer: home, Origin: home.slice(0, -1), 'User-Agent': 'curl/8', 'Mirage-Link': 'new',
    'Sec-Fetch-Site': 'same-origin', 'Sec-WebSocket-Key': 'x', Host: 'evil.test', Cookie: 'x=y', 'Last-Event-ID': '1' }
  const mode = 'no-cors', post = { mode, method: 'POST', body: 'x' }
  const late = pairs => {
    const { headers } = new Request(home, { mode })
    for (const name in pairs) try { headers.set(name, pairs[name]) } catch { /* refused */ }
    return { mode, headers, referrerPolicy: 'no-referrer' }
  }
  const all = [
    ...policies.map(referrerPolicy => get(url('no-cors ' + referrerPolicy), { mode, referrerPolicy })),
    ...policies.map(referrerPolicy => get(url('no-cors POST ' + referrerPolicy), { ...post, referrerPolicy })),
    get(url('no-cors, referrer ours'), { mode, referrer: home }),
    get(url('no-cors, referrer ours, unsafe-url'), { mode, referrer: home, referrerPolicy: 'unsafe-url' }),
    get(url('no-cors, no referrer'), { mode, referrer: '' }),
    get(url('no-cors, about:client'), { mode, referrer: 'about:client' }),
    get(url('no-cors, keepalive'), { mode, keepalive: true, referrerPolicy: 'no-referrer' }),
    get(url('no-cors, forged headers'), { mode, headers: pairs, referrerPolicy: 'no-referrer' }),
    get(url('no-cors, forged headers of a Request'), late(pairs)),
    get(url('no-cors */*'), { mode, headers: {}, referrerPolicy: 'no-referrer' }),
    get(url('cors'), {}),
    get(url('cors no-referrer'), { referrerPolicy: 'no-referrer' }),
    get(url('cors, User-Agent'), { headers: { ...stream, 'User-Agent': 'curl/8' } }),
    get(url('cors, Mirage-Link'), { headers: { ...stream, 'Mirage-Link': 'new' } }),
    get(via('redirected 302 no-cors', 302), { mode }),
    get(via('redirected 302 no-cors, forged headers', 302), { mode, headers: pairs }),
    get(via('redirected 302 cors, User-Agent', 302), { headers: { ...stream, 'User-Agent': 'curl/8' } }),
    get(via('redirected 302 cors no-referrer', 302, 'no-referrer'), {}),
    get(via('redirected 307 no-cors no-referrer', 307, 'no-referrer'), { mode }),
    get(via('redirected 307 no-cors unsafe-url', 307, 'unsafe-url'), { mode, referrerPolicy: 'unsafe-url' }),
    get(via('redirected 302 POST', 302, 'no-referrer'), post),
    get(via('redirected 303 POST', 303, 'no-referrer'), post),
    get(via('redirected 307 POST', 307, 'no-referrer'), post),
    listen(url('EventSource')),
    listen(via('redirected EventSource', 302, 'no-referrer')),
  ]
  if (self.XMLHttpRequest) all.push(new Promise(done => {
    const x = new XMLHttpRequest()
    x.open('GET', url('XMLHttpRequest'))
    x.withCredentials = true
    x.setRequestHeader('Accept', 'text/event-stream')
    x.onloadend = done
    x.send()
  }))
  return Promise.all(all)
}
