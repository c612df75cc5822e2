// What the client learns from hello, the first block of each link.

import { change, isActive, reached, tell } from './core.js'
import { failure } from './errors.js'
import { seen } from './first_visit.js'
import { reset } from './inbox.js'
import { rejoin } from './joins.js'
import { watch } from './link.js'
import { welcome } from './links.js'
import { accept, giveBack } from './outbox.js'
import { epochAndNumber } from './parser.js'
import { improve } from './race.js'
import { pump } from './sender.js'
import { save } from './storage.js'

const SECOND_SIGN = 3000 // milliseconds

/** greet makes the link the live one, at the position that hello says. */
export function greet(core, link, hello, position) {
  const { address, client, inbox, links, outbox, sender } = core
  const { id, reason } = hello
  const [epoch, seq] = epochAndNumber(inbox.came), [now, n] = epochAndNumber(position)
  // This hello may be about a position in another epoch, which another link's hello has
  // replaced meanwhile.
  const old = epoch === now && link.from.indexOf(epoch)
  const resumed = old || hello.resumed
  const lost = !old && reason !== 'trimmed' && hello.lost // what was trimmed comes as an event of its own
  const known = client.id, was = client.mirage, first = !links.last

  if (known && known !== id && known !== hello.previous) { // the messages were written under another id
    client.id = id
    giveBack(core, outbox.queue, failure('the id has changed', 409), known)
  }
  if (!resumed) for (const m of outbox.queue) m.a = m.t // this server cannot know whether it had them
  inbox.repeats = epoch === now && (inbox.repeats < 0 ? hello.sent : inbox.repeats)

  if (lost || epoch !== now || n - seq > 0) reset(core, position)
  client.id = id
  if (address.signed != null) address.signed = hello.mirage || address.signed
  client.mirage = address.signed ?? id

  link.news ||= !link.token // a cache may repeat it
  link.token = hello.link
  link.beat = hello.heartbeat
  link.born = Date.now()
  welcome(core, link)
  if (link.name !== 'poll') {
    // The second event, a second later, proves that no proxy holds the stream back.
    watch(link, link.beat && SECOND_SIGN)
    sender.due = 1 // an acknowledgement on this link ends an older one that died unnoticed
  }
  rejoin(core, link)
  accept(core, address.cid, hello.accepted)
  save(core)

  change(core, link.name, 'transport')
  if (isActive(core)) change(core, 'open')
  if (client.readyState > 2) return // a listener has closed it
  reached(core)
  if (first) {
    if (address.signed == null) seen(core, true)
    tell(core, 'open')
  }
  if (first || !resumed || known !== id || was !== client.mirage) {
    const { previous, resumed, lost, sent } = hello
    tell(core, 'mirage', { id, known, mirage: client.mirage, previous, resumed, reason, lost, sent })
  }
  if (lost) tell(core, 'mirage-gap', { ...lost, reason, topic: '' })
  improve(core, link.name)
  sender.hurry?.()
  pump(core)
}
