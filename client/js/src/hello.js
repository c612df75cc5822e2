// What the client learns from hello, the first block of each link.

import { failure } from './errors.js'
import { epochAndNumber } from './parser.js'

const SECOND_SIGN = 3000 // milliseconds

/** greet makes the link the live one, at the position that hello says. */
export function greet(core, link, hello, position) {
  const { address, client, inbox, links, outbox, race, sender } = core
  const { id, reason } = hello
  const [epoch, seq] = epochAndNumber(inbox.came), [now, n] = epochAndNumber(position)
  // This hello may be about a position in another epoch, which another link's hello has
  // replaced meanwhile.
  const old = epoch === now && link.from.indexOf(epoch)
  const resumed = old || hello.resumed
  const lost = !old && reason !== 'trimmed' && hello.lost // what was trimmed comes as an event of its own
  const known = client.id, was = client.mirage, first = !links.opened

  if (known && known !== id && known !== hello.previous) { // the messages were written under another id
    outbox.giveBack(outbox.queue, failure('the id has changed', 409))
  }
  if (!resumed) outbox.repeat() // this server cannot know whether it had them
  inbox.repeats = epoch === now && (inbox.repeats < 0 ? hello.sent : inbox.repeats)

  if (lost || epoch !== now || n - seq > 0) inbox.reset(position)
  client.id = id
  if (address.signed != null) address.signed = hello.mirage || address.signed
  client.mirage = address.signed ?? id

  link.token = hello.link
  link.beat = hello.heartbeat
  link.born = Date.now()
  link.news = true
  links.welcome(link)
  if (link.name !== 'poll') {
    // The second event, a second later, proves that no proxy holds the stream back.
    link.watch(link.beat && SECOND_SIGN)
    sender.due = true // an acknowledgement on this link ends an older one that died unnoticed
  }
  outbox.accept(address.cid, hello.accepted)
  core.save()

  core.change(link.name, 'transport')
  if (core.active) core.change('open')
  core.showStalled()
  if (first) core.tell('open')
  if (first || !resumed || known !== id || was !== client.mirage) {
    core.tell('mirage', { ...hello, link: undefined, mirage: client.mirage, known })
  }
  if (lost) core.tell('mirage-gap', { ...lost, reason })
  race.improve(link.name)
  sender.hurry?.()
  sender.pump()
}
