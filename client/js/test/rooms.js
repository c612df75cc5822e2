// A server with topics, as docs/protocol.md describes them.

import { Server } from './world.js'

const bytes = text => Buffer.from(text)

// hash is the part of a topic's positions that stands for its name: FNV-1a.
function hash(name) {
  let h = 0xcbf29ce484222325n
  for (const b of bytes(name)) h = BigInt.asUintN(64, (h ^ BigInt(b)) * 0x100000001b3n)
  return (h % 60466176n).toString(36).padStart(5, '0')
}

/** components returns the positions of topics in a text: beginning → number. */
export const components = text =>
  new Map([...text.matchAll(/(_[a-z0-9]{10})-(\d+)/g)].map(([, beginning, n]) => [beginning, +n]))

/** block returns a block of the wire. Text that lines cannot carry is in base64. */
export function block({ topic, event, key, grow, done, data = '', binary, id }) {
  const encode = binary || /[\r\0]/.test(data)
  const fields = {
    topic, event, key, grow, done: done ? 'true' : undefined,
    encoding: encode ? 'base64' : undefined, type: binary ? 'binary' : undefined,
  }
  let text = ''
  for (const name in fields) if (fields[name] != null) text += `${name}: ${fields[name]}\n`
  for (const line of encode ? [bytes(data).toString('base64')] : data.split('\n')) text += `data: ${line}\n`
  return text + (id ? `id: ${id}\n\n` : '\n')
}

const control = (event, about, id) => block({ event, data: JSON.stringify(about), id })

class Topic {
  floor = 0 // the messages up to here are trimmed
  log = [] // { event, key, data } or { growing, offset, data, done }; undefined if it was superseded
  growing = [] // { event, key, first, bytes, done }

  constructor(name, epoch) { Object.assign(this, { name, epoch, beginning: '_' + hash(name) + epoch }) }

  at(n = this.log.length) { return `${this.beginning}-${n}` }

  whole({ event, key, bytes, done }, id) {
    return block({ topic: this.name, event, key, grow: 0, done, data: bytes.toString(), id })
  }

  wholes() { return this.growing.filter(g => !g.done).map(g => this.whole(g)).join('') }
}

export class Rooms extends Server {
  topics = new Map()
  refuse = () => undefined // OnJoin: what it returns of { topic, from, info } is the data of mirage-left
  asked = [] // what came in mirage-join, with the token of the link
  left = [] // names in mirage-leave
  acked = new Map() // beginning of positions → number
  merge = true // a reader that is behind gets pieces in one block
  epochs = 0

  topic(name) {
    if (!this.topics.has(name)) this.topics.set(name, new Topic(name, 'ep' + String(this.epochs++).padStart(3, '0')))
    return this.topics.get(name)
  }

  wake() { for (const link of this.links.values()) link.push?.() }

  /** publish appends a message. One with a key supersedes the one before. */
  publish(name, data, { event, key, binary } = {}) {
    const t = this.topic(name)
    const old = key ? t.log.findIndex(m => m?.key === key && m.event === event) : -1
    if (old >= 0) t.log[old] = undefined
    t.log.push({ event, key, data, binary })
    this.wake()
  }

  /** grow appends a piece to a growing message, and done completes it. */
  grow(name, event, key, data, done) {
    const t = this.topic(name)
    let growing = t.growing.find(g => g.event === event && g.key === key && !g.done)
    if (!growing) t.growing.push(growing = { event, key, first: t.log.length + 1, bytes: bytes('') })
    t.log.push({ growing, offset: growing.bytes.length, data, done })
    growing.bytes = Buffer.concat([growing.bytes, bytes(data)])
    growing.done = !!done
    this.wake()
  }

  trim(name, n) { this.topic(name).floor = n }

  /** begin makes a topic begin anew, under another epoch. */
  begin(name) { this.topics.delete(name) }

  /** end is Topic.End, or Remove with another status. */
  end(name, status = 410, reason = 'the topic was ended') {
    for (const link of this.links.values()) {
      if (link.joined.delete(name)) this.note(control('mirage-left', { topic: name, status, reason }), link)
    }
  }

  /** note writes a block without a number. */
  note(text, ...links) {
    for (const link of links[0] ? links : this.links.values()) {
      link.text += text
      link.push?.()
    }
  }

  /** joinSession is Session.Join: all links read the topic, and those to come. */
  joinSession(name) {
    this.all = { name, start: this.topic(name).log.length }
    for (const link of this.links.values()) this.resume(link)
    this.wake()
  }

  // resume begins where the session is, unless the client has said where it is.
  resume(link) {
    if (!this.all) return
    const { name, start } = this.all, t = this.topic(name)
    const isKnown = !link.presented.size || link.presented.has(t.beginning)
    this.enter(link, name, isKnown ? t.at(this.acked.get(t.beginning) ?? start) : 'now')
  }

