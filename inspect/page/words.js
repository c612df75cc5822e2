// What happened, in words.

import { count, bytes, duration } from './dom.js'

const reasons = await fetch('reasons.json').then(answer => answer.json())

// groups are those of reasons.json in which the reason of an event is looked up.
const groups = {
  'link-began': ['positions'],
  lost: ['positions'],
  'link-ended': ['ends'],
  'session-ended': ['ends', 'positions'],
  'session-moved': ['ends'],
  handled: ['messages'],
  hook: ['requests', 'refusals'],
}

// meaning says what the reason of an event means, and what to do. It is undefined for a
// word that the application has chosen.
export function meaning(kind, reason) {
  for (const group of groups[kind] ?? ['refusals', 'requests']) {
    const found = reasons[group]?.[reason]
    if (found) return found
  }
}

// tab is the short name of a reader, which does not wrap.
export const tab = reader =>
  reader.startsWith('plain-')
    ? 'plain\u00a0' + reader.slice(6, 10)
    : 'tab\u00a0' + reader.slice(0, 6).replace(/-/g, '\u2011')

const plural = (n, one) => `${count(n)} ${one}${n === 1 ? '' : 's'}`

const numbers = e => (e.from && e.from !== e.to ? ` ${e.from} to ${e.to || '?'}` : e.to ? ` ${e.to}` : '')

const inTopic = e => (e.topic ? ` in topic ${e.topic}` : '')

const sentences = {
  'session-opened': () => 'the session began',
  'session-ended': e => 'the session ended' + (e.messages ? `; ${plural(e.messages, 'message')} reached nobody` : ''),
  'session-moved': () => 'the session got another id',
  'link-began': e => `a link began over ${e.transport}` + (e.from ? `; messages${numbers(e)} are lost` : ''),
  'link-ended': e => `the link over ${e.transport} ended after ${bytes(e.bytes ?? 0)}`,
  appended: e =>
    e.reason ? 'a message was refused' : `${plural(e.messages ?? 1, 'message')} sent to the session:${numbers(e)}`,
  sent: e =>
    `${plural(e.messages, 'message')} written to the client:${numbers(e)}${inTopic(e)}` +
    (e.again ? `; ${count(e.again)} of them again` : ''),
  skipped: e => `${plural(e.messages, 'message')} passed over:${numbers(e)}; superseded or expired`,
  acked: e => `acknowledged up to${numbers({ to: e.to })}` + (e.took ? `; the lag was ${duration(e.took)}` : ''),
  lost: e => `told that messages${numbers(e)} are lost${inTopic(e)}`,
  handled: e =>
    `${plural(e.messages ?? 1, 'message')} from the client${numbers(e)}` +
    (e.took ? `, handled in ${duration(e.took)}` : ''),
  published: e => (e.reason ? `a message was refused${inTopic(e)}` : `a message was published${inTopic(e)}`),
  joined: e => `reads topic ${e.topic}`,
  left: e => `does not read topic ${e.topic}`,
  hook: e => (e.hook === 'OnJoin' ? `OnJoin was asked${inTopic(e)}` : 'a request was identified'),
  refused: e =>
    e.transport === 'send' ? 'messages from the client were refused' : `a link over ${e.transport} was refused`,
}

// sentence says what happened.
export const sentence = e => sentences[e.kind]?.(e) ?? e.kind

// isTrouble reports whether an event deserves to be seen at once.
export function isTrouble(e) {
  switch (e.kind) {
    case 'lost':
    case 'refused':
      return true
    case 'link-began':
      return !['resumed', 'continued', 'new'].includes(e.reason)
    case 'link-ended':
      return ['silent', 'crowded'].includes(e.reason)
    case 'handled':
      return (e.reason ?? '').startsWith('handler')
    case 'appended':
    case 'published':
    case 'left':
      return Boolean(e.reason)
  }
  return false
}
