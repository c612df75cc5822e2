// A WebSocket to the Server of world.js, with the same faults.

/** socketTo returns the class that speaks to server. */
export const socketTo = server => class {
  readyState = 0

  constructor(url) {
    const u = new URL(url)
    if (u.protocol !== 'ws:') server.faults.push('protocol ' + u.protocol)
    const request = { method: 'WS', query: Object.fromEntries(u.searchParams), headers: {}, at: server.clock.now }
    server.requests.push(request)
    server.clock.add(() => this.open(request), 5)
  }

  async open(request) {
    if (this.readyState) return
    const fault = server.fault(request)
    if (fault === 'hole' || server.held || server.mute) return
    if (fault === 'lost' || fault === 'unanswered' || server.refused) return this.end(1006)
    const scripted = await server.script?.(request)
    if (scripted) return this.end(4000 + scripted.status, (await scripted.json().catch(() => ({}))).detail)

    this.readyState = 1
    const [link, hello] = server.hello(request)
    this.link = link
    link.cut = () => this.end(1006)
    link.write = text => this.down(text)
    link.push = () => {
      if (link.waits) return
      link.waits = true
      server.clock.add(() => {
        link.waits = false
        const text = server.links.has(link.token) ? server.since(link) : ''
        spoke ||= text
        this.down(text)
      }, 3)
    }

    let spoke = server.silent ? '' : server.since(link)
    this.down(hello)
    this.down(spoke)
    if (server.killed) return this.end(1006)
    this.beat = server.clock.add(() => { // the first one only if no message came before
      if (!spoke) this.down(`event: mirage-ack\ndata: {"accepted":${server.writers.get(link.cid) ?? 0}}\n\n`)
      spoke = ''
      server.clock.again(this.beat, 15_000)
    }, 1000)
    if (fault === 'cut') server.clock.add(link.cut, 50)
  }

  down(data) {
    if (this.readyState !== 1 || !data || server.silent && !data.includes('event: mirage\n')) return
    this.onmessage?.({ data })
  }

  end(code, reason = '') {
    if (this.readyState === 3) return
    this.readyState = 3
    if (this.link) this.link.push = null
    server.clock.remove(this.beat)
    this.onclose?.({ code, reason })
  }

  send(body) {
    if (this.readyState === 0) throw new Error('InvalidStateError')
    if (this.readyState > 1) return
    server.clock.add(() => this.up(body), 5)
  }

  async up(body) {
    if (this.readyState !== 1) return
    const headers = { 'Mirage-Link': this.link.token }
    const request = { method: 'POST', socket: this, query: {}, headers, body, at: server.clock.now }
    server.requests.push(request)
    const fault = server.fault(request)
    if (fault === 'lost') return this.end(1006)
    if (fault === 'hole') return
    const answer = server.script?.(request) ?? server.post(request)
    if (fault === 'unanswered') return this.end(1006)
    if (answer.status === 200 && !request.messages.length) return
    const data = { status: answer.status, ...await answer.json() }
    server.clock.add(() => this.down(`event: mirage-ack\ndata: ${JSON.stringify(data)}\n\n`), 5)
  }

  close() {
    if (this.readyState > 1) return
    this.readyState = 2
    if (this.link) this.link.push = null
    server.clock.add(() => this.end(1005), 50)
  }
}
