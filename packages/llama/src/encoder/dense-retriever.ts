// Retrieval by meaning: texts and questions as vectors of a sentence encoder, compared by their cosines on its device.
import { join } from 'node:path'
import { scoredRetriever, type List, type RetrievedText, type Retriever } from '@jora/data'
import { disposeTree, dot, jit, tensor, type Tensor } from '@jora/tensor'
import type { Embedder } from './embedder'
import { VectorStore } from './vector-store'

/** How the vectors of a collection are made and kept. */
export interface DenseOptions {
  /** Folder of the index; vectors that are there are not made again. Absent: nothing is kept. */
  readonly indexDir?: string | undefined
  /** Called with how many texts have a vector, of how many. */
  readonly onProgress?: ((done: number, total: number) => void) | undefined
  /** Aborting it ends the making of vectors, which throws its reason; those that were made are kept. */
  readonly signal?: AbortSignal | undefined
}

/** A dense retriever, whose vectors are on a device until it is disposed. */
export interface DenseRetriever extends Retriever {
  dispose(): void
}

/** Questions that are scored at once; fewer are filled up to the next. */
const questionCounts = [1, 8, 32]

const textOf = ({ title, text }: RetrievedText): string => (title === undefined ? text : `${title}\n${text}`)

/**
 * Makes vectors of texts, title first, and finds those that are nearest to a question's. Every text is compared.
 *
 * @throws what the device throws; Error when the index cannot be written; `signal.reason` when aborted
 */
export async function denseRetriever(
  embedder: Embedder,
  texts: List<RetrievedText>,
  options: DenseOptions = {},
): Promise<DenseRetriever> {
  const { device, width } = embedder
  const vectors = await vectorsOf(embedder, Array.from(texts, textOf), options)
  // A column a text: the product reads it row by row, without a transposed copy.
  const columns = new Float32Array(vectors.length)
  for (let text = 0; text < texts.length; text++)
    for (let i = 0; i < width; i++) columns[i * texts.length + text] = vectors[text * width + i]!
  const matrix = tensor(columns, { shape: [width, texts.length], device })
  const product = jit((questions: Tensor, all: Tensor) => dot(questions, all))

  async function scoresOf(questions: readonly string[]): Promise<Float32Array[]> {
    const rows = questionCounts.find((count) => count >= questions.length)!
    const wanted = new Float32Array(rows * width)
    wanted.set(await embedder.embed(questions))
    const input = tensor(wanted, { shape: [rows, width], device })
    const result = product(input, matrix)
    try {
      const scores = (await result.data()) as Float32Array
      return questions.map((_, i) => scores.slice(i * texts.length, (i + 1) * texts.length))
    } finally {
      disposeTree([input, result])
    }
  }
  const retriever = scoredRetriever({
    size: texts.length,
    async scores(questions) {
      const found: Float32Array[] = []
      const most = questionCounts.at(-1)!
      for (let from = 0; from < questions.length; from += most)
        found.push(...(await scoresOf(questions.slice(from, from + most))))
      return found
    },
  })
  return {
    ...retriever,
    dispose() {
      product.dispose()
      matrix.dispose()
    },
  }
}

/** The vectors of all texts, one after another: those of the index, and the others as they are made. */
async function vectorsOf(
  embedder: Embedder,
  texts: readonly string[],
  { indexDir, onProgress, signal }: DenseOptions,
): Promise<Float32Array> {
  const { width } = embedder
  const vectors = new Float32Array(texts.length * width)
  const file = indexDir === undefined ? undefined : join(indexDir, `${embedder.digest.slice(0, 16)}.vectors`)
  const store = file === undefined ? undefined : await VectorStore.open(file, width, texts)
  try {
    const missing: number[] = []
    texts.forEach((text, i) => {
      const known = store?.get(text)
      if (known) vectors.set(known, i * width)
      else missing.push(i)
    })
    let done = texts.length - missing.length
    onProgress?.(done, texts.length)
    await embedder.embed(
      missing.map((i) => texts[i]!),
      {
        signal,
        async onBatch(positions, made) {
          const places = positions.map((position) => missing[position]!)
          places.forEach((i, n) => vectors.set(made.subarray(n * width, (n + 1) * width), i * width))
          await store?.add(
            places.map((i) => texts[i]!),
            made,
          )
          onProgress?.((done += places.length), texts.length)
        },
      },
    )
    return vectors
  } finally {
    await store?.close()
  }
}
