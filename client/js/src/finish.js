// The end of a client.

import { change, tell } from './core.js'
import { failure } from './errors.js'
import { endRooms } from './joins.js'
import { drop } from './links.js'
import { giveBack } from './outbox.js'
import { detach } from './page.js'
import { calm } from './sender.js'
import { remove } from './storage.js'
import { endLoops } from './target.js'

/** finish closes the client for good. */
export function finish(core, code, reason, wasClean = false) {
  if (core.client.state === 'closed') return
  core.wanted = false
  drop(core)
  calm(core)
  detach(core)
  core.options.signal?.removeEventListener('abort', core.stop)
  change(core, 'closed') // so that send() in a listener for returned messages throws
  const error = failure(reason || 'closed', code)
  giveBack(core, core.outbox.queue, error)
  remove(core)
  endRooms(core, error)
  core.listeners.ended = true
  endLoops(core.listeners)
  tell(core, 'close', { code, reason, wasClean })
}
