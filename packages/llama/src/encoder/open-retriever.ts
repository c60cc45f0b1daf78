// Retrievers by name: what a command, a server or the page opens to find passages.
import { createHash } from 'node:crypto'
import { homedir } from 'node:os'
import { join, resolve } from 'node:path'
import { bm25Retriever, fusedRetriever, openBm25, type OpenRetriever, type RetrieverName } from '@jora/data'
import type { Device } from '@jora/tensor'
import type { ResolveOptions } from '../hub'
import type { IndexEncoder } from './collection'
import { denseRetriever, type DenseOptions, type DenseRetriever } from './dense-retriever'
import { openEmbedder } from './open'

/** The sentence encoder that retrieves where none is named. */
export const defaultEmbedder = 'sentence-transformers/all-MiniLM-L6-v2'

/** What retrieval by meaning needs. */
export interface RetrieverOptions extends DenseOptions {
  /** Folder or Hub id of the sentence encoder (default {@link defaultEmbedder}). */
  readonly embedder?: string | undefined
  /** Where it is computed. */
  readonly device: Device
  /** How a Hub id is found. */
  readonly hub?: ResolveOptions
}

/** Makes retrievers of collections; they work until it is disposed. */
export interface OpenedRetriever {
  readonly open: OpenRetriever
  /** The sentence encoder, where there is one. */
  readonly encoder?: IndexEncoder
  dispose(): void
}

/**
 * Opens what retrieves: for `bm25` nothing, for `dense` and `hybrid` a sentence encoder.
 * @throws ModelError | HubError for an encoder that cannot be used
 */
export async function openRetriever(name: RetrieverName, options: RetrieverOptions): Promise<OpenedRetriever> {
  if (name === 'bm25') return { open: openBm25, dispose: () => {} }
  const { embedder: model = defaultEmbedder, device, hub, ...dense } = options
  const embedder = await openEmbedder(model, device, hub)
  const made: DenseRetriever[] = []
  return {
    encoder: { model, digest: embedder.digest },
    async open(texts, words) {
      const byMeaning = await denseRetriever(embedder, texts, dense)
      made.push(byMeaning)
      return name === 'dense' ? byMeaning : fusedRetriever([bm25Retriever(words), byMeaning])
    },
    dispose() {
      for (const each of made) each.dispose()
      embedder.dispose()
    },
  }
}

/**
 * The folder in the user's cache that keeps the vectors of a collection.
 * @param collection where its documents are
 */
export function vectorsDir(
  collection: string,
  env: Readonly<Record<string, string | undefined>> = process.env,
): string {
  const name = createHash('sha256').update(resolve(collection)).digest('hex').slice(0, 16)
  return join(env['XDG_CACHE_HOME'] || join(homedir(), '.cache'), 'jora', 'vectors', name)
}
