// Requests of OpenAI's API: what is honoured, what is ignored, and what is refused because it could not be kept.
import { z } from 'zod'
import { messageSchema, toolSchema } from './tools'

const documentSchema = z.object({ title: z.string().optional(), text: z.string() })

const never = (what: string) =>
  z
    .unknown()
    .optional()
    .refine(
      (value) => value == null || value === false || (Array.isArray(value) && value.length === 0),
      `${what} are not supported by this server`,
    )

/** What both kinds of completion take. OpenAI's clients send null for what is not given. */
const shared = {
  model: z.string().nullish(),
  temperature: z.number().min(0).max(2).nullish(),
  top_p: z.number().positive().max(1).nullish(),
  presence_penalty: z.number().min(-2).max(2).nullish(),
  frequency_penalty: z.number().min(-2).max(2).nullish(),
  seed: z.int().nullish(),
  n: z.int().min(1).max(16).nullish(),
  max_tokens: z.int().min(1).nullish(),
  stop: z.union([z.string().min(1), z.array(z.string().min(1)).max(16)]).nullish(),
  stream: z.boolean().nullish(),
  stream_options: z.object({ include_usage: z.boolean().nullish() }).nullish(),
}

export const chatSchema = z.object({
  ...shared,
  messages: z.array(messageSchema).min(1, 'expected at least one message'),
  max_completion_tokens: z.int().min(1).nullish(),
  logprobs: z.boolean().nullish(),
  top_logprobs: z.int().min(0).max(20).nullish(),
  /** Ours: what the last message is about, in place of what would be retrieved. */
  documents: z.array(documentSchema).max(500).nullish(),
  tools: z.array(toolSchema).max(128).nullish(),
  tool_choice: z
    .union([z.enum(['auto', 'none', 'required']), z.looseObject({ type: z.string() })])
    .nullish()
    .refine(
      (choice) => choice == null || choice === 'auto' || choice === 'none',
      'expected "auto" or "none": this server cannot force a call',
    ),
  parallel_tool_calls: z.boolean().nullish(),
  functions: never('functions'),
  response_format: z
    .looseObject({ type: z.string() })
    .nullish()
    .refine((format) => format == null || format.type === 'text', 'expected "text": this server constrains no answer'),
})
export type ChatRequest = z.infer<typeof chatSchema>

export const completionSchema = z.object({
  ...shared,
  prompt: z.union([z.string(), z.array(z.string()).min(1).max(16)]),
  logprobs: z.int().min(0).max(20).nullish(),
  echo: never('echoes of the prompt'),
  suffix: never('suffixes'),
})
export type CompletionRequest = z.infer<typeof completionSchema>

const idsSchema = z.array(z.int().min(0)).min(1)

export const embeddingSchema = z.object({
  model: z.string().nullish(),
  /** Texts, or ids of the model's own tokenizer. */
  input: z.union(
    [z.string(), idsSchema, z.array(z.string()).min(1).max(2048), z.array(idsSchema).min(1).max(2048)],
    'expected a text, ids of one, or a list of either',
  ),
  encoding_format: z.enum(['float', 'base64']).nullish(),
  dimensions: z.int().min(1).nullish(),
})
export type EmbeddingRequest = z.infer<typeof embeddingSchema>
