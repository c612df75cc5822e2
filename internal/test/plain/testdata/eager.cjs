// node eager.cjs PACKAGE URL: reads the stream with a package that is in node_modules beside this file, and prints the data of each message.
const [name, url] = process.argv.slice(2)

// The server says when to come back, but some packages wait a second at least.
const wait = setTimeout
globalThis.setTimeout = (f, ms, ...args) => wait(f, ms > 20 && ms < 20_000 ? 20 : ms, ...args)
// What a page has and Node has not.
globalThis.window = globalThis
globalThis.document = { hidden: false, readyState: 'complete', addEventListener() {}, removeEventListener() {} }

const them = require(name)
if (them.fetchEventSource) {
  them.fetchEventSource(url, {
    onmessage({ event, data }) { if (!event && data) console.log(data) },
    onclose() { throw new Error('ended') }, // else a clean end were the last
    onerror() {}, // again
  })
} else {
  const EventSource = them.EventSourcePolyfill || them
  new EventSource(url).onmessage = e => console.log(e.data)
}
