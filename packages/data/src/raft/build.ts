// RAFT data (Zhang et al. 2024): questions with the document that answers them among documents that do not.

import { deriveSeed, shuffle } from '../random'
import type { OpenRetriever, Ranking, Retriever } from '../retrieval/retriever'
import { wordRanking } from '../retrieval/retrievers'
import { nextOf, type Kept, type List } from '../work/kept'
import { turns } from '../work/turns'
import { DEFAULT_REFUSAL } from '../rows/refusal'
import type { ContextDocument, ContextQuestion, ContextRow } from '../rows/row-formats'
import type { ChunkOptions } from './chunk'
import type { Source } from './chunk-list'
import { chunkAll, type Corpus, type CorpusWork } from './corpus'
import { distractorFinder, queryOf } from './distractors'
import type { RaftDocument } from './documents'
import { findGolden, withQuotesOf, type GoldenSearch } from './golden'
import type { RaftQuestion } from './questions'
import { splitDocuments, type Side } from './split-documents'
import { statisticsOf, type RaftStatistics } from './statistics'

/** How {@link buildRaft} cuts documents and makes contexts. */
export interface RaftOptions extends Pick<ChunkOptions, 'tokenizer' | 'overlapTokens' | 'tableFormat'> {
  /** Longest chunk, in tokens (default 256). */
  chunkTokens?: number
  /** Distractors beside the golden document (default 4). */
  distractors?: number
  /** Share of the training questions whose context has the golden document (default 0.8). */
  goldenProbability?: number
  /** What is learned from a context without its golden document: the answer (`keep`, the default), or a refusal. */
  withoutGolden?: 'keep' | 'refuse'
  /** The refusal to learn (default {@link DEFAULT_REFUSAL}). */
  refusal?: string
  /**
   * Share of the documents that is trained on, the rest being held out (default 0.8); a document's own `split`
   * overrides it.
   */
  split?: number
  /** Seed of every random choice (default 420). */
  seed?: number
  /** Keep a question whose answer is not in its document word for word, with the chunk most like it (default false). */
  allowAbstractive?: boolean
  /** Questions that could not be read: they are added to `refused` and counted there. */
  unread?: readonly RefusedQuestion[]
  /** What an earlier call with the same documents, questions and options did, and where this one keeps what it does. */
  kept?: RaftWork
  /** Called after each item of a stage: how many are done, of how many, and how many of these an earlier call did. */
  onProgress?: (done: number, total: number, stage: RaftStage, earlier: number) => void
}

/** Work on contexts, stage by stage, of which each result can be kept. */
export interface RaftWork extends CorpusWork {
  /** For each question the number of its golden chunk, or why it has none. */
  readonly golden: Kept<number | string>
  /** The contexts of each golden chunk. */
  readonly rows: Kept<readonly ContextRow[]>
}

/** What is being done, in this order: each goes through documents, chunks, questions or contexts. */
export const raftStages = ['chunk', 'index', 'golden', 'context'] as const
/** A name of {@link raftStages}. */
export type RaftStage = (typeof raftStages)[number]

/** A question that no row was made of, and why. */
export interface RefusedQuestion {
  question: RaftQuestion
  reason: string
}

/** What {@link buildRaft} makes of documents and questions. */
export interface RaftData {
  /** Training contexts, then those that are held out, each in the order of their first questions. */
  rows: ContextRow[]
  refused: RefusedQuestion[]
  statistics: RaftStatistics
}

interface AskedQuestion extends RaftQuestion {
  id: string
}

interface Group {
  golden: Source
  questions: AskedQuestion[]
}

/**
 * Builds contexts for questions, with distractors by BM25. Questions with one golden chunk share a context, which training
 * then computes once. The same documents, questions and options give the same rows.
 *
 * Exactly round(P·N) of the N training questions have their golden document in the context; whole groups, but for one that
 * may be given two contexts. Held-out questions all have it. `golden` names it in either case.
 *
 * @throws DatasetError when two documents or chunks have one id, or no document has any text
 * @throws RangeError when a number is out of range
 */
