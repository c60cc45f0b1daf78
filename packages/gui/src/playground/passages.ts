// The passages that a question reads of its documents; the retriever and its vectors stay for the next question on them.
import { createHash } from 'node:crypto'
import {
  chunkDocument,
  documentRetriever,
  findPassages,
  markdownBlocks,
  type Retriever,
  type Tokenizer,
} from '@jora/data'
import { openRetriever, vectorsDir, type OpenedRetriever } from '@jora/llama'
import type { Device } from '@jora/tensor'
import type { ChatEvent } from '../api'
import type { Ask } from './messages'

/** Longest passage, in tokens: as `jora chat` cuts documents. */
const passageTokens = 256

/** What is read of a document: all of it, or a passage. */
export interface ReadPassage {
  /** Of its document, among those that were given. */
  readonly index: number
  readonly title?: string
  readonly text: string
  readonly isPart: boolean
  /** Absent where nothing was looked for. */
  readonly score?: number
}

type Given = NonNullable<Ask['documents']>

const whole = ({ title, text }: Given[number], index: number): ReadPassage => ({
  index,
  text,
  isPart: false,
  ...(title === undefined ? {} : { title }),
})

interface Held {
  readonly key: string
  readonly passages: readonly ReadPassage[]
  readonly opened: OpenedRetriever
  readonly retriever: Retriever
}

/** Finds passages on one device. */
export class Passages {
  readonly #device: Device
  readonly #tokenizer: Pick<Tokenizer, 'encode'>
  #held: Held | undefined

  constructor(device: Device, tokenizer: Pick<Tokenizer, 'encode'>) {
    this.#device = device
    this.#tokenizer = tokenizer
  }

  /** Best first; all documents in their order where they are to be read as given. @throws ModelError | HubError when the sentence encoder cannot be had */
  async find(
    ask: Pick<Ask, 'text' | 'retrieve' | 'retriever' | 'embedder' | 'asGiven'>,
    documents: Given,
    tell: (event: ChatEvent) => void,
  ): Promise<readonly ReadPassage[]> {
    const { text, retrieve, retriever: name = 'bm25', embedder, asGiven = false } = ask
    if (asGiven) return documents.map(whole)
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
      const passages = documents.flatMap((document, index) => this.#passagesOf(document, index))
      this.#held = { key, opened, passages, retriever: await documentRetriever(passages, opened.open) }
    }
    const { passages, retriever } = this.#held!
    const options = { retriever, ...(retrieve !== undefined && { limit: retrieve }) }
    const [found] = await findPassages(passages, options)([text])
    return found!.map(({ index, score }) => ({ ...passages[index]!, score }))
  }

  /** A document as it is, or cut along its headings where it is longer than a passage. */
  #passagesOf(document: Given[number], index: number): ReadPassage[] {
    const { text, title } = document
    if (text.length <= passageTokens || this.#tokenizer.encode(text).length <= passageTokens)
      return [whole(document, index)]
    const blocks = markdownBlocks(text)
    const cut = chunkDocument(
      { id: String(index), blocks, ...(title === undefined ? {} : { title }) },
      { tokenizer: this.#tokenizer, chunkTokens: passageTokens },
    )
    return cut.map((chunk) => ({ ...whole(chunk, index), isPart: true }))
  }

  dispose(): void {
    this.#held?.opened.dispose()
    this.#held = undefined
  }
}
