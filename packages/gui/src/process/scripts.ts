// Scripts of this package that run as processes of their own. They are built: from source, tests use those of the last build.
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { Failure } from '../server/failure'

const places = ['./', '../../dist/']

/** @throws Failure when it is not built */
export function scriptPath(name: 'inspect-worker' | 'playground-worker' | 'read-worker'): string {
  const found = places.map((place) => fileURLToPath(new URL(`${place}${name}.js`, import.meta.url))).find(existsSync)
  if (found === undefined) throw new Failure('failed', `${name}.js is not built. In the repository, run: npm run build`)
  return found
}
