// Greedy answers to some held-out questions while training, and their scores.
import {
  deriveSeed,
  shuffle,
  stopIdsOf,
  summarizeAnswers,
  type AskedQuestion,
  type PromptTemplate,
  type Tokenizer,
} from '@jora/data'
import { Engine, Generator, type Adapt, type Decoder } from '@jora/llama'
import { disposeTree, treeLeaves, type Device } from '@jora/tensor'
import type { Adapter } from '../../adapter/adapter'
import { adapterArgument, settleAdapter, withArgument, type AdapterArgument } from '../../adapter/apply'
import { LocalAnswerer } from '../../answer/local'
import { answerQuestions } from '../../answer/scored'
import type { AnswerFigures } from '../../runs/events'
import { ConfigError } from '../../settings/config-error'
import type { LoraConfig } from '../../settings/lora-config'
import { scoreOf, type ScoreMetric } from '../../settings/table/watching'

/** What is asked while training, and how. */
export interface AnswerScorerOptions {
  readonly decoder: Decoder
  readonly lora: LoraConfig
  readonly device: Device
  readonly tokenizer: Tokenizer
  readonly prompt: PromptTemplate
  readonly questions: readonly AskedQuestion[]
  /** The scores that are wanted. */
  readonly scores: readonly ScoreMetric[]
  readonly maxNewTokens: number
  /** Questions answered together. */
  readonly batchSize: number
}

/** Places of `count` among so many questions, the same for the same seed, in their order. */
export function sampleIndices(questions: number, count: number, seed: number): number[] {
  const all = Array.from({ length: questions }, (_, place) => place)
  return shuffle(all, deriveSeed(seed, 'eval'))
    .slice(0, count)
    .sort((a, b) => a - b)
}

/** `count` of the questions, the same for the same seed, in their order. */
export const sampleQuestions = (questions: readonly AskedQuestion[], count: number, seed: number): AskedQuestion[] =>
  sampleIndices(questions.length, count, seed).map((place) => questions[place]!)

/** Whether answers to a question have that score. */
const hasScore: Readonly<Record<ScoreMetric, (question: AskedQuestion) => boolean>> = {
  exact_match: () => true,
  f1: () => true,
  denotation: ({ metric }) => metric === 'denotation',
  target: ({ metric }) => metric === 'reply',
  reply: ({ metric }) => metric === 'reply',
  refusal: ({ grounds }) => grounds?.unanswerable === true,
  faithful: ({ grounds }) => grounds !== undefined && !grounds.unanswerable,
}

/** @throws ConfigError for a score that no answer to these questions has */
export function checkScores(scores: readonly ScoreMetric[], questions: readonly AskedQuestion[]): void {
  for (const score of scores)
    if (!questions.some(hasScore[score]))
      throw new ConfigError(
        questions.length === 0
          ? `evalMetrics ${score}: there is no held-out question to answer`
          : `evalMetrics ${score}: none of the ${questions.length} held-out questions that are asked has such a score`,
        'evalMetrics',
      )
}

/** Answers the questions with the adapter as it is; its programs are compiled once. */
export class AnswerScorer {
  readonly #options: AnswerScorerOptions
  readonly #engine: Engine

  /** @throws ConfigError as {@link checkScores} */
  constructor(options: AnswerScorerOptions) {
    checkScores(options.scores, options.questions)
    this.#options = options
    const adapt: Adapt = (adapter, decoder) => withArgument(decoder, adapter as AdapterArgument)
    this.#engine = new Engine(new Generator(options.decoder, options.device, adapt))
  }

  /** The scores, and what they cost. The adapter's tensors stay the caller's. @throws the signal's reason once it is aborted */
  async run(adapter: Adapter, signal?: AbortSignal): Promise<AnswerFigures> {
    const { decoder, lora, device, tokenizer, prompt, questions, scores, maxNewTokens, batchSize } = this.#options
    const begun = performance.now()
    const argument = adapterArgument(settleAdapter(adapter, decoder, lora), lora, device, decoder.config)
    try {
      const stopIds = stopIdsOf(prompt, tokenizer, decoder.config.eosTokenIds)
      const answerer = new LocalAnswerer({ engine: this.#engine, tokenizer, prompt, stopIds, adapter: argument })
      const answered = await answerQuestions(answerer, questions, {
        maxNewTokens,
        batchSize,
        ...(signal && { signal }),
      })
      const summary = summarizeAnswers(answered.map(({ score }) => score))
      const wanted = scores.map((score) => [scoreOf[score], summary[scoreOf[score]]] as const)
      return {
        ...Object.fromEntries(wanted.filter(([, value]) => value !== undefined)),
        answers: answered.length,
        answerSeconds: (performance.now() - begun) / 1000,
      }
    } finally {
      const kept = new Set(treeLeaves(adapter))
      disposeTree(treeLeaves(argument).filter((leaf) => !kept.has(leaf)))
    }
  }

  /** Releases the compiled programs. */
  dispose(): void {
    this.#engine.dispose()
  }
}
