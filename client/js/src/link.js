// One connection:
//
//   opening ──hello──▶ greeted ──▶ over
//      └────────────────────────────▲
//
// links.live is the greeted link that counts: it brought the last hello. The state:
//
//   name, path  its transport, and where it was opened
//   turn        how often use() had been called
//   hello       resolves when it is greeted (ok), rejects if it ends before that (no)
//   token       of its hello; undefined while it is opening
//   from        the positions that it presented
//   beat        milliseconds: the longest silence of the server
//   born, heard when its hello came, and when something came last
//   news        something new came
//   drain       milliseconds: the server ends the link and says when to come back
//   spoke       something came after hello, so nothing holds it back
//   late        it ended because of silence
//   control     ends it, with timer after a silence
//   socket      of a WebSocket, and answer takes the answer to a frame

import { failure } from './errors.js'
import { parser } from './parser.js'
import { positions } from './topics.js'

export function newLink(name, path, turn) {
  const link = { name, path, turn, control: new AbortController() }
  link.hello = new Promise((ok, no) => Object.assign(link, { ok, no }))
  link.hello.catch(() => 0)
  return link
}

/** watch ends the link unless something comes within ms. With 0 it may be silent. */
export function watch(link, ms) {
  clearTimeout(link.timer)
  if (ms) {
    link.timer = setTimeout(() => {
      link.late = true
      link.control.abort(failure('silence'))
    }, ms)
  }
}

/** end ends the connection. It may be called again. */
export function end(link, error) {
  watch(link)
  link.control.abort(error)
  link.no(error)
}

/** place is the query of a GET that opens or continues the link. */
export function place(core, link, more) {
  const { address, client, links } = core
  link.from = positions(core)
  // The id in the last hello: if a log-out has revoked it and expired the cookie, the
  // server answers 410 and does not continue under a new id. The id from storage does not
  // count: a page load is a new visit.
  const _was = links.last && !address.signed ? client.id : null
  return { _pos: link.from, _was, _wait: null, lastEventId: null, ...more } // whatever the option query says
}

/** feeder returns the function that takes the text or bytes of the link. */
export function feeder(link, take) {
  // spoken notes what came after hello: a whole block, which may have come together with
  // hello, or a part of one.
  const spoken = () => {
    if (link.token && link.name !== 'poll') {
      link.spoke = true
      watch(link, link.beat && 2 * link.beat + 5000)
    }
  }
  const feed = parser(block => {
    spoken()
    take(block)
  })
  return piece => {
    link.heard = Date.now()
    spoken()
    feed(piece)
  }
}
