// What the tests of build share.
import { fileURLToPath } from 'node:url'
import { beforeAll } from 'vitest'
import { loadTokenizer } from '../src/rows/files'
import type { ContextDocument, ContextRow } from '../src/rows/row-formats'
import type { Tokenizer } from '../src/tokenizer/tokenizer'
import { buildRaft, buildRaftWith, type RaftOptions } from '../src/raft/build'
import type { OpenRetriever } from '../src/retrieval/retriever'
import type { RaftDocument } from '../src/raft/documents'
import type { RaftQuestion } from '../src/raft/questions'

let tokenizer: Tokenizer
/** What the tests of a file need, made before them and removed after; each file calls it, as hooks belong to a file. */
export function setUp(): void {
  beforeAll(async () => {
    tokenizer = await loadTokenizer(fileURLToPath(new URL('../../../apps/cli/assets/tiny-llama', import.meta.url)))
  })
}

const topics = ['river', 'castle', 'engine', 'garden', 'school']
/** Document `d<n>` tells of three things; each fact has a code that is nowhere else, and is long enough for a chunk. */
export const documents: RaftDocument[] = Array.from({ length: 25 }, (_, n) => ({
  id: `d${n}`,
  title: `Place ${n}`,
  text: ['old', 'new', 'red']
    .map((kind, k) => `The ${kind} ${topics[n % 5]} of place ${n} has the code x${n}y${k}z. People like it a lot.`)
    .join('\n\n'),
}))
export const questions: RaftQuestion[] = documents.slice(0, 23).flatMap(({ id }, n) =>
  Array.from({ length: 1 + (n % 4) }, (_, q) => ({
    id: `q${n}-${q}`,
    question: `What is the code of the ${['old', 'new', 'red', 'old'][q]} ${topics[n % 5]} of place ${n}?`,
    answer: `x${n}y${q % 3}z`,
    document: id,
  })),
)

export const build = (options: Partial<RaftOptions> = {}, asked = questions, from = documents) =>
  buildRaft(from, asked, { tokenizer, chunkTokens: 48, ...options })
export const buildWith = (open: OpenRetriever, options: Partial<RaftOptions> = {}) =>
  buildRaftWith(open, documents, questions, { tokenizer, chunkTokens: 48, ...options })
export const contextOf = (row: ContextRow) => row.context as readonly ContextDocument[]
export const idsOf = (row: ContextRow) => contextOf(row).map(({ id }) => id!)
export const documentOf = (chunk: string) => chunk.replace(/#\d+$/, '')
export const hasGolden = (row: ContextRow) => idsOf(row).includes(row.questions[0]!.golden![0]!)
export const countQuestions = (rows: readonly ContextRow[]) => rows.reduce((sum, row) => sum + row.questions.length, 0)
export const reasons = (asked: RaftQuestion[], from = documents, options: Partial<RaftOptions> = {}) =>
  build(options, asked, from).refused.map(({ reason }) => reason)