export function buildRaft(
  documents: List<RaftDocument>,
  questions: readonly RaftQuestion[],
  options: RaftOptions,
): RaftData {
  const steps = raftSteps(documents, questions, options)
  let step = steps.next([])
  while (step.done !== true) {
    const asking = step.value
    step = steps.next(asking?.queries.map((query) => wordRanking(asking.corpus.words, query)) ?? [])
  }
  return step.value
}

/** How {@link buildRaftWith} runs, beside what it makes. */
export interface RaftRunOptions extends RaftOptions {
  /** Aborting it ends the work, which throws its reason; what is kept of it is whole. */
  signal?: AbortSignal | undefined
}

/**
 * Builds contexts as {@link buildRaft} does, with distractors that another retriever finds, and lets others have their turn
 * meanwhile.
 *
 * @throws as {@link buildRaft}, what the retriever throws, and the signal's reason
 */
export async function buildRaftWith(
  openRetriever: OpenRetriever,
  documents: List<RaftDocument>,
  questions: readonly RaftQuestion[],
  { signal, ...options }: RaftRunOptions,
): Promise<RaftData> {
  const steps = raftSteps(documents, questions, options)
  let retriever: Retriever | undefined
  const turn = turns(signal)
  let step = steps.next([])
  while (step.done !== true) {
    await turn()
    if (step.value === undefined) step = steps.next([])
    else {
      const { corpus, queries } = step.value
      retriever ??= await openRetriever(corpus.chunks, corpus.words)
      step = steps.next(await retriever.rank(queries))
    }
  }
  return step.value
}

/** Groups of questions whose distractors are looked for at once: a ranking may hold a number for every chunk. */
const groupsAtOnce = 32

/** Queries whose rankings the work goes on with. */
interface Asking {
  readonly corpus: Corpus
  readonly queries: readonly string[]
}

/** All of {@link buildRaft}, step by step; at those without queries it may be left to itself for a while. */
function* raftSteps(
  documents: List<RaftDocument>,
  questions: readonly RaftQuestion[],
  options: RaftOptions,
): Generator<Asking | undefined, RaftData, readonly Ranking[]> {
  const { chunkTokens = 256, distractors = 4, goldenProbability = 0.8, split = 0.8, seed = 420 } = options
  const {
    withoutGolden = 'keep',
    refusal = DEFAULT_REFUSAL,
    allowAbstractive = false,
    kept,
    onProgress,
    unread = [],
  } = options
  if (!(Number.isSafeInteger(distractors) && distractors >= 0))
    throw new RangeError(`distractors: got ${distractors}, expected an integer ≥ 0`)
  for (const [name, share] of Object.entries({ goldenProbability, split }))
    if (!(share >= 0 && share <= 1)) throw new RangeError(`${name}: got ${share}, expected a number from 0 to 1`)
  const corpus = yield* chunkAll(documents, { ...options, chunkTokens })
  const { chunks } = corpus
  const { groups, refused: lost } = yield* groupByGolden(questions, { ...corpus, allowAbstractive }, options)
  const refused = [...unread, ...lost]
  const asked = new Set(groups.map(({ golden }) => golden.document))
  const filled = [...corpus.documents.values()].filter(({ count }) => count > 0)
  const sides = splitDocuments(filled, {
    split,
    seed,
    isAsked: (id) => asked.has(id),
    contentOf: ({ first, count }) => Array.from({ length: count }, (_, n) => chunks.contentOf(first + n)).join(),
  })
  const sideOf = ({ document }: Source): Side => sides.get(document)!
  const heldOut = new Set(filled.flatMap(({ id, number }) => (sides.get(id) === 'test' ? [number] : [])))
  const training = groups.filter(({ golden }) => sideOf(golden) === 'train')
  const withGolden = shareGolden(training, goldenProbability, seed)

  const findDistractors = distractorFinder({
    chunks,
    sideOf: (chunk) => (heldOut.has(chunks.documentOf(chunk)) ? 'test' : 'train'),
    seed,
  })
  const ordered = [...training, ...groups.filter(({ golden }) => sideOf(golden) === 'test')]

  function rowsOf(group: Group, ranking: Ranking): ContextRow[] {
    const { golden, questions: all } = group
    const count = withGolden.get(group) ?? all.length
    // One more, for the questions that go without.
    const found = findDistractors(
      { golden, questions: all, ranking },
      count < all.length ? distractors + 1 : distractors,
    )
    const row = (context: readonly Source[], some: readonly AskedQuestion[], answered: boolean): ContextRow[] =>
      some.length === 0
        ? []
        : [
            {
              context: shuffle(context, deriveSeed(seed, 'order', golden.id, Number(answered))).map(documentOf),
              questions: some.map((question) =>
                questionOf(question, golden, {
                  refuses: question.unanswerable ?? !(answered || withoutGolden === 'keep'),
                  refusal,
                }),
              ),
              split: sideOf(golden),
            },
          ]
    return [
      ...row([golden, ...found.slice(0, distractors)], all.slice(0, count), true),
      ...row(found, all.slice(count), false),
    ]
  }

  const rows: ContextRow[] = []
  let from = 0
  for (let done = kept?.rows.take(); done !== undefined; done = kept?.rows.take()) {
    rows.push(...done)
    from++
    onProgress?.(from, ordered.length, 'context', from)
  }
  const earlier = from
  for (; from < ordered.length; from += groupsAtOnce) {
    const some = ordered.slice(from, from + groupsAtOnce)
    const rankings = yield { corpus, queries: some.map((group) => queryOf(group.questions)) }
    for (const [i, group] of some.entries()) {
      const made = rowsOf(group, rankings[i]!)
      kept?.rows.add(made)
      rows.push(...made)
      onProgress?.(from + i + 1, ordered.length, 'context', earlier)
      yield
    }
  }
  const statistics = statisticsOf({ corpus, sides, rows, refused: refused.length, distractors })
  return { rows, refused, statistics }
}

