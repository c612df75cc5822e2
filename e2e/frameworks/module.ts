// A client that belongs to a module and not to components, with its listeners. When HMR
// runs the module again, the old client is released and the new one continues at its place.

import { Mirage } from 'mirage-client'
import { adopt, note, transports, type Down, type Live, type Up } from './page.ts'

let live: Live | undefined

/** moduleClient returns the client, and makes it for the first component that shows it. */
export function moduleClient(): Live {
  if (live) return live
  live = new Mirage<Down, Up>('/live', { transports })
  live.on('message', (data, e) => note('got', data, e, 'module'))
  adopt(live)
  return live
}

/** onReplace gives the test the function that does what HMR does. */
export function onReplace(changed: () => void) {
  const replace = () => {
    live?.release()
    live = undefined
    changed()
  }
  Object.assign(globalThis, { replace })
}
