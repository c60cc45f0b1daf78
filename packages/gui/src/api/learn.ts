// Documents to a model, stage by stage: projects, what each stage came to, drafts, contexts, answers.
import type { RetrieverName } from '@jora/data'
import type { LearnStage } from '@jora/lora'
import { z } from './zod'
import { lineSchema, modelRefSchema, pathSchema } from './settings'

// Written out: the page reads this file, and the packages of the names are large.
const retrievers = ['bm25', 'dense', 'hybrid'] as const satisfies readonly RetrieverName[]
/** The stages, in their order. */
export const learnStageNames = [
  'read',
  'draft',
  'contexts',
  'train',
  'evaluate',
] as const satisfies readonly LearnStage[]

const decisions = ['accepted', 'rejected'] as const

/** Body of `POST /api/learn`. */
export const createLearnSchema = z.strictObject({
  name: lineSchema(100),
  /** Folder of a model that is here, or a Hub id. */
  model: modelRefSchema,
  /** A folder or file under the roots; absent: files are sent. */
  documents: pathSchema.optional(),
})
/** A body that {@link createLearnSchema} accepts. */
export type CreateLearn = z.infer<typeof createLearnSchema>

/** Body of `POST /api/learn/:id/stages`: goes on as far as `until`; what is absent is as it was the last time. */
export const learnStageSchema = z.strictObject({
  until: z.enum(learnStageNames),
  /** A file with questions under the roots; none is drafted then. */
  questions: pathSchema.optional(),
  /** Which of its columns hold question and answer, as `--columns` has it. */
  columns: lineSchema(2000).optional(),
  drafter: z
    .strictObject({
      /** An OpenAI-compatible endpoint; absent: `model` is run here. */
      url: z
        .url({ protocol: /^https?$/ })
        .max(500)
        .optional(),
      model: lineSchema(500),
      /** Handed to the drafter and kept nowhere. */
      key: z
        .string()
        .regex(/^[\x21-\x7e]{1,500}$/, 'expected a key')
        .optional(),
      perPassage: z.number().int().min(1).max(20).optional(),
      maxQuestions: z.number().int().min(1).max(1_000_000).optional(),
    })
    .optional(),
  retriever: z.enum(retrievers).optional(),
  distractors: z.number().int().min(0).max(50).optional(),
  chunkTokens: z.number().int().min(16).max(100_000).optional(),
  numEpochs: z.number().int().min(1).max(1000).optional(),
  maxSteps: z.number().int().min(1).max(1_000_000).optional(),
  learningRate: z.number().positive().max(1).optional(),
  maxSeqLength: z.number().int().min(16).max(1_000_000).optional(),
  evalQuestions: z.number().int().min(1).max(100_000).optional(),
})
/** What a project remembers of the requests for its stages: how they are done, without keys. */
export const learnSettingsSchema = learnStageSchema
  .omit({ until: true })
  .extend({ drafter: learnStageSchema.shape.drafter.unwrap().omit({ key: true }).optional() })
/** Settings that {@link learnSettingsSchema} describes. */
export type LearnSettings = z.infer<typeof learnSettingsSchema>

/** A body that {@link learnStageSchema} accepts. */
export type LearnStageRequest = z.infer<typeof learnStageSchema>

/** Body of `POST /api/learn/:id/questions`: what a reviewer decided, by the drafts' ids. */
export const reviewSchema = z.strictObject({
  drafts: z
    .array(
      z.strictObject({
        id: z.string().min(1).max(200),
        decision: z.enum(decisions).optional(),
        question: z.string().trim().min(1).max(10_000).optional(),
        answer: z.string().trim().min(1).max(100_000).optional(),
      }),
    )
    .min(1)
    .max(5000),
})
/** A body that {@link reviewSchema} accepts. */
export type Review = z.infer<typeof reviewSchema>

const estimateSchema = z.object({ mean: z.number(), low: z.number(), high: z.number(), count: z.number() })
const scoresSchema = z.record(z.string(), estimateSchema)

