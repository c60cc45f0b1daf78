// Drafting questions on passages: asked of a model, checked, the same ones dropped.

import type { Answer, AnswerOptions } from '../answer/answerer'
import { BudgetError } from '../answer/endpoint'
import type { Chunk } from '../raft/chunk'
import { deriveSeed, shuffle } from '../random'
import type { ChatMessage } from '../rows/row-formats'
import { cacheKey, memoryCache, type ReplyCache } from './cache'
import { checkReply, checkWritten, questionKey } from './checks'
import type { Draft, DraftKind } from './draft'
import { checkMessages, draftMessages } from './prompts'
import { isReplyDone, questionsOfReply } from './reply'

/** How a drafter replies. */
export interface DrafterOptions extends AnswerOptions {
  /** Of a reply so far, whether it may end there: one that replies as a whole need not ask. */
  isDone?: (text: string) => boolean
}

/** A model that writes questions: one behind an endpoint, or one that is run here. */
export interface Drafter {
  ask(ask: { messages: readonly ChatMessage[] }, options?: DrafterOptions): Promise<Pick<Answer, 'text'>>
}

/** How questions are drafted. */
export interface DraftOptions {
  /** Names the drafter in the drafts and in the cache. */
  name: string
  /** Questions asked for a passage (default 2). */
  perChunk?: number
  /** Questions at most, over all passages, drawn from as many documents as there are. */
  maxQuestions?: number | undefined
  /** Share of passages that a question is drafted on that they do not answer (default 0.15). */
  unanswerable?: number
  /** Asks each question again, without its answer (default true). */
  check?: boolean
  /** Requests at a time (default 4). */
  concurrency?: number
  /** Shortest passage, in tokens (default 24). */
  leastTokens?: number
  /**
   * Seed of the choices (default 420): which passages are asked about, and which get a question that they do not
   * answer.
   */
  seed?: number
  /** Replies that are known already, by request; a new one in memory when absent. */
  cache?: ReplyCache
  /** Aborting it ends the drafting, which throws its reason. */
  signal?: AbortSignal | undefined
  /** Called after each passage with how many are done, and how many there are. */
  onProgress?: (done: number, total: number) => void
}

/** What came of drafting. */
export interface Drafted {
  /** In the order of the passages; those that a check rejected too. */
  drafts: Draft[]
  /** Passages that were asked about. */
  passages: number
  /** Replies without a question in them. */
  nonsense: number
  /** Replies that were in the cache already. */
  cached: number
  /** Why not all passages were asked about. */
  stopped?: string
}

/** Tokens of a reply: some for a preface, and those of a question with its answer and quote. */
const longestReply = (questions: number): number => 60 + 140 * questions
const longestCheck = 48

/**
 * Drafts questions on passages. What a reply holds becomes rows and nothing else: no reply is run, fetched or used as a name.
 *
 * @throws what the drafter throws, but for a budget that is used up: that ends the drafting
 */
export async function draftQuestions(
  chunks: readonly Chunk[],
  drafter: Drafter,
  options: DraftOptions,
): Promise<Drafted> {
  const { perChunk = 2, maxQuestions = Infinity, leastTokens = 24, concurrency = 4, seed = 420, onProgress } = options
  const asking = new Asking(drafter, options)
  const chosen = inTurn(
    chunks.filter(({ tokens }) => tokens >= leastTokens),
    seed,
  )
  const most = Math.min(chosen.length, Math.ceil(maxQuestions / perChunk))
  const made = new Map<Chunk, Draft[]>()
  let [next, kept, passages, failure]: [number, number, number, unknown] = [0, 0, 0, undefined]
  const work = async (): Promise<void> => {
    while (next < chosen.length && kept < maxQuestions && failure === undefined) {
      const chunk = chosen[next++]!
      try {
        const drafts = await asking.draft(chunk)
        made.set(chunk, drafts)
        kept += drafts.filter(({ decision }) => decision === 'accepted').length
        onProgress?.(Math.min(++passages, Math.max(most, passages)), Math.max(most, passages))
      } catch (error) {
        failure ??= error
      }
    }
  }
  await Promise.all(Array.from({ length: Math.max(1, concurrency) }, work))
  if (failure !== undefined && !(failure instanceof BudgetError)) throw failure
  const drafts = withoutRepeats(chunks.flatMap((chunk) => made.get(chunk) ?? []))
  return {
    drafts,
    passages,
    nonsense: asking.nonsense,
    cached: asking.cached,
    ...(failure instanceof BudgetError ? { stopped: failure.message } : {}),
  }
}

