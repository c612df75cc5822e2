// Lets a test control a page in any browser, without automation. The page posts its
// status to the test's own server, past the faulty network. Each response has the
// commands that the page is to execute. See remote_test.go.
const query = new URLSearchParams(location.search)
let error = ''
addEventListener('error', e => { error ||= e.message })
addEventListener('unhandledrejection', e => { error ||= 'rejected: ' + e.reason })

// These commands end the loop first: a request under way might keep the page out of the
// back/forward cache.
const last = {
  reload: () => location.reload(),
  go: url => { location.href = url },
  back: () => history.back(),
  shut: () => close(),
}

const round = async (status, commands) => {
  const body = JSON.stringify({ name: query.get('name'), error, ...status() })
  const answer = await fetch(query.get('remote'), { method: 'POST', body })
  for (const [what, value] of await answer.json()) {
    if (last[what]) return last[what](value) ?? true
    await Promise.resolve(commands[what](value)).catch(e => { error ||= what + ': ' + e })
  }
}

export async function obey(status, commands = {}) {
  const all = { ...commands, open: url => { open(url) } }
  const loop = async () => {
    while (!await round(status, all).catch(() => 0)) await new Promise(done => setTimeout(done, 30))
  }
  addEventListener('pageshow', e => { if (e.persisted) loop() })
  loop()
}
