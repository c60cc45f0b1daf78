// The Hub's cache on disk, as huggingface_hub lays it out: models--org--name/{blobs,refs,snapshots}, datasets--….

import { copyFile, link, mkdir, readFile, stat, symlink } from 'node:fs/promises'
import { dirname, join, relative } from 'node:path'
import { removeTemporaries, replaceAtomic, writeFileAtomic } from '@jora/tensor/files'
import type { RepoKind } from './http'
import { isCommit } from './names'

/** The folder of one model or data set in the cache. */
export class ModelCache {
  readonly dir: string

  constructor(cacheDir: string, id: string, kind: RepoKind = 'model') {
    this.dir = join(cacheDir, `${kind}s--${id.replace('/', '--')}`)
  }

  snapshot(commit: string): string {
    return join(this.dir, 'snapshots', commit)
  }

  blob(blobId: string): string {
    return join(this.dir, 'blobs', blobId)
  }

  /** The commit a branch or tag was at when last resolved; a commit is itself. */
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
    await writeFileAtomic(path, commit)
  }

  /** Makes `name` of a snapshot stand for a blob: a relative link, a hard link, or a copy, whichever the system allows. */
  async point(commit: string, name: string, blobId: string): Promise<void> {
    const pointer = join(this.snapshot(commit), name)
    const blob = this.blob(blobId)
    await mkdir(dirname(pointer), { recursive: true })
    // The link is what is replaced here, never the blob it points at.
    await replaceAtomic(pointer, (temporary) =>
      symlink(relative(dirname(pointer), blob), temporary)
        .catch(() => link(blob, temporary))
        .catch(() => copyFile(blob, temporary)),
    )
  }

  /** Removes temporary files of earlier downloads of a blob that no one has written to for an hour. */
  removeStale(blobId: string): Promise<void> {
    return removeTemporaries(join(this.dir, 'blobs'), (name) => name === blobId, { idleMs: 3_600_000 })
  }
}

/** Size of the file at `path` in bytes, links followed; `undefined` when there is none. */
export async function fileBytes(path: string): Promise<number | undefined> {
  const found = await stat(path).catch(() => undefined)
  return found?.isFile() ? found.size : undefined
}