  hello(request) {
    const [link, text] = super.hello(request)
    link.joined = new Map() // name → { cursor, ahead }
    link.text = ''
    const pos = request.query._pos ?? ''
    if (pos.length > 2048) this.faults.push('_pos is too long')
    link.presented = components(pos)
    for (const [beginning, n] of link.presented) this.note1(beginning, n)
    this.resume(link)
    return [link, text.replace(/\n\n$/, pos.slice(pos.split('_')[0].length) + '\n\n')]
  }

  // note1 notes that a position was acknowledged.
  note1(beginning, n) {
    for (const t of this.topics.values()) {
      if (t.beginning === beginning && n > t.log.length) this.faults.push('acknowledged beyond the top of ' + t.name)
    }
    this.acked.set(beginning, Math.max(n, this.acked.get(beginning) ?? 0))
  }

  poll(request, link, type) {
    const presented = components(request.query._pos)
    for (const [beginning, n] of presented) this.note1(beginning, n)
    for (const [name, j] of link.joined) j.cursor = Math.max(j.cursor, presented.get(this.topic(name).beginning) ?? 0)
    return super.poll(request, link, type)
  }

  post(request) {
    const answer = super.post(request)
    for (const [beginning, n] of components(request.up?.ack ?? '')) this.note1(beginning, n)
    return answer
  }

  control({ event, data, id }, link) {
    if (id || Buffer.byteLength(data) > 4096) this.faults.push(`${event} of ${data.length} bytes with id ${id}`)
    for (const item of JSON.parse(data).topics) {
      if (event === 'mirage-join') {
        this.asked.push({ ...item, token: link.token, at: this.clock.now })
        this.join(link, item)
      } else if (event === 'mirage-leave') {
        this.left.push(item)
        link.joined.delete(item)
        link.presented.delete(this.topic(item).beginning)
      } else {
        this.faults.push('unknown ' + event)
      }
    }
    link.push?.()
  }

  join(link, { topic: name, from = 'now', info }) {
    const refused = this.refuse({ topic: name, from, info })
    if (refused) return this.note(control('mirage-left', { topic: name, ...refused }), link)
    this.enter(link, name, from)
  }

  enter(link, name, from) {
    const t = this.topic(name), at = () => t.at()
    const known = link.joined.get(name)
    if (known) {
      const about = { topic: name, position: at(), lost: null }
      return this.note(this.read(t, known) + control('mirage-joined', about, at()), link)
    }

    const [[beginning, n] = []] = from[0] === '_' ? components(from) : []
    const presented = link.presented.get(t.beginning)
    const others = [...link.presented, ...components(from)].filter(([b]) => b.slice(0, 6) === t.beginning.slice(0, 6))
    const isOther = presented == null && beginning !== t.beginning && others[0]
    const cursor = presented ?? (beginning === t.beginning ? n : undefined)
    const j = { cursor: cursor ?? 0, ahead: new Map() }
    link.joined.set(name, j)
    let text = ''
    if (cursor == null) {
      text += t.wholes()
      for (const g of t.growing) if (!g.done) j.ahead.set(g, g.bytes.length)
      if (from === 'now' && !isOther) j.cursor = t.log.length
    }
    const lost = isOther ? { from: isOther[1] + 1, to: null } : null
    if (lost) text = control('mirage-gap', { topic: name, ...lost, reason: 'restarted' }, t.at(0)) + text
    text += this.read(t, j)
    const about = { topic: name, position: at(), lost, ...(lost && { reason: 'restarted' }) }
    if (this.presence) about.key = 'me'
    this.note(text + control('mirage-joined', about, at()), link)
  }

  // read returns what follows a cursor, and moves it.
  read(t, j) {
    let text = ''
    if (j.cursor < t.floor) {
      const about = { topic: t.name, from: j.cursor + 1, to: t.floor, reason: 'trimmed' }
      const id = t.at(t.floor), wholes = t.wholes().replace(/\n$/, `id: ${id}\n\n`)
      text += control('mirage-gap', about, wholes ? undefined : id) + wholes
      for (const g of t.growing) if (!g.done) j.ahead.set(g, g.bytes.length)
      j.cursor = t.floor
    }
    while (j.cursor < t.log.length) {
      const m = t.log[j.cursor++], id = t.at(j.cursor)
      if (!m) continue
      if (!m.growing) {
        text += block({ topic: t.name, ...m, id })
        continue
      }
      const { growing: g } = m, offset = Math.max(m.offset, j.ahead.get(g) ?? 0)
      const end = this.merge ? g.bytes.length : m.offset + bytes(m.data).length
      const done = this.merge ? g.done : m.done
      if (offset >= end && !(done && j.sealed !== g)) continue
      if (done) j.sealed = g
      j.ahead.set(g, end)
      const data = g.bytes.subarray(offset, end).toString()
      text += block({ topic: t.name, event: g.event, key: g.key, grow: offset, done, data, id })
    }
    return text
  }

  since(link) {
    let text = super.since(link) + link.text
    link.text = ''
    for (const [name, j] of link.joined) text += this.read(this.topic(name), j)
    return text
  }
}