/** Passages, one of each document after the other, drawn by the seed. */
function inTurn(chunks: readonly Chunk[], seed: number): Chunk[] {
  const byDocument = new Map<string, Chunk[]>()
  for (const chunk of shuffle(chunks, deriveSeed(seed, 'draft'))) {
    const own = byDocument.get(chunk.document)
    if (own) own.push(chunk)
    else byDocument.set(chunk.document, [chunk])
  }
  const turns: Chunk[] = []
  for (let round = 0; turns.length < chunks.length; round++)
    for (const own of byDocument.values()) if (own[round]) turns.push(own[round]!)
  return turns
}

/** Questions that are asked twice, in whatever spelling, are asked once. */
function withoutRepeats(drafts: readonly Draft[]): Draft[] {
  const asked = new Set<string>()
  return drafts.filter(({ question, decision }) => {
    if (decision === 'rejected') return true
    const key = questionKey(question)
    if (asked.has(key)) return false
    asked.add(key)
    return true
  })
}

/** A row of bars below a row of dashes. */
const TABLE = /^\|?[^\n]*\|[^\n]*\n\|?[\s:|-]*-{2,}[\s:|-]*$/m

class Asking {
  readonly #drafter: Drafter
  readonly #options: DraftOptions
  readonly #cache: ReplyCache
  nonsense = 0
  cached = 0

  constructor(drafter: Drafter, options: DraftOptions) {
    this.#drafter = drafter
    this.#options = options
    this.#cache = options.cache ?? memoryCache()
  }

  async draft(chunk: Chunk): Promise<Draft[]> {
    const { perChunk = 2, unanswerable = 0.15, seed = 420 } = this.#options
    const drafts = await this.#ofKind(chunk, TABLE.test(chunk.text) ? 'table' : 'fact', perChunk)
    // Drawn by the passage, so that a part of the passages has the same ones as all of them.
    const drawn = deriveSeed(seed, 'unanswerable', chunk.id) / 2 ** 32 < unanswerable
    return drawn ? [...drafts, ...(await this.#ofKind(chunk, 'unanswerable', 1))] : drafts
  }

  async #ofKind(chunk: Chunk, kind: DraftKind, n: number): Promise<Draft[]> {
    const reply = await this.#ask(draftMessages(chunk, kind, n), longestReply(n), (text) => isReplyDone(text, n))
    const written = questionsOfReply(reply).slice(0, n)
    if (written.length === 0) this.nonsense++
    const drafts: Draft[] = []
    for (const each of written) {
      const checked = checkWritten(each, kind, chunk)
      const found = typeof checked === 'string' ? each : checked
      const reason =
        typeof checked === 'string' ? checked : await this.#asked(chunk, kind, each.question, checked.answer)
      drafts.push({
        id: (await cacheKey('draft', [], { chunk: chunk.id, question: each.question })).slice(0, 16),
        kind,
        question: each.question,
        ...(kind === 'unanswerable' ? {} : { answer: found.answer }),
        ...(found.quote === '' ? {} : { quote: found.quote }),
        document: chunk.document,
        chunk: chunk.id,
        decision: reason === undefined ? 'accepted' : 'rejected',
        by: 'checks',
        ...(reason === undefined ? {} : { reason }),
        drafter: this.#options.name,
      })
    }
    return drafts
  }

  /** Why a question is not what it is taken for. */
  async #asked(chunk: Chunk, kind: DraftKind, question: string, answer: string): Promise<string | undefined> {
    if (this.#options.check === false) return undefined
    return checkReply(kind, answer, await this.#ask(checkMessages(chunk, question), longestCheck))
  }

  async #ask(
    messages: readonly ChatMessage[],
    maxNewTokens: number,
    isDone: (text: string) => boolean = () => false,
  ): Promise<string> {
    const { name, signal } = this.#options
    const key = await cacheKey(name, messages, { maxNewTokens })
    const known = this.#cache.get(key)
    if (known !== undefined) {
      this.cached++
      return known
    }
    const options = { maxNewTokens, temperature: 0, isDone, ...(signal && { signal }) }
    const { text } = await this.#drafter.ask({ messages }, options)
    await this.#cache.set(key, text)
    return text
  }
}
