// The files below a folder, however it is linked.

import type { Stats } from 'node:fs'
import { readdir, realpath, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { DatasetError } from '../errors'

export interface Walked {
  /** Paths below the folder, with `/` on every system, sorted. */
  names: string[]
  /** What was passed over, and why. */
  skipped: { name: string; reason: string }[]
}

/**
 * Lists the files below a folder, to its depths. Links are followed, each folder once; hidden files and folders are left
 * out.
 */
export async function walkFolder(root: string): Promise<Walked> {
  const walked: Walked = { names: [], skipped: [] }
  const seen = new Set([await realpath(root)])
  const waiting = ['']
  for (let below = waiting.pop(); below !== undefined; below = waiting.pop()) {
    for (const entry of await readdir(join(root, below), { withFileTypes: true })) {
      if (entry.name.startsWith('.')) continue
      const name = below === '' ? entry.name : `${below}/${entry.name}`
      const path = join(root, name)
      const found = entry.isSymbolicLink() ? await stat(path).catch(() => undefined) : entry
      if (found === undefined) walked.skipped.push({ name, reason: 'a link to nothing' })
      else if (found.isFile()) walked.names.push(name)
      else if (found.isDirectory()) {
        const real = await realpath(path)
        if (seen.has(real)) walked.skipped.push({ name, reason: 'a link to a folder that is read already' })
        else {
          seen.add(real)
          waiting.push(name)
        }
      } else walked.skipped.push({ name, reason: 'no file or folder' })
    }
  }
  walked.names.sort()
  return walked
}

/** What a path of documents is. @throws DatasetError when there is nothing */
export const statDocuments = (path: string): Promise<Stats> =>
  stat(path).catch((error: NodeJS.ErrnoException) => {
    throw new DatasetError({ file: path, problem: error.code === 'ENOENT' ? 'no such file or folder' : error.message })
  })
