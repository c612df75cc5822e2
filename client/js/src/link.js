// One connection:
//
//   opening ──hello──▶ greeted ──▶ over
//      └────────────────────────────▲
//
// links.live is the greeted link that counts: it brought the last hello.

import { failure } from './errors.js'
import { parser } from './parser.js'

export class Link {
  token // of its hello; undefined while it is opening
  from // the position that it presented
  beat // milliseconds: the longest silence of the server
  born // when its hello came
  heard // when something came last
  news // something new came
  drain // milliseconds: the server ends the link and says when to come back
  spoke // something came after hello, so nothing holds it back
  late // it ended because of silence
  timer
  control = new AbortController() // ends it
  socket // of a WebSocket
  answer // takes the answer to a frame

  /** turn says how often use() had been called. path is where the link was opened. */
  constructor(core, name, turn) {
    Object.assign(this, { core, name, turn, path: core.address.base.pathname })
    this.hello = new Promise((ok, no) => Object.assign(this, { ok, no }))
    this.hello.catch(() => 0)
  }

  get signal() { return this.control.signal }

  /** watch ends the link unless something comes within ms; 0 means that it may be silent. */
  watch(ms) {
    clearTimeout(this.timer)
    if (ms) {
      this.timer = setTimeout(() => {
        this.late = true
        this.control.abort(failure('silence'))
      }, ms)
    }
  }

  /** where is the query of a GET that opens or continues the link. */
  where(more) {
    const { client, inbox, links, address } = this.core
    this.from = client.position
    // The id in the last hello: if a log-out has revoked it and expired the cookie, the
    // server answers 410 and does not continue under a new id. The id from storage does
    // not count: a page load is a new visit.
    return { _pos: this.from, _was: links.opened && !address.signed ? client.id : null, ...more }
  }

  /** feeder returns the function that takes the text or bytes of the link. */
  feeder() {
    const feed = parser(block => this.core.take(this, block))
    return piece => {
      this.heard = Date.now()
      if (this.token && this.name !== 'poll') {
        this.spoke = true
        this.watch(this.beat && 2 * this.beat + 5000)
      }
      feed(piece)
    }
  }

  /** end ends the connection. It may be called again. */
  end(error) {
    clearTimeout(this.timer)
    this.control.abort(error)
    this.no(error)
  }
}
