// A page without a client, from which the test goes back to one with a client.
import { obey } from './remote.js'

obey(() => ({ state: 'elsewhere' }))
