// The state of a client, and how the application is told of it. Each part of the state
// belongs to the module that its comment names, which explains its fields.

/** newCore returns the state of a new client. */
export const newCore = (client, options, listeners) => ({
  client,
  options,
  listeners: Object.assign(listeners, { bytes: options.bytes }), // target.js
  wanted: false, // the application wants a link
  address: {}, // address.js
  record: { others: [], full: false }, // storage.js
  outbox: { queue: [], numbers: new Map(), count: 0 }, // outbox.js
  sender: { most: 100, tries: 0, unacked: 0, abort: new AbortController() }, // sender.js
  inbox: { resets: 0 }, // inbox.js
  topics: { all: new Map(), toLeave: new Set() }, // topics.js
  links: { all: new Set(), failures: 0, strikes: 0, lostAt: 0, triedAt: 0 }, // links.js
  race: { bad: {}, turn: 0, doubts: 0, worked: new Set() }, // race.js
  page: { phase: globalThis.document?.prerendering ? 'prerendering' : 'shown' }, // page.js
})

/** isActive reports whether there may be links. */
export const isActive = core => core.wanted && core.page.phase === 'shown'

/** isHidden reports whether nobody sees the page. Its timers sleep, and it may end. */
export const isHidden = () => globalThis.document?.hidden

/** log explains to the developer what happens. */
export const log = (core, ...words) => core.options.debug && console.debug('mirage:', ...words)

/** tell dispatches an event. */
export function tell(core, type, more) {
  log(core, type, more)
  core.client.dispatchEvent(Object.assign(new Event(type), more))
}

/** change sets a property of the client, and dispatches an event if it is new. */
export function change(core, value, what = 'state') {
  const previous = core.client[what]
  core.client[what] = value
  if (previous !== value) tell(core, 'mirage-' + what, { [what]: value, previous })
}

/** reached notes that a request got through. */
export function reached(core) {
  core.page.offline = false
  showStalled(core)
}

/** showStalled says what keeps messages from flowing although the state may be open. */
export const showStalled = (core, failing = core.sender.tries > 1) =>
  change(core, core.page.offline ? 'offline' : failing ? 'send' : '', 'stalled')
