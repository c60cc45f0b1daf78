// The Hub's cache on disk, as huggingface_hub lays it out: models--org--name/{blobs,refs,snapshots}.

import { randomBytes } from 'node:crypto'
import { copyFile, link, mkdir, readdir, readFile, rename, rm, stat, symlink, writeFile } from 'node:fs/promises'
import { dirname, join, relative } from 'node:path'
import { isCommit } from './names'

/** The folder of one model in the cache. */
export class ModelCache {
  readonly dir: string

  constructor(cacheDir: string, id: string) {
    this.dir = join(cacheDir, `models--${id.replace('/', '--')}`)
  }

  snapshot(commit: string): string {
    return join(this.dir, 'snapshots', commit)
  }

  blob(blobId: string): string {
    return join(this.dir, 'blobs', blobId)
  }

  /** The commit a branch or tag stood at when last resolved; a commit is itself. */
  async commitOf(revision: string): Promise<string | undefined> {
    if (isCommit(revision)) return revision
    try {
      const commit = (await readFile(join(this.dir, 'refs', revision), 'utf8')).trim()
      return isCommit(commit) ? commit : undefined
    } catch {
      return undefined
    }
  }

  async writeRef(revision: string, commit: string): Promise<void> {
    if (isCommit(revision) || (await this.commitOf(revision)) === commit) return
    const path = join(this.dir, 'refs', revision)
    await mkdir(dirname(path), { recursive: true })
    const temporary = temporaryName(path)
    await writeFile(temporary, commit)
    await rename(temporary, path)
  }

  /** Makes `name` of a snapshot stand for a blob: a relative link, a hard link, or a copy, whichever the system allows. */
  async point(commit: string, name: string, blobId: string): Promise<void> {
    const pointer = join(this.snapshot(commit), name)
    const blob = this.blob(blobId)
    await mkdir(dirname(pointer), { recursive: true })
    // Made aside and renamed, so that another process sees the old file or the new one.
    const temporary = temporaryName(pointer)
    try {
      await symlink(relative(dirname(pointer), blob), temporary)
        .catch(() => link(blob, temporary))
        .catch(() => copyFile(blob, temporary))
      await rename(temporary, pointer)
    } finally {
      await rm(temporary, { force: true }).catch(() => {})
    }
  }

  /** Removes temporary files of earlier downloads of a blob that no one has written to for an hour. */
  async removeStale(blobId: string): Promise<void> {
    const folder = join(this.dir, 'blobs')
    for (const name of await readdir(folder)) {
      if (!name.startsWith(`${blobId}.jora-`)) continue
      const { mtimeMs } = await stat(join(folder, name)).catch(() => ({ mtimeMs: Infinity }))
      if (mtimeMs < Date.now() - 3_600_000) await rm(join(folder, name), { force: true })
    }
  }
}

/** A name beside `path` that no other process uses. */
export function temporaryName(path: string): string {
  return `${path}.jora-${process.pid}-${randomBytes(4).toString('hex')}.incomplete`
}

/** Size of the file at `path` in bytes, links followed; `undefined` when there is none. */
export async function fileBytes(path: string): Promise<number | undefined> {
  const found = await stat(path).catch(() => undefined)
  return found?.isFile() ? found.size : undefined
}
