// mangled.txt, the properties that mirage.min.js renames: they are nobody else's.

import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'

const read = path => readFileSync(new URL(path, import.meta.url), 'utf8')
const mangled = read('../internal/bundle/mangled.txt').split('\n').filter(line => /^\w/.test(line))

// properties returns the names of the properties of a global object, and of the objects
// that it makes.
function properties(name) {
  const out = new Set()
  for (let o of [globalThis[name], globalThis[name]?.prototype]) {
    for (; Object(o) === o; o = Object.getPrototypeOf(o)) for (const key of Reflect.ownKeys(o)) out.add(key)
  }
  return out
}

test('one name a line, each once', () => {
  for (const name of mangled) assert.match(name, /^[a-z]\w*$/i)
  assert.deepEqual([...new Set(mangled)], mangled)
  assert.notDeepEqual(mangled, [])
})

test('no name of an object of the platform', () => {
  const globals = Object.getOwnPropertyNames(globalThis)
  for (const name of ['AbortController', 'Event', 'Headers', 'MessageEvent', 'Promise', 'ReadableStreamDefaultReader',
    'Response', 'URL']) assert.ok(globals.includes(name), name)
  assert.ok(properties('Response').has('headers'))
  for (const global of globals) {
    const clashes = mangled.filter(name => properties(global).has(name))
    assert.deepEqual(clashes, [], global)
  }
  assert.deepEqual(mangled.filter(name => globals.includes(name)), [])
})

test('no name of mirage.d.ts', () => {
  const types = read('../mirage.d.ts').replace(/\/\*.*?\*\/|\/\/[^\n]*/gs, '')
  const names = new Set(types.match(/(?<![-\w$])[\w$]+(?![-\w$])/g))
  assert.ok(names.has('bufferedAmount'))
  assert.deepEqual(mangled.filter(name => names.has(name)), [])
})
