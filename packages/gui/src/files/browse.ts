// A folder's entries, for choosing models, datasets and places; or the roots.
import { readdir, realpath, stat } from 'node:fs/promises'
import { join } from 'node:path'
import type { FileEntry, Files } from '../api'
import type { Roots } from './roots'

const most = 2000
const datasetName = /\.(jsonl?|ndjson|csv|tsv|tab|parquet)$/i
/** JSON files that are no rows. */
const notRows =
  /^(config|gui|run|quickstart|generation_config|adapter_config|tokenizer.*|special_tokens_map|.*\.index)\.json$|^metrics\.jsonl$/

/** By a file that is in a folder, what the folder is. */
const signs: readonly (readonly [file: string, use: NonNullable<FileEntry['use']>])[] = [
  ['metrics.jsonl', 'run'],
  ['adapter_config.json', 'adapter'],
  ['config.json', 'model'],
]

async function useOf(path: string, isFolder: boolean, name: string): Promise<FileEntry['use']> {
  if (!isFolder) return datasetName.test(name) && !notRows.test(name) ? 'dataset' : null
  for (const [file, use] of signs) if (await stat(join(path, file)).catch(() => undefined)) return use
  return null
}

async function entryOf(path: string, name: string): Promise<FileEntry> {
  const found = await stat(path)
  return {
    name,
    path,
    kind: found.isDirectory() ? 'folder' : 'file',
    bytes: found.isDirectory() ? 0 : found.size,
    modifiedAt: found.mtime.toISOString(),
    use: await useOf(path, found.isDirectory(), name),
  }
}

/** Folders first, then files, by name; neither hidden ones nor what links lead out of the roots. */
export async function browse(path: string | undefined, roots: Roots): Promise<Files> {
  if (path === undefined || path === '') {
    const entries = await Promise.all(roots.roots.map((root) => entryOf(root.path, root.name)))
    return { path: null, parent: null, entries, leftOut: 0 }
  }
  const folder = await roots.folder(path, 'path')
  const names = (await readdir(folder)).filter((name) => !name.startsWith('.')).sort()
  const entries = await Promise.all(
    names.slice(0, most).map(async (name): Promise<FileEntry | undefined> => {
      const real = await realpath(join(folder, name)).catch(() => undefined)
      return real !== undefined && roots.isBrowsable(real) ? entryOf(real, name).catch(() => undefined) : undefined
    }),
  )
  return {
    path: folder,
    parent: roots.parentOf(folder),
    entries: entries
      .filter((entry) => entry !== undefined)
      .sort((a, b) => Number(b.kind === 'folder') - Number(a.kind === 'folder') || a.name.localeCompare(b.name)),
    leftOut: Math.max(0, names.length - most),
  }
}
