// Commands and paths as the user can type them next.
import { relative } from 'node:path'
import type { Io } from '../io'
import { shellWord } from './format'

/** `jora`, or in a clone, where npm runs it and it is on no PATH, `npm run jora --`. */
export const program = ({ npm_lifecycle_event: script }: Io['env']): string =>
  script === 'quickstart' || script === 'jora' ? 'npm run jora --' : 'jora'

/** `path`, from the current directory where that is shorter; quoted for a shell. */
export function shellPath(path: string): string {
  const near = relative('', path)
  return shellWord(near !== '' && near.length < path.length ? near : path)
}
