// A base model beside the same model tuned, on the same questions in the same prompt.
import {
  estimateAnswers,
  questionsOf,
  stopIdsOf,
  type AskedQuestion,
  type Estimate,
  type Kept,
  type PromptTemplate,
  type Row,
  type ScoreName,
  type Tokenizer,
} from '@jora/data'
import { Engine, Generator, type Decoder } from '@jora/llama'
import type { Device } from '@jora/tensor'
import type { Adapter } from '../adapter/adapter'
import { withAdapter } from '../adapter/apply'
import type { LoraConfig } from '../settings/lora-config'
import { LocalAnswerer } from './local'
import { answerQuestions, type AnsweredQuestion, type KeptAnswer } from './scored'

/** What {@link compareTuned} compares, and on what. */
export interface CompareOptions {
  readonly decoder: Decoder
  readonly device: Device
  readonly tokenizer: Tokenizer
  /** How both are asked: as the adapter was trained to be. */
  readonly prompt: PromptTemplate
  readonly adapter: Adapter
  readonly lora: LoraConfig
  /** Whose questions are asked. */
  readonly rows: readonly Row[]
  /** Questions at most: the first ones. */
  readonly limit?: number | undefined
  /** Longest answer, in tokens (default 64). */
  readonly maxNewTokens?: number
  /** Questions answered together (default 8). */
  readonly batchSize?: number
  /** Aborting it ends the comparison, which throws its reason. */
  readonly signal?: AbortSignal | undefined
  /** Answers of an earlier call that compared the same, and where this one keeps its own. */
  readonly kept?: Readonly<Record<'base' | 'tuned', Kept<KeptAnswer>>>
  /** Called after each answer: who gave it, how many there are, of how many, and how many of these an earlier call gave. */
  readonly onProgress?: (who: 'base' | 'tuned', done: number, total: number, earlier: number) => void
}

/** The scores that answers have, each with its interval. */
export type Scores = Partial<Record<ScoreName, Estimate>>

/** One question with both answers. */
export interface ComparedQuestion {
  readonly asked: AskedQuestion
  readonly base: AnsweredQuestion
  readonly tuned: AnsweredQuestion
}

/** What came of both. */
export interface Comparison {
  readonly base: Scores
  readonly tuned: Scores
  readonly questions: readonly ComparedQuestion[]
}

/** Asks base and tuned model the questions of rows. @throws the signal's reason once it is aborted */
export async function compareTuned(options: CompareOptions): Promise<Comparison> {
  const { decoder, device, tokenizer, prompt, adapter, lora, rows, limit, kept, signal, onProgress } = options
  const rules = { template: prompt, vocabSize: decoder.config.vocabSize }
  const asked = rows.flatMap((row) => questionsOf(row, tokenizer, rules)).slice(0, limit)
  const stopIds = stopIdsOf(prompt, tokenizer, decoder.config.eosTokenIds)
  const answersOf = async (who: 'base' | 'tuned', model: Decoder): Promise<AnsweredQuestion[]> => {
    const engine = new Engine(new Generator(model, device))
    try {
      return await answerQuestions(new LocalAnswerer({ engine, tokenizer, prompt, stopIds }), asked, {
        maxNewTokens: options.maxNewTokens ?? 64,
        batchSize: options.batchSize ?? 8,
        ...(signal && { signal }),
        kept: kept?.[who],
        onProgress: (done, total, earlier) => onProgress?.(who, done, total, earlier),
      })
    } finally {
      engine.dispose()
    }
  }
  const base = await answersOf('base', decoder)
  const tuned = await answersOf('tuned', withAdapter(decoder, adapter, lora))
  return {
    base: estimateAnswers(base.map(({ score }) => score)),
    tuned: estimateAnswers(tuned.map(({ score }) => score)),
    questions: asked.map((each, i) => ({ asked: each, base: base[i]!, tuned: tuned[i]! })),
  }
}
