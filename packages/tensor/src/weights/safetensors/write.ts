// Writes safetensors files: streamed, whole or not at all.

import { writeStreamAtomic } from '../../files'
import { checkLength, plan, type SafetensorsEntry } from './serialize'

/** Bytes, or a producer called when their turn comes: of all of them, or part by part, so that no tensor need be in memory whole. */
export type TensorSource = Uint8Array | (() => Promise<Uint8Array> | AsyncIterable<Uint8Array>)

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
  for (const entry of entries) if (typeof entry.data !== 'function') checkLength(entry, entry.data.byteLength, path)
  await writeStreamAtomic(
    path,
    async (sink) => {
      await sink.write(head)
      // The plan lays tensors out without gaps.
      for (const entry of entries) {
        let written = 0
        for await (const part of partsOf(entry.data)) {
          await sink.write(part)
          written += part.byteLength
        }
        checkLength(entry, written, path)
      }
    },
    { expectedBytes: head.length + dataBytes },
  )
}

async function* partsOf(source: TensorSource): AsyncGenerator<Uint8Array> {
  const data = typeof source === 'function' ? source() : source
  if (Symbol.asyncIterator in data) yield* data
  else yield await data
}
