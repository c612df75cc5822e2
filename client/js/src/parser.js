// The format of messages: event streams (WHATWG HTML, 9.2.6), with payloads in base64
// where lines cannot carry them.

import { failure } from './errors.js'

const TEXT = 1, BYTES = 2 // in base64

/** encode returns data as a line of the wire can carry it: { d: text, x: encoding }. */
export function encode(data) {
  const { buffer = data, byteOffset, byteLength } = data
  let x = byteLength >= 0 ? BYTES : 0
  let d = x ? toBase64(new Uint8Array(buffer, byteOffset, byteLength)) : '' + data
  if (/[\r\0]/.test(d) || d.split('\n').length > 999) d = toBase64(new TextEncoder(x = TEXT).encode(d))
  return { d, x }
}

/** decode reverses encode. */
export function decode(d, x) {
  if (!x || d == null) return d
  const bytes = Uint8Array.from(atob(d), c => c.charCodeAt())
  return x === BYTES ? bytes.buffer : new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytes)
}

const toBase64 = bytes => btoa(Array.from(bytes, b => String.fromCharCode(b)).join(''))

/** block returns a message as a block of the wire. */
export const block = ({ n, e, d, x }) =>
  `${e && `event: ${e}\n`}${x ? 'encoding: base64\n' : ''}${x === BYTES ? 'type: binary\n' : ''}data: ${
    d.replaceAll('\n', '\ndata: ')}\nid: ${n}\n\n`

/**
 * parser returns a function that takes an event stream, in bytes or text cut anywhere,
 * and calls take with each complete block.
 */
export function parser(take) {
  const decoder = new TextDecoder()
  let rest = '', fields = {}, cr

  return piece => {
    let chunk = piece.big ? piece : decoder.decode(piece, { stream: true })
    if (!chunk) return
    if (cr && chunk[0] === '\n') chunk = chunk.slice(1)
    cr = chunk.endsWith('\r')

    const lines = chunk.split(/\r\n?|\n/)
    lines[0] = rest + lines[0]
    rest = lines.pop()
    for (const line of lines) {
      if (line) {
        const [, field, value] = /^([^:]*):? ?(.*)$/s.exec(line)
        if (field === 'data' && field in fields) fields.data += '\n' + value
        else if (field !== 'id' || !value.includes('\0')) fields[field] = value
        continue
      }

      const { id, event, data, encoding, type, topic, key, grow, done } = fields
      fields = {}
      if (data != null && encoding != null && encoding !== 'base64') throw failure('encoding')
      if ((id ?? data) != null) {
        take({
          id, event: event || 'message', data: decode(data, encoding && (type === 'binary' ? BYTES : TEXT)),
          topic, key, grow: grow && +grow, done: done === 'true',
        })
      }
    }
  }
}

/** epochAndNumber splits a position. Its number counts within its epoch only. */
export const epochAndNumber = position => position.split(/[-.]/)
