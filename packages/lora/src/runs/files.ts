// Writing files and folders whole or not at all.
import { mkdir, open, rename, rm, stat } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { explainNoRoom } from './no-room'

/**
 * Makes `path` and the folders above it that are missing. Node's own recursive mkdir never returns where the system says
 * that an existing parent does not exist, as under /proc.
 */
export async function makeFolder(path: string): Promise<void> {
  try {
    await mkdir(path)
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    const found = await stat(path).catch(() => undefined)
    if (found?.isDirectory()) return
    const parent = dirname(path)
    if (code !== 'ENOENT' || (await stat(parent).catch(() => undefined))) throw error
    await makeFolder(parent)
    await mkdir(path)
  }
}

/** Writes `text` to `path` through a temporary file beside it, flushed to disk before it takes the name. */
export async function writeFileAtomic(path: string, text: string): Promise<void> {
  const temporary = join(dirname(path), `.${basename(path)}.tmp-${process.pid}`)
  try {
    const file = await open(temporary, 'w')
    try {
      await file.writeFile(text)
      await file.sync()
    } finally {
      await file.close()
    }
    await rename(temporary, path)
  } catch (error) {
    await rm(temporary, { force: true }).catch(() => {}) // the first error is the one to tell
    throw explainNoRoom(error, path)
  }
}

/** `value` as JSON with two-space indentation. */
export const writeJsonAtomic = (path: string, value: unknown): Promise<void> =>
  writeFileAtomic(path, `${JSON.stringify(value, null, 2)}\n`)

/** Fills a new folder and gives it its name only when `fill` has succeeded. An existing folder of that name is replaced. */
export async function writeFolderAtomic(path: string, fill: (folder: string) => Promise<void>): Promise<void> {
  const temporary = join(dirname(path), `.${basename(path)}.tmp-${process.pid}`)
  await rm(temporary, { recursive: true, force: true })
  try {
    await mkdir(temporary, { recursive: true })
    await fill(temporary)
    await rm(path, { recursive: true, force: true })
    await rename(temporary, path)
  } catch (error) {
    await rm(temporary, { recursive: true, force: true }).catch(() => {}) // likewise
    throw explainNoRoom(error, path)
  }
}
