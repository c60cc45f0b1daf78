// What the stages from documents to a model are told, and what they come to.
import type {
  Columns,
  Drafter,
  DraftOptions,
  RaftOptions,
  RaftStage,
  RaftStatistics,
  SkippedDocument,
} from '@jora/data'
import type { OpenedRetriever, OpenModel } from '@jora/llama'
import type { Device } from '@jora/tensor'
import type { Comparison, Scores } from '../answer/compare'
import type { TrainEvent } from '../runs/events'
import type { JoraConfig } from '../settings/jora-config'
import type { LearnStage } from './journal'

/** What {@link learn} makes an adapter of, how, and where. */
export interface LearnOptions {
  /** A folder of documents, or one file. */
  readonly documents: string
  readonly model: OpenModel
  /** Settings of the run; its split is that of the documents. */
  readonly config: JoraConfig
  readonly outputDir: string
  /** A file of questions that there are already; nothing is drafted then. */
  readonly questions?: string | undefined
  /** Which of its keys or columns hold question and answer, where they are called otherwise. */
  readonly columns?: Columns | undefined
  /** Opens who drafts, where something is left to draft. */
  readonly openDrafter?: (() => Promise<LearnDrafter>) | undefined
  /** How questions are drafted; the defaults of {@link DraftOptions} when absent. */
  readonly drafting?: Omit<DraftOptions, 'name' | 'cache' | 'signal' | 'onProgress'>
  /** How contexts are made; the defaults of {@link RaftOptions} when absent. */
  readonly raft?: Omit<RaftOptions, 'tokenizer' | 'kept' | 'onProgress' | 'unread' | 'split' | 'seed'>
  /** What finds distractors (default: BM25): its name, and how it is opened and disposed around `use`. */
  readonly retriever?:
    | {
        readonly name: string
        readonly use: <T>(build: (opened: OpenedRetriever) => Promise<T>) => Promise<T>
      }
    | undefined
  /** Opens the device, where something is left to compute. */
  readonly openDevice: () => Promise<Device>
  /** Longest answer of the evaluation, in tokens (default 64). */
  readonly maxNewTokens?: number
  /** Held-out questions that are asked at most (default 200). */
  readonly evalQuestions?: number
  /** Aborting it stops the running stage; what was done is kept, and a later call continues from there. */
  readonly signal?: AbortSignal | undefined
  /** Called with each stage: `stands` where an earlier call did it, from the same. */
  readonly onStage?: (stage: LearnStage, state: 'begins' | 'stands' | 'again') => void
  /** Called as a stage goes on: how many items are done, of how many, what they are, and how many of them an earlier call did. */
  readonly onProgress?: (done: number, total: number, what: LearnProgress, earlier?: number) => void
  /** Called with the number of steps when training begins, then with each of its events. */
  readonly onTrain?: (event: TrainEvent | { readonly type: 'begin'; readonly totalSteps: number }) => void
}

/** What progress reports are about. */
export type LearnProgress = RaftStage | 'file' | 'passage' | 'base' | 'tuned'

/** Who drafts, named; `name` is part of what its replies are kept under. */
export interface LearnDrafter {
  readonly name: string
  readonly drafter: Drafter
  dispose(): Promise<void>
}

/** What came of a folder of documents. */
export interface Learned {
  readonly outputDir: string
  readonly documents: DocumentFigures
  readonly questions: QuestionFigures
  readonly contexts: ContextFigures
  readonly training: TrainFigures
  readonly evaluation: EvaluationFigures
  /** Both answers to each question, where they were asked in this call. */
  readonly comparison?: Comparison
}

/** What all stages share. */
export interface StageContext extends LearnOptions {
  readonly path: (name: LearnStage) => string
}

/** What was read. */
export interface DocumentFigures {
  readonly documents: number
  /** Documents by the ends of their files' names. */
  readonly byKind: Readonly<Record<string, number>>
  readonly skipped: readonly SkippedDocument[]
}

/** How many questions there are, and where they are from. */
export interface QuestionFigures {
  readonly accepted: number
  readonly rejected: number
  /** Who wrote them: a drafter's name, or undefined for a file that was given. */
  readonly drafter?: string
  /** Passages that were asked about. */
  readonly passages?: number
  /** Why not all passages were. */
  readonly stopped?: string
}

/** What building contexts came to. */
export interface ContextFigures extends RaftStatistics {
  /** Questions that are in no context, with the reason; the first hundred. */
  readonly refused: readonly { readonly question: string; readonly reason: string }[]
}

/** What training came to. */
export interface TrainFigures {
  readonly steps: number
  readonly finalLoss: number | null
  /** Loss of the held-out answers, where it was measured. */
  readonly heldOutLoss: number | null
  /** Of this call alone. */
  readonly seconds: number
  readonly samples: number
  readonly tokens: number
}

/** What the evaluation came to. */
export interface EvaluationFigures {
  /** Held-out questions that were asked. */
  readonly questions: number
  readonly base: Scores
  readonly tuned: Scores
}

/** What earlier stages came to, for the report. */
export interface EarlierFigures {
  readonly documents: DocumentFigures
  readonly drafted: QuestionFigures
  readonly contexts: ContextFigures
  readonly training: TrainFigures
}
