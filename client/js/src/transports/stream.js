import { request } from '../address.js'
import { check, failure, foreign, isEventStream } from '../errors.js'
import { place } from '../link.js'
import { save } from '../storage.js'

/** open opens or continues a link by a GET, and returns its answer. */
export async function open(core, link, more) {
  const { url } = core.client
  save(core) // _pos acknowledges
  const answer = await request(core, 'GET', link.token, { signal: link.control.signal }, place(core, link, more))
  if (isEventStream(await check(answer, url))) return answer
  throw foreign(answer, url)
}

/** read passes the body on to the link until it ends. */
export async function read({ body }, feed) {
  const reader = body.getReader()
  for (let read; !(read = await reader.read()).done;) feed(read.value)
}

/** stream runs a link over one long answer. The promise settles when it has ended. */
export async function stream(core, link, fresh) {
  const answer = await open(core, link)
  // React Native, for example, hands over an answer when it is complete.
  if (!answer.body?.getReader) throw failure('fetch() cannot stream here', 501)
  await read(answer, fresh())
}