function* groupByGolden(
  questions: readonly RaftQuestion[],
  search: GoldenSearch,
  { kept, onProgress }: Pick<RaftOptions, 'kept' | 'onProgress'>,
): Generator<undefined, { groups: Group[]; refused: RefusedQuestion[] }, unknown> {
  const groups = new Map<string, Group>()
  const refused: RefusedQuestion[] = []
  let earlier = 0
  for (const [i, question] of questions.entries()) {
    const { result, isEarlier } = nextOf(kept?.golden, () => findGolden(question, search))
    onProgress?.(i + 1, questions.length, 'golden', (earlier += Number(isEarlier)))
    yield
    if (typeof result === 'string') {
      refused.push({ question, reason: result })
      continue
    }
    const golden = search.chunks.at(result)
    const group = groups.get(golden.id) ?? { golden, questions: [] }
    const answer = question.unanswerable ? '' : withQuotesOf(question.answer, golden.text)
    group.questions.push({ ...question, answer, id: question.id ?? String(question.origin?.row ?? i + 1) })
    groups.set(golden.id, group)
  }
  return { groups: [...groups.values()], refused }
}

/** How many questions of each training group see their golden document, the first ones of it. */
function shareGolden(training: readonly Group[], probability: number, seed: number): Map<Group, number> {
  let left = Math.round(probability * training.reduce((sum, group) => sum + group.questions.length, 0))
  const counts = new Map<Group, number>()
  for (const group of shuffle(training, deriveSeed(seed, 'golden'))) {
    const count = Math.min(left, group.questions.length)
    counts.set(group, count)
    left -= count
  }
  return counts
}

const documentOf = ({ id, title, text }: Source): ContextDocument =>
  title === undefined ? { id, text } : { id, title, text }

function questionOf(
  asked: AskedQuestion,
  golden: Source,
  { refuses, refusal }: { refuses: boolean; refusal: string },
): ContextQuestion {
  const { id, question, answer, answers, unanswerable } = asked
  const right = refuses ? [refusal] : answers
  return {
    id,
    question,
    answer: refuses ? refusal : answer,
    ...(answers === undefined || right === undefined ? {} : { answers: right }),
    // None answers it, whatever the context holds.
    golden: unanswerable ? [] : [golden.id],
  }
}
