// Writes safetensors files: streamed, whole or not at all.

import { writeStreamAtomic } from '../../files'
import { checkData, plan, type SafetensorsEntry } from './serialize'

/** Bytes, or a producer called when their turn comes, so that only one tensor need be in memory. */
export type TensorSource = Uint8Array | (() => Promise<Uint8Array>)

/**
 * Writes a safetensors file as {@link writeStreamAtomic} does: `path` is never half written, and an older one stays as it was
 * when a producer or the disk fails.
 * @throws {@link SafetensorsError} when a size, name or shape is wrong
 */
export async function writeSafetensors(
  path: string,
  tensors: Iterable<SafetensorsEntry<TensorSource>>,
  metadata: Record<string, string> = {},
): Promise<void> {
  const { head, entries, dataBytes } = plan(tensors, metadata, path)
  for (const entry of entries) if (typeof entry.data !== 'function') checkData(entry, entry.data, path)
  await writeStreamAtomic(
    path,
    async (sink) => {
      await sink.write(head)
      // The plan lays tensors out without gaps.
      for (const entry of entries) {
        const data = typeof entry.data === 'function' ? await entry.data() : entry.data
        checkData(entry, data, path)
        await sink.write(data)
      }
    },
    { expectedBytes: head.length + dataBytes },
  )
}
