// Rows as training and held-out samples, by a run's settings.
import {
  prepareDataset,
  questionsOf,
  requireEos,
  type AskedQuestion,
  type DatasetStatistics,
  type PromptTemplate,
  type Row,
  type Sample,
  type Samples,
  type Tokenizer,
} from '@jora/data'
import type { JoraConfig } from '../settings/jora-config'
import { sampleQuestions } from './watch/answer-scores'

/** Samples in memory, or read as steps need them. */
export type SampleList = readonly Sample[] | Samples

/** Samples ready to train on. */
export interface JoraSamples<List extends SampleList = readonly Sample[]> {
  /** What to train (or, of the 'test' split, to evaluate). */
  readonly samples: List
  readonly heldOut: List
  /** Whether questions that share a context share a row. */
  readonly packing: 'none' | 'tree'
  /** Held-out questions that are answered while training, where `evalMetrics` asks for it. */
  readonly questions?: readonly AskedQuestion[]
  /** How rows became text; kept beside the adapter, for all who ask it. */
  readonly prompt?: PromptTemplate
  readonly statistics: DatasetStatistics & { readonly train: DatasetStatistics; readonly heldOut: DatasetStatistics }
  /** What there is to know of the split, in sentences. */
  readonly notes?: readonly string[]
  readonly tokenizer: Tokenizer
}

/**
 * Tokenises rows and splits them: 'train' returns the training share (general rows, `mixRows`, mixed in) and the
 * held-out rows, 'test' the held-out rows alone. `generateAlpacaDataset` does the same with files.
 * @param model `vocabSize` is the model's, from its config.json
 * @throws DatasetError naming row and key
 */
export function samplesFromRows(
  { rows, mixRows }: { readonly rows: readonly Row[]; readonly mixRows?: readonly Row[] | undefined },
  part: 'train' | 'test',
  { settings }: JoraConfig,
  { tokenizer, vocabSize }: { readonly tokenizer: Tokenizer; readonly vocabSize: number },
): JoraSamples {
  requireEos(tokenizer)
  const prepared = prepareDataset({
    rows,
    tokenizer,
    template: settings.promptTemplate,
    contextTemplate: settings.contextTemplate,
    packing: settings.packing,
    maxSeqLength: settings.maxSeqLength,
    onOverflow: settings.onOverflow,
    split: settings.split,
    seed: settings.seed,
    vocabSize,
    ...(mixRows ? { mixRows, mix: settings.alpacaMix } : {}),
  })
  const questionsAsked = () => {
    const rules = { template: prepared.prompt, vocabSize }
    const all = prepared.heldOutRows.flatMap((row) => questionsOf(row, tokenizer, rules))
    const fitting = all.filter(({ contextLength, prompt }) => contextLength + prompt.length < settings.maxSeqLength)
    return sampleQuestions(fitting, settings.evalSamples, settings.seed)
  }
  return {
    samples: part === 'train' ? prepared.train : prepared.heldOut,
    heldOut: part === 'train' ? prepared.heldOut : [],
    questions: part === 'train' && settings.evalMetrics.length > 0 ? questionsAsked() : [],
    packing: prepared.packing,
    prompt: prepared.prompt,
    statistics: prepared.statistics,
    notes: part === 'train' ? prepared.notes : [],
    tokenizer,
  }
}
