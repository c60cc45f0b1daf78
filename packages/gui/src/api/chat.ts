// The playground: one prompt to the base and the tuned model, answered side by side as lines of JSON.
import type { RetrieverName } from '@jora/data'
import { z } from './zod'
import { modelRefSchema, pathSchema } from './settings'

/** The two that answer: the base model, and the base with the adapter. */
export const sides = ['base', 'tuned'] as const
/** A name of {@link sides}. */
export type Side = (typeof sides)[number]

// Written out: the page reads this file, and the package of the names is large.
const retrievers = ['bm25', 'dense', 'hybrid'] as const satisfies readonly RetrieverName[]

const documentSchema = z.strictObject({ title: z.string().max(500).optional(), text: z.string().min(1).max(200_000) })

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
  /** For `chat`: earlier turns. */
  history: z
    .array(z.strictObject({ role: z.enum(['system', 'user', 'assistant']), content: z.string() }))
    .max(100)
    .optional(),
  /** For `instruction`: what it is about. */
  input: z.string().max(100_000).optional(),
  documents: z.array(documentSchema).max(500).optional(),
  /** How many of the documents the model sees, the best ones (default 3). */
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
  /** The documents that the models see, best first; `index` counts those that were given. */
  z.object({
    type: z.literal('context'),
    documents: z.array(z.object({ index: z.number(), title: z.string().optional(), score: z.number() })),
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
  }),
  z.object({ type: z.literal('error'), message: z.string() }),
])
/** A line that {@link chatEventSchema} describes. */
export type ChatEvent = z.infer<typeof chatEventSchema>
