// Which passages fit a question: the retriever that flags name, opened.
import { retrieverNames, type RetrieverName } from '@jora/data'
import { defaultEmbedder, openRetriever, vectorsDir, type OpenedRetriever } from '@jora/llama'
import { deviceFlags, openDeviceFor } from './open-device'
import type { Device } from '@jora/tensor'
import { choice, text, withDefault } from './flags/flag'
import type { Io } from './io'
import { stageProgress } from './reading'
import { StatusLine } from './ui/status-line'
import { styleFor } from './ui/style'

export const retrieverFlags = {
  retriever: withDefault(
    choice('how passages are found: by words, by meaning, or by both', retrieverNames),
    'bm25' as RetrieverName,
  ),
  embedder: text('sentence encoder of dense and hybrid: a folder or Hub id of a BERT', 'MODEL', {
    shown: defaultEmbedder,
  }),
  indexDir: text(
    'where vectors of passages are kept, so that they are made once; chat and serve keep the passages too',
    'DIR',
    {
      shown: 'a folder of the user’s cache',
    },
  ),
}

export interface RetrieverValues {
  readonly retriever: RetrieverName
  readonly embedder: string | undefined
  readonly indexDir: string | undefined
  /** Aborting it ends the making of vectors; those that were made are kept. */
  readonly signal?: AbortSignal
}

/** Opens the retriever for documents at a path. @throws ModelError | HubError for an encoder that cannot be used */
export function openRetrieverFor(
  { retriever, embedder, indexDir, signal }: RetrieverValues,
  documents: string,
  device: Device,
  io: Io,
): Promise<OpenedRetriever> {
  const line = new StatusLine(io.stderr)
  const progress = stageProgress(line, styleFor(io.stderr, io.env))
  return openRetriever(retriever, {
    embedder,
    device,
    signal,
    indexDir: indexDir ?? vectorsDir(documents, io.env),
    onProgress(done, total) {
      progress(done, total, 'vector')
      if (done === total) line.clear()
    },
  })
}

/**
 * Opens the retriever for documents at a path, on a device of its own, for as long as `use` takes.
 * @throws ModelError | HubError for an encoder that cannot be used; what `use` throws
 */
export async function withRetriever<T>(
  values: RetrieverValues,
  documents: string,
  io: Io,
  use: (opened: OpenedRetriever) => Promise<T>,
): Promise<T> {
  const { device: name, gpu, deviceMemory, dtype } = deviceFlags
  const where = {
    device: name.fallback!,
    gpu: gpu.fallback,
    deviceMemory: deviceMemory.fallback,
    dtype: dtype.fallback!,
  }
  const device = await openDeviceFor(where, io)
  try {
    const opened = await openRetrieverFor(values, documents, device, io)
    try {
      return await use(opened)
    } finally {
      opened.dispose()
    }
  } finally {
    await device?.close()
  }
}
