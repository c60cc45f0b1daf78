// Writes safetensors files: streamed, flushed, then renamed over the old one.

import { open, rename, rm, type FileHandle } from 'node:fs/promises'
import { dirname } from 'node:path'
import { checkData, plan, type SafetensorsEntry } from './serialize'

/** Bytes, or a producer called when their turn comes, so that only one tensor need be in memory. */
export type TensorSource = Uint8Array | (() => Promise<Uint8Array>)

/**
 * Writes a safetensors file: streamed to `<path>.tmp-<pid>-<n>`, flushed to the disk, then renamed over `path`, so that `path`
 * is never half written. On failure the temporary file is removed and the error passed on, an older `path` left as it was.
 * Throws {@link SafetensorsError} when a size, name or shape is wrong.
 */
export async function writeSafetensors(
  path: string,
  tensors: Iterable<SafetensorsEntry<TensorSource>>,
  metadata: Record<string, string> = {},
): Promise<void> {
  const { head, entries } = plan(tensors, metadata, path)
  for (const entry of entries) if (typeof entry.data !== 'function') checkData(entry, entry.data, path)
  const temporary = `${path}.tmp-${process.pid}-${++writes}`
  let handle: FileHandle | undefined
  try {
    handle = await open(temporary, 'w')
    await writeAt(handle, head, 0)
    for (const entry of entries) {
      const data = typeof entry.data === 'function' ? await entry.data() : entry.data
      checkData(entry, data, path)
      await writeAt(handle, data, head.length + entry.begin)
    }
    await handle.sync()
    await handle.close()
    handle = undefined
    await rename(temporary, path)
  } catch (error) {
    await handle?.close().catch(() => {})
    await rm(temporary, { force: true })
    throw error
  }
  await syncFolder(path)
}

let writes = 0

// One write(2) moves at most 2^31 − 4096 bytes.
const maxWriteBytes = 2 ** 29

async function writeAt(handle: FileHandle, data: Uint8Array, position: number): Promise<void> {
  let done = 0
  while (done < data.length) {
    const want = Math.min(data.length - done, maxWriteBytes)
    const { bytesWritten } = await handle.write(data, done, want, position + done)
    done += bytesWritten
  }
}

/** Makes the rename survive a power cut, where the system lets a folder be opened (Windows does not). */
async function syncFolder(path: string): Promise<void> {
  try {
    const folder = await open(dirname(path), 'r')
    await folder.sync().finally(() => folder.close())
  } catch {
    // The file itself is already flushed.
  }
}
