// The folder of a new run, named after it.
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

/** Makes a folder in `parent` that was not there: `name-2` where `name` is taken. @throws Failure when it cannot be made */
export async function newRunFolder(parent: string, name: string): Promise<string> {
  const base = join(parent, folderName(name))
  for (let n = 1; n <= mostOfOneName; n++) {
    const folder = n === 1 ? base : `${base}-${n}`
    try {
      await makeFolder(parent)
      await mkdir(folder)
      return folder
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'EEXIST') continue
      throw new Failure('failed', `${folder} cannot be made: ${(error as Error).message}`)
    }
  }
  throw new Failure('conflict', `There are ${mostOfOneName} runs called ${name} already: choose another name.`)
}
