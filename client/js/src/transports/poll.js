import { sleep } from '../backoff.js'
import { reached } from '../core.js'
import { failure } from '../errors.js'
import { watch } from '../link.js'
import { noteAcked } from '../topics.js'
import { open, read } from './stream.js'

const WAIT = 25 // seconds that the server may hold a poll
const LONGEST = 35_000 // milliseconds until a poll has an answer
const EARLY = 1000 // milliseconds; an empty answer takes longer

/** poll runs a link over one short answer after another, until its end. */
export async function poll(core, link, fresh) {
  let early = 0
  do {
    if (link.token) watch(link, LONGEST)
    const asked = performance.now()
    link.news = false

    const answer = await open(core, link, { _wait: WAIT })
    noteAcked(core, link.from)
    reached(core)
    const feed = fresh() // a block that one answer leaves incomplete is not the next one's
    if (answer.body?.getReader) await read(answer, feed)
    else feed(await answer.text()) // React Native
    watch(link)
    await core.inbox.pending // the next poll acknowledges

    // A cache may answer in place of the server, without a pause.
    if (link.news || performance.now() - asked > EARLY) early = 0
    else if (++early > 3) throw failure('polls bring nothing new: a cache in between?')
    else await sleep(EARLY)
  } while (link.token && link.drain == null && !link.control.signal.aborted)
}
