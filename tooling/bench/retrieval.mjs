// How often the right passage is among the first five, by words, by meaning and by both, and how long a search takes.
//   node retrieval.mjs [--encoder DIR] [--data ../../shared/data] [--chunk-tokens 256] [--passages 100000] [--only xquad,tables,time]
// XQuAD: questions on paragraphs of Wikipedia; WikiTableQuestions: questions on tables, as Markdown. Documents are cut into passages as
// `data raft` cuts them; a question is right when a passage of its document is among the first five. The time of a search is
// measured on made-up passages with random vectors, of which no more is asked than how many there are. Without an encoder it is that by
// words alone.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import {
  Bm25Index,
  bm25Retriever,
  chunkDocument,
  fusedRetriever,
  importDataset,
  loadTokenizer,
  Random,
} from '@jora/data'
import { denseRetriever, openEmbedder } from '@jora/llama'
import { openDevice } from '@jora/shard/open'

const { values: flags } = parseArgs({
  options: {
    encoder: { type: 'string' },
    data: { type: 'string', default: join(import.meta.dirname, '../../../shared/data') },
    'chunk-tokens': { type: 'string', default: '256' },
    passages: { type: 'string', default: '100000' },
    only: { type: 'string', default: 'xquad,tables,time' },
  },
})
const parts = flags.only.split(',')
if (flags.encoder === undefined && flags.only !== 'time') throw new Error('--encoder is required but for --only time')
const device = await openDevice('cpu')
const embedder = flags.encoder === undefined ? undefined : await openEmbedder(flags.encoder, device)
const first = 5

/** @typedef {Awaited<ReturnType<typeof openEmbedder>>} Embedder */
/** @typedef {{ documents: { id: string, text: string }[], questions: { question: string, document: string }[] }} Collection */

/** @returns {Collection} */
function xquad() {
  /** @type {{ data: { paragraphs: { context: string, qas: { question: string }[] }[] }[] }} */
  const { data } = JSON.parse(readFileSync(join(flags.data, 'xquad.en.json'), 'utf8'))
  const paragraphs = data.flatMap(({ paragraphs: all }) => all)
  return {
    documents: paragraphs.map(({ context }, i) => ({ id: String(i), text: context })),
    questions: paragraphs.flatMap(({ qas }, i) => qas.map(({ question }) => ({ question, document: String(i) }))),
  }
}

/** @returns {Promise<Collection>} */
async function tables() {
  /** @type {Collection} */
  const collection = { documents: [], questions: [] }
  const { rows } = await importDataset('wikitablequestions', join(flags.data, 'wikitablequestions-sample'))
  for (const row of rows) {
    if (!('questions' in row) || typeof row.context !== 'string') continue
    const id = String(collection.documents.length)
    collection.documents.push({ id, text: row.context })
    for (const { question } of row.questions) collection.questions.push({ question, document: id })
  }
  return collection
}

/**
 * @param {string} name
 * @param {Collection} collection
 */
async function measure(name, { documents, questions }) {
  if (flags.encoder === undefined || embedder === undefined) return
  const tokenizer = await loadTokenizer(flags.encoder)
  const chunks = documents.flatMap((document) =>
    chunkDocument(document, { tokenizer, chunkTokens: Number(flags['chunk-tokens']) }),
  )
  const words = bm25Retriever(new Bm25Index(chunks))
  const began = performance.now()
  const meaning = await denseRetriever(embedder, chunks)
  const seconds = (performance.now() - began) / 1000
  const retrievers = { bm25: words, dense: meaning, hybrid: fusedRetriever([words, meaning]) }
  /** @type {string[]} */
  const shares = []
  for (const [kind, retriever] of Object.entries(retrievers)) {
    let right = 0
    for (let from = 0; from < questions.length; from += 32) {
      const some = questions.slice(from, from + 32)
      const rankings = await retriever.rank(some.map(({ question }) => question))
      some.forEach(({ document }, i) => {
        let place = 0
        for (const { text } of rankings[i]?.best() ?? []) {
          if (chunks[text]?.document === document) right++
          if (chunks[text]?.document === document || ++place === first) break
        }
      })
    }
    shares.push(`${kind} ${((100 * right) / questions.length).toFixed(1)} %`)
  }
  meaning.dispose()
  console.log(
    `${name}: ${documents.length} documents, ${chunks.length} passages, ${questions.length} questions; recall@${first}: ${shares.join(', ')} (${(chunks.length / seconds).toFixed(0)} passages/s made vectors)`,
  )
}

/** How long one question takes among many passages, in processor time: other programs do not count. @param {number} count */
async function time(count) {
  const random = new Random(1)
  const vocabulary = Array.from({ length: 50_000 }, (_, i) => `w${i.toString(36)}`)
  const word = () => vocabulary[Math.floor(vocabulary.length ** (random.below(2 ** 30) / 2 ** 30)) - 1] ?? 'w0'
  const sentence = (/** @type {number} */ length) => Array.from({ length }, word).join(' ')
  const texts = Array.from({ length: count }, (_, i) => ({ id: String(i), text: sentence(150) }))
  const words = bm25Retriever(new Bm25Index(texts))
  const meaning = embedder === undefined ? undefined : await denseRetriever(randomly(embedder, random), texts)
  const retrievers = { bm25: words, ...(meaning && { dense: meaning, hybrid: fusedRetriever([words, meaning]) }) }
  for (const [kind, retriever] of Object.entries(retrievers)) {
    /** @type {number[]} */
    const times = []
    for (let i = 0; i < 23; i++) {
      const question = sentence(9)
      const began = process.cpuUsage()
      const [ranking] = await retriever.rank([question])
      let taken = 0
      for (const _ of ranking?.best() ?? []) if (++taken === first) break
      // The first ones compile.
      const { user, system } = process.cpuUsage(began)
      if (i >= 3) times.push((user + system) / 1000)
    }
    times.sort((a, b) => a - b)
    console.log(
      `${kind}: ${times[10]?.toFixed(1)} ms a question among ${count} passages (slowest of 20 ${times[19]?.toFixed(1)} ms)`,
    )
  }
  meaning?.dispose()
}

/**
 * An embedder that draws the vectors of a collection, and makes those of questions.
 * @param {Embedder} embedder
 * @param {Random} random
 */
function randomly(embedder, random) {
  const { width } = embedder
  /** @type {any} */
  const drawn = {
    width,
    device,
    digest: 'random',
    /**
     * @param {string[]} some
     * @param {{ onBatch?: (positions: number[], vectors: Float32Array) => Promise<void> }} options
     */
    async embed(some, options = {}) {
      if (some.length < 1000) return embedder.embed(some)
      const vectors = new Float32Array(some.length * width)
      for (let i = 0; i < vectors.length; i++) vectors[i] = (random.below(2001) - 1000) / 1000 / width
      await options.onBatch?.(
        some.map((_, i) => i),
        vectors,
      )
      return vectors
    },
  }
  return drawn
}

if (parts.includes('xquad')) await measure('XQuAD', xquad())
if (parts.includes('time')) await time(Number(flags.passages))
if (parts.includes('tables')) await measure('WikiTableQuestions sample', await tables())
embedder?.dispose()
await device.close()
