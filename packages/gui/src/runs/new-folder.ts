// The name and folder of a new run: no other run has either.
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { makeFolder } from '@jora/tensor/files'
import { Failure } from '../server/failure'

const mostOfOneName = 1000

/** A name as a folder's: of letters, digits, `.`, `_` and single dashes, not beginning or ending in `.` or `-`. */
const folderName = (name: string): string =>
  name
    .normalize('NFC')
    .replace(/[^\p{L}\p{M}\p{N}._]+/gu, '-')
    .replace(/^[-.]+|[-.]+$/g, '')
    .slice(0, 60) || 'run'

/**
 * Makes a folder in `parent` that was not there, for a run of this name: `name 2` in `name-2` where either is taken.
 * @throws Failure when it cannot be made
 */
export async function newRunFolder(
  parent: string,
  name: string,
  isTaken: (name: string) => boolean,
): Promise<{ name: string; folder: string }> {
  const base = join(parent, folderName(name))
  for (let n = 1; n <= mostOfOneName; n++) {
    const folder = n === 1 ? base : `${base}-${n}`
    const numbered = n === 1 ? name : `${name} ${n}`
    if (isTaken(numbered)) continue
    try {
      await makeFolder(parent)
      await mkdir(folder)
      return { name: numbered, folder }
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'EEXIST') continue
      throw new Failure('failed', `${folder} cannot be made: ${(error as Error).message}`)
    }
  }
  throw new Failure('conflict', `There are ${mostOfOneName} runs called ${name} already: choose another name.`)
}