const documentFiguresSchema = z.object({
  documents: z.number(),
  byKind: z.record(z.string(), z.number()),
  skipped: z.array(z.object({ file: z.string(), row: z.number().optional(), reason: z.string() })),
})
const questionFiguresSchema = z.object({
  accepted: z.number(),
  rejected: z.number(),
  drafter: z.string().optional(),
  passages: z.number().optional(),
  stopped: z.string().optional(),
})
const contextFiguresSchema = z.object({
  refused: z.array(z.object({ question: z.string(), reason: z.string() })),
  shortContexts: z.number().optional(),
  borrowingContexts: z.number().optional(),
})
const trainFiguresSchema = z.object({
  steps: z.number(),
  finalLoss: z.number().nullable(),
  heldOutLoss: z.number().nullable(),
  seconds: z.number(),
})
const evaluationFiguresSchema = z.object({ questions: z.number(), base: scoresSchema, tuned: scoresSchema })

/** What each stage came to; absent where it is still to be done. */
export const learnFiguresSchema = z.object({
  read: documentFiguresSchema.optional(),
  draft: questionFiguresSchema.optional(),
  contexts: contextFiguresSchema.optional(),
  train: trainFiguresSchema.optional(),
  evaluate: evaluationFiguresSchema.optional(),
})

/** A folder of documents on its way to a model. */
export const learnProjectSchema = z.object({
  id: z.string(),
  name: z.string(),
  folder: z.string(),
  model: z.string(),
  /** Where the documents are. */
  documents: z.string(),
  /** Whether they were sent, so that more can be. */
  takesFiles: z.boolean(),
  /** Files that were sent; null where a folder was chosen. */
  files: z.number().nullable(),
  createdAt: z.string(),
  /** How its stages were done last. */
  settings: learnSettingsSchema,
  figures: learnFiguresSchema,
  /** The training run, once it has begun. */
  runId: z.string().nullable(),
})
/** A project that {@link learnProjectSchema} describes. */
export type LearnProject = z.infer<typeof learnProjectSchema>
/** Answer of `GET /api/learn`. */
export const learnProjectsSchema = z.object({ projects: z.array(learnProjectSchema) })

/** Answer of `POST /api/learn/:id/documents`. */
export const sentDocumentSchema = z.object({ bytes: z.number() })

/** A question as the review table has it: a draft, or one of a file. */
export const learnQuestionSchema = z.object({
  id: z.string(),
  kind: z.string(),
  question: z.string(),
  answer: z.string().nullable(),
  quote: z.string().nullable(),
  chunk: z.string(),
  decision: z.enum(decisions),
  by: z.string(),
  reason: z.string().nullable(),
})
/** A question that {@link learnQuestionSchema} describes. */
export type LearnQuestion = z.infer<typeof learnQuestionSchema>
/** Answer of `GET /api/learn/:id/questions`; `reviewable` where they are drafts. */
export const learnQuestionsSchema = z.object({ reviewable: z.boolean(), questions: z.array(learnQuestionSchema) })
/** An answer that {@link learnQuestionsSchema} describes. */
export type LearnQuestions = z.infer<typeof learnQuestionsSchema>

/** A context with its documents and questions. */
export const learnContextSchema = z.object({
  row: z.number(),
  split: z.enum(['train', 'test']),
  documents: z.array(z.object({ id: z.string(), title: z.string().nullable(), text: z.string(), golden: z.boolean() })),
  questions: z.array(z.object({ question: z.string(), answer: z.string() })),
})
/** A context that {@link learnContextSchema} describes. */
export type LearnContext = z.infer<typeof learnContextSchema>
/** Answer of `GET /api/learn/:id/contexts?from=&count=`. */
export const learnContextsSchema = z.object({ total: z.number(), contexts: z.array(learnContextSchema) })
/** An answer that {@link learnContextsSchema} describes. */
export type LearnContexts = z.infer<typeof learnContextsSchema>

const sideSchema = z.object({ answer: z.string(), right: z.boolean(), f1: z.number().nullable() })
/** A held-out question with both answers and the context they were made from. */
export const learnAnswerSchema = z.object({
  question: z.string(),
  answers: z.array(z.string()),
  unanswerable: z.boolean(),
  base: sideSchema,
  tuned: sideSchema,
  /** Row of the context in `contexts`, from 0; null where it is not known. */
  context: z.number().nullable(),
})
/** An answer that {@link learnAnswerSchema} describes. */
export type LearnAnswer = z.infer<typeof learnAnswerSchema>
/** Answer of `GET /api/learn/:id/answers`. */
export const learnAnswersSchema = z.object({ answers: z.array(learnAnswerSchema) })
