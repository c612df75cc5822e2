// A server that does everything that a server may do: it refuses for a while, asks for
// another link, expects another number, forgets all or a part of its log, gives another
// id, and fails to handle messages. It records all messages that it was given.

import { Server } from './world.js'

/** bare is text without the quotes of JSON. */
export const bare = text => text.replace(/^"|"$/g, '')

export class Wild extends Server {
  life = 0 // how often it has forgotten everything
  floor = 0 // the log is trimmed up to here
  lives = [] // {epoch, id, log, floor} of each life
  calls = [] // {text, n, writer, id, life, again}
  underWay = 0

  constructor(clock, r) {
    super(clock)
    this.r = r
    this.lives.push(this.record())
  }

  record() { return { epoch: this.epoch, id: this.id, log: this.log } }

  /** restart forgets all sessions; under another id if one is given. */
  restart(id = this.id) {
    this.id = id
    this.epoch = 'e' + this.life++ // before super adds to it: epochs differ
    super.restart()
    this.floor = 0
    this.lives.push(this.record())
  }

  /** trim drops the oldest messages. */
  trim() { this.floor = Math.floor(this.log.length * this.r()) }

  hello(request) {
    const [link, text] = super.hello(request)
    if (!text.includes('"resumed":true') || link.cursor >= this.floor) return [link, text]
    const lost = `"resumed":false,"reason":"trimmed","lost":{"from":${link.cursor + 1},"to":${this.floor}}`
    return [link, text.replace('"resumed":true,"reason":"","lost":null', lost)]
  }

  since(link) {
    let gap = ''
    if (link.cursor < this.floor) {
      const lost = `{"from":${link.cursor + 1},"to":${this.floor},"reason":"trimmed"}`
      gap = `event: mirage-gap\ndata: ${lost}\nid: ${this.epoch}-${this.floor}\n\n`
      link.cursor = this.floor
    }
    return gap + super.since(link)
  }

  /** forHer adds a message for another reader: its number, and nothing else. */
  forHer() {
    this.log.push('\n')
    for (const l of this.links.values()) l.push?.()
  }

  drain() {
    for (const l of this.links.values()) {
      l.write?.(`event: mirage-drain\ndata: {"retry":${Math.floor(500 * this.r())}}\n\n`)
      this.clock.add(() => l.cut?.(), 1)
    }
  }

  /** script refuses every so many requests while times are hard. */
  script(request) {
    if (!this.hard || this.r() > this.hard) return
    const up = request.method === 'POST', token = request.headers['Mirage-Link']
    switch (Math.floor(this.r() * 7)) {
      case 0:
        if (token) this.links.delete(token)
        return token ? this.answer(401, { detail: 'no such link' }) : undefined
      case 1: return this.answer(429, { detail: 'slowly' }, this.r() < 0.5 ? { 'Retry-After': '1' } : {})
      case 2: return this.answer(503, { detail: 'later' }, this.r() < 0.5 ? { 'Retry-After': '2' } : {})
      case 3: return request.socket ? undefined : this.answer(502, '<html>a proxy is sorry</html>')
      case 4: return up ? undefined : this.answer(501, { detail: 'cannot stream' })
      case 5: { // it ignores the request, and answers with the last number
        const last = up && this.writers.get(/"writer":"([^"]*)"/.exec(request.body)[1])
        return last ? this.answer(409, { detail: 'ahead', expected: last + 1 }) : undefined
      }
    }
  }

  post(request) {
    const before = this.got.length
    if (request.body.includes(' unfit')) return this.answer(413, { detail: 'too large' })
    const answer = super.post(request)
    for (const { data, n, writer, again } of this.got.slice(before)) {
      this.calls.push({ text: bare(data), n, writer, again, id: this.id, life: this.life })
    }
    return answer
  }
}
