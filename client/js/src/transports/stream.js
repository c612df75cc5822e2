import { check, failure, foreign, isEventStream } from '../errors.js'

/** request opens or continues a link by a GET, and returns its answer. */
export async function request({ address, save }, link, more) {
  save() // _pos acknowledges
  const answer = await address.request('GET', link.token, { signal: link.signal }, link.where(more))
  if (isEventStream(await check(answer, address.url))) return answer
  throw foreign(answer, address.url)
}

/** read passes the body on to the link until it ends. */
export async function read({ body }, feed) {
  const reader = body.getReader()
  for (let read; !(read = await reader.read()).done;) feed(read.value)
}

/** stream runs a link over one long answer. The promise settles when it has ended. */
export async function stream(core, link) {
  const answer = await request(core, link)
  // React Native, for example, hands over an answer when it is complete.
  if (!answer.body?.getReader) throw failure('fetch() cannot stream here', 501)
  await read(answer, link.feeder())
}
