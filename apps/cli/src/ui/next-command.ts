// Commands and paths as the user can type them next.
import { realpathSync } from 'node:fs'
import { basename, delimiter, join, relative } from 'node:path'
import { shellWord } from './format'

/** How the command line was called: what hints begin with. */
export const program = ({ calledAs = 'jora' }: { readonly calledAs?: string }): string => calledAs

const realPath = (path: string): string | undefined => {
  try {
    return realpathSync(path)
  } catch {
    return undefined
  }
}

/**
 * The words that call this command line again: `npm run jora --` in a clone, `npx …` where npx was asked, `jora` where the
 * shell finds it, else Node and the path of the script.
 * @param script as Node has it, `process.argv[1]`
 */
export function howCalled(env: Readonly<Record<string, string | undefined>>, script: string): string {
  const { npm_lifecycle_event: event, npm_package_name: pack, npm_command: command, PATH = '' } = env
  if (pack === 'jora-monorepo' && (event === 'quickstart' || event === 'jora' || event === 'doctor'))
    return 'npm run jora --'
  const real = realPath(script)
  // npx puts what it fetches into folders of its own.
  if (command === 'exec') return /[/\\]_npx[/\\]/.test(real ?? script) ? 'npx @jora/cli' : 'npx jora'
  const isFound = PATH.split(delimiter).some((folder) => folder !== '' && realPath(join(folder, 'jora')) === real)
  const isShim = process.platform === 'win32' && basename(script).startsWith('jora')
  return real === undefined || isFound || isShim ? 'jora' : `node ${shellPath(script)}`
}

/** `path`, from the current directory where that is shorter; quoted for a shell. */
export function shellPath(path: string): string {
  const near = relative('', path)
  return shellWord(near !== '' && near.length < path.length ? near : path)
}
