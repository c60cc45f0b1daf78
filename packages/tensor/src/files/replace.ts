// Making a file, link or folder beside its final name and renaming it when it is whole: the one place that does so.
import { randomBytes } from 'node:crypto'
import { open, readdir, rename, rm, stat } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { explainNoPlace } from './explain'

/** Bytes of a name that are kept in that of its temporary: file systems allow 255 for both together. */
const longestName = 200

const nameOf = (path: string): string => {
  const name = basename(path)
  return Buffer.byteLength(name) <= longestName ? name : Buffer.from(name).subarray(0, longestName).toString()
}

/** A name beside `path` that no other write uses: hidden, and known to {@link removeTemporaries}. */
export const temporaryName = (path: string): string =>
  join(dirname(path), `.${nameOf(path)}.tmp-${process.pid}-${randomBytes(4).toString('hex')}`)

/**
 * Gives what `make` writes at a temporary path beside `path` the name `path`: readers see what was there before or what
 * is new, never a part. Where `path` is a link, the link itself is replaced. When `make` or the rename fails, what it
 * made is removed and `path` stays as it was.
 * @throws what `make` throws, or Node's error of the rename; where there is no room, an error that says so
 */
export async function replaceAtomic(path: string, make: (temporary: string) => Promise<void>): Promise<void> {
  const temporary = temporaryName(path)
  try {
    await make(temporary)
    await rename(temporary, path)
  } catch (error) {
    await rm(temporary, { recursive: true, force: true }).catch(() => {}) // the first error is the one to report
    throw explainNoPlace(error, path, temporary)
  }
  await syncFolder(dirname(path))
}

/** Makes the names in a folder survive a power cut, where the system lets a folder be opened (Windows does not). */
export async function syncFolder(folder: string): Promise<void> {
  try {
    await using handle = await open(folder, 'r')
    await handle.sync()
  } catch {
    // What was written is flushed already; only its name may be lost.
  }
}

const temporaryPattern = /^\.(.+)\.tmp-\d+(?:-[0-9a-f]{8})?$/

/**
 * Removes what killed processes left in `folder` while they wrote files or folders of the names that `isOurs` accepts.
 * @param idleMs leave alone what was changed in the last so many milliseconds: it may still be written
 */
export async function removeTemporaries(
  folder: string,
  isOurs: (name: string) => boolean,
  { idleMs = 0 }: { readonly idleMs?: number } = {},
): Promise<void> {
  for (const entry of await readdir(folder).catch(() => [] as string[])) {
    const name = temporaryPattern.exec(entry)?.[1]
    if (name === undefined || !isOurs(name)) continue
    const path = join(folder, entry)
    const idle = idleMs === 0 || (await isIdle(path, idleMs))
    if (idle) await rm(path, { recursive: true, force: true })
  }
}

async function isIdle(path: string, milliseconds: number): Promise<boolean> {
  const { mtimeMs } = await stat(path).catch(() => ({ mtimeMs: Infinity }))
  return mtimeMs < Date.now() - milliseconds
}

/**
 * Removes a folder in one step: after a kill it is there as it was, or its name is gone. Nothing happens where it is missing.
 * @throws Node's error when it cannot be removed
 */
export async function removeWhole(path: string): Promise<void> {
  const aside = temporaryName(path)
  try {
    await rename(path, aside)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return
    throw error
  }
  await rm(aside, { recursive: true, force: true })
}
