// The playground: one prompt to the base and the tuned model, answered side by side as lines of JSON.
import type { RetrieverName } from '@jora/data'
import { longestDocument, mostDocuments } from '../documents/limits'
import { z } from './zod'
import { modelRefSchema, pathSchema } from './settings'

/** The two that answer: the base model, and the base with the adapter. */
export const sides = ['base', 'tuned'] as const
/** A name of {@link sides}. */
export type Side = (typeof sides)[number]

// Written out: the page reads this file, and the package of the names is large.
const retrievers = ['bm25', 'dense', 'hybrid'] as const satisfies readonly RetrieverName[]

const documentSchema = z.strictObject({
  title: z.string().max(500).optional(),
  text: z.string().min(1).max(longestDocument),
})

const readDocumentSchema = z.object({
  /** As the file has it, or the sheet or row; null: as the file is called. */
  title: z.string().nullable(),
  /** Headings and tables as Markdown has them; at most 2,000,000 characters. */
  text: z.string(),
  /** Of the whole text. */
  characters: z.number(),
})
/** Answer of `POST /api/documents?name=FILE`: the documents of a file, as `jora learn` reads it. */
export const readDocumentsSchema = z.object({
  /** The first 500. */
  documents: z.array(readDocumentSchema),
  total: z.number(),
  /** What of the file was not read, and why. */
  skipped: z.array(z.string()),
})
/** A document that {@link readDocumentsSchema} describes. */
export type ReadDocument = z.infer<typeof readDocumentSchema>
/** An answer that {@link readDocumentsSchema} describes. */
export type ReadDocuments = z.infer<typeof readDocumentsSchema>

/** Body of `POST /api/chat`. */
export const chatSchema = z.strictObject({
  /** A run whose model and adapter are talked to; or `model`, and `adapter` where there is one. */
  runId: z.string().optional(),
  model: modelRefSchema.optional(),
  adapter: pathSchema.optional(),
  sides: z.array(z.enum(sides)).min(1).max(2).optional(),
  /**
   * `instruction` and `chat` (with `history`): asked in the template that the model was trained with; `prompt`: continued as it
   * is. With documents it is a question on them. Absent: as that template has it.
   */
  mode: z.enum(['instruction', 'chat', 'prompt']).optional(),
  text: z.string().min(1, 'expected some text').max(100_000),
  /** For `chat`: earlier turns. One with a `side` is that side's own: each goes on from what it answered itself. */
  history: z
    .array(
      z.strictObject({
        role: z.enum(['system', 'user', 'assistant']),
        content: z.string(),
        side: z.enum(sides).optional(),
      }),
    )
    .max(200)
    .optional(),
  /** For `instruction`: what it is about. */
  input: z.string().max(100_000).optional(),
  documents: z.array(documentSchema).max(mostDocuments).optional(),
  /** All documents are seen, as they are and in their order: as those of a row are. Else they are cut into passages, the best of which are seen. */
  asGiven: z.boolean().optional(),
  /** The right answers, where they are known: `done` says whether a side's is one. */
  expected: z.array(z.string().max(100_000)).max(50).optional(),
  /** How many passages of the documents the model sees, the best ones (default 3). */
  retrieve: z.number().int().min(1).max(20).optional(),
  /** How the best are found: by words (the default), by meaning, by both. */
  retriever: z.enum(retrievers).optional(),
  /** The sentence encoder that compares meanings: a folder, or a Hub id (default all-MiniLM-L6-v2). */
  embedder: z.string().min(1).max(500).optional(),
  maxNewTokens: z.number().int().min(1).max(4096).optional(),
  temperature: z.number().min(0).max(10).optional(),
  topK: z.number().int().min(0).optional(),
  topP: z.number().positive().max(1).optional(),
  repetitionPenalty: z.number().positive().optional(),
  seed: z.number().int().min(0).optional(),
  device: z.enum(['auto', 'cpu', 'webgpu']).optional(),
})
/** A body that {@link chatSchema} accepts. */
export type ChatRequest = z.infer<typeof chatSchema>

/**
 * Lines of the response to `POST /api/chat`, in this order; `token` and `done` come for each side. Closing the request
 * ends the generation.
 */
export const chatEventSchema = z.discriminatedUnion('type', [
  z.object({ type: z.literal('loading'), text: z.string() }),
  /**
   * What the models see of the documents, best first, or in their order; `index` counts those that were given, `text` is the passage
   * where it is not all of its document. Without a score nothing was looked for.
   */
  z.object({
    type: z.literal('context'),
    documents: z.array(
      z.object({
        index: z.number(),
        title: z.string().optional(),
        text: z.string().optional(),
        score: z.number().optional(),
      }),
    ),
  }),
  /** The prompt that both get, as text, special tokens included. */
  z.object({ type: z.literal('prompt'), text: z.string(), tokens: z.number() }),
  z.object({ type: z.literal('token'), side: z.enum(sides), text: z.string() }),
  z.object({
    type: z.literal('done'),
    side: z.enum(sides),
    finishReason: z.enum(['stop', 'length']),
    tokens: z.number(),
    seconds: z.number(),
    /** Against what was expected: whether it is right, white space aside, and its F1. */
    score: z.object({ right: z.boolean(), f1: z.number() }).optional(),
  }),
  z.object({ type: z.literal('error'), message: z.string() }),
])
/** A line that {@link chatEventSchema} describes. */
export type ChatEvent = z.infer<typeof chatEventSchema>
