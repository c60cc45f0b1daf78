// Folders made, and folders written whole or not at all.
import { mkdir, open, readdir, rename, rm, rmdir, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { folderDestination } from './destination'
import { explainNoRoom } from './explain'
import { replaceAtomic, syncFolder, temporaryName } from './replace'

/**
 * Makes `path` and the folders above it that are missing. Node's own recursive mkdir never returns where the system
 * says that an existing parent does not exist, as under /proc.
 * @throws Node's error, with its `code`, when a folder cannot be made or a file has the name of one
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

/**
 * Fills a new folder and gives it its name only when `fill` has succeeded and its files are on the disk. Where `path` is a
 * link to a folder, that folder is replaced and the link stays.
 * @param fill given the folder to fill, whose name is a temporary one
 * @param options `onlyEmpty`: of that name there may be an empty folder, or none; else an existing folder is replaced
 * @throws what `fill` throws; an error that says so where there is no room; Node's own otherwise
 */
export async function writeFolderAtomic(
  path: string,
  fill: (folder: string) => Promise<void>,
  { onlyEmpty = false }: { readonly onlyEmpty?: boolean } = {},
): Promise<void> {
  const target = folderDestination(path)
  let old: string | undefined
  try {
    await makeFolder(dirname(target))
    await replaceAtomic(target, async (temporary) => {
      await mkdir(temporary)
      await fill(temporary)
      await syncTree(temporary)
      old = await makeWay(target, onlyEmpty)
    })
  } catch (error) {
    if (old !== undefined) await rename(old, target).catch(() => {}) // it stays under its temporary name then
    throw explainNoRoom(error, path)
  }
  if (old !== undefined) await rm(old, { recursive: true, force: true })
}

/** Frees the name of a folder; returns where the old one went, which can be brought back until the new one has its place. */
async function makeWay(path: string, onlyEmpty: boolean): Promise<string | undefined> {
  const aside = temporaryName(path)
  try {
    if (onlyEmpty) await rmdir(path)
    else await rename(path, aside)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
    return undefined
  }
  return onlyEmpty ? undefined : aside
}

/** Windows flushes only what is open for writing; elsewhere a file need not be writable. */
const openToFlush = process.platform === 'win32' ? 'r+' : 'r'

/** Flushes every file below `folder`, and the names in it. */
async function syncTree(folder: string): Promise<void> {
  for (const entry of await readdir(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name)
    if (entry.isDirectory()) await syncTree(path)
    else if (entry.isFile()) {
      await using file = await open(path, openToFlush)
      await file.sync()
    }
  }
  await syncFolder(folder)
}
