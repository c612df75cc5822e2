// Packages of other people, which package npm of the tests fetches and names in MODULES.
// Without it, tests that need them are skipped.
import { createRequire } from 'node:module'
import { pathToFileURL } from 'node:url'

export const skip = process.env.MODULES ? false : 'MODULES does not name a directory: go test ./client/js'

const require = createRequire((process.env.MODULES ?? '/') + '/')

/** load imports a package by its name. */
export const load = name => import(pathToFileURL(require.resolve(name)))
