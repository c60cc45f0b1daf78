// Where prepared samples that are larger than memory are kept: a folder for each data set, tokenizer and settings.
import { createHash } from 'node:crypto'
import { mkdir, readFile, stat } from 'node:fs/promises'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { tokenizerFileNames } from '@jora/data'
import type { ModelDescription } from '@jora/llama'
import { removeTemporaries, writeFolderAtomic } from '@jora/tensor/files'

/** The folder in the user's cache that keeps prepared samples: `$XDG_CACHE_HOME/jora/samples`, or below `~/.cache`. */
export const samplesDir = (env: Readonly<Record<string, string | undefined>> = process.env): string =>
  join(env['XDG_CACHE_HOME'] || join(homedir(), '.cache'), 'jora', 'samples')

const isKey = (name: string): boolean => /^[0-9a-f]{32}$/.test(name)

/** What a killed process left may be removed when it was not changed for so long. */
const idleMs = 24 * 60 * 60 * 1000

/** The name of a folder of samples: one for all that decides them. */
export const cacheKey = (decides: unknown): string =>
  createHash('sha256').update(JSON.stringify(decides)).digest('hex').slice(0, 32)

/** SHA-256 of a model's tokenizer: of its files, or of what the header of its GGUF file says. */
export async function tokenizerDigest({ ref, gguf }: Pick<ModelDescription, 'ref' | 'gguf'>): Promise<string> {
  const hash = createHash('sha256')
  if (gguf) hash.update(JSON.stringify(gguf.tokenizerFiles()))
  else
    for (const name of tokenizerFileNames) {
      const bytes = await readFile(join(ref.path, name)).catch(() => undefined)
      if (bytes) hash.update(`${name}:${bytes.length}:`).update(bytes)
    }
  return hash.digest('hex')
}

/** Whether there are samples of that key. */
export async function isCached(root: string, key: string): Promise<boolean> {
  return (await stat(join(root, key)).catch(() => undefined))?.isDirectory() ?? false
}

/** Fills the folder of a key, which is there when it is whole. */
export async function writeCached(root: string, key: string, fill: (folder: string) => Promise<void>): Promise<string> {
  await mkdir(root, { recursive: true })
  await removeTemporaries(root, isKey, { idleMs })
  const folder = join(root, key)
  try {
    await writeFolderAtomic(folder, fill, { onlyEmpty: true })
  } catch (error) {
    // Another process, as of the same job, was first.
    if (!(await isCached(root, key))) throw error
  }
  return folder
}
