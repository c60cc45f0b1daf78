// The passages that a question reads of its documents; the retriever and its vectors stay for the next question on them.
import { createHash } from 'node:crypto'
import { documentRetriever, findPassages, type ContextDocument, type Passage, type Retriever } from '@jora/data'
import { openRetriever, vectorsDir, type OpenedRetriever } from '@jora/llama'
import type { Device } from '@jora/tensor'
import type { ChatEvent } from '../api'
import type { Ask } from './messages'

interface Held {
  readonly key: string
  readonly opened: OpenedRetriever
  readonly retriever: Retriever
}

/** Finds passages on one device. */
export class Passages {
  readonly #device: Device
  #held: Held | undefined

  constructor(device: Device) {
    this.#device = device
  }

  /** @throws ModelError | HubError when the sentence encoder cannot be had */
  async find(
    { text, retrieve, retriever: name = 'bm25', embedder }: Pick<Ask, 'text' | 'retrieve' | 'retriever' | 'embedder'>,
    documents: readonly ContextDocument[],
    tell: (event: ChatEvent) => void,
  ): Promise<readonly Passage[]> {
    const key = createHash('sha256')
      .update(JSON.stringify([name, embedder, documents]))
      .digest('hex')
    if (this.#held?.key !== key) {
      this.dispose()
      if (name !== 'bm25') tell({ type: 'loading', text: 'The documents are being compared by their meaning.' })
      const opened = await openRetriever(name, {
        device: this.#device,
        embedder,
        indexDir: vectorsDir('playground'),
      })
      this.#held = { key, opened, retriever: await documentRetriever(documents, opened.open) }
    }
    const { retriever } = this.#held!
    const [found] = await findPassages(documents, { retriever, ...(retrieve !== undefined && { limit: retrieve }) })([
      text,
    ])
    return found!
  }

  dispose(): void {
    this.#held?.opened.dispose()
    this.#held = undefined
  }
}
