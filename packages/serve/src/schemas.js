// Requests of OpenAI's API: what is honoured, what is ignored, and what is refused because it could not be kept.
import { z } from 'zod'
const documentSchema = z.object({ title: z.string().optional(), text: z.string() })
/** Text, or parts of which only texts are known here. */
const contentSchema = z.union([
  z.string(),
  z
    .array(z.object({ type: z.literal('text', 'expected "text": this server reads no other parts'), text: z.string() }))
    .transform((parts) => parts.map(({ text }) => text).join('')),
])
const messageSchema = z.object({
  role: z.enum(['system', 'developer', 'user', 'assistant', 'tool']).transform((role) =>
    // Reasoning models call it so.
    role === 'developer' ? 'system' : role,
  ),
  content: contentSchema,
})
const never = (what) =>
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
  seed: z.number().int().nullish(),
  n: z.number().int().min(1).max(16).nullish(),
  max_tokens: z.number().int().min(1).nullish(),
  stop: z.union([z.string().min(1), z.array(z.string().min(1)).max(16)]).nullish(),
  stream: z.boolean().nullish(),
  stream_options: z.object({ include_usage: z.boolean().nullish() }).nullish(),
  logprobs: never('log probabilities'),
  top_logprobs: never('log probabilities'),
}
export const chatSchema = z.object({
  ...shared,
  messages: z.array(messageSchema).min(1, 'expected at least one message'),
  max_completion_tokens: z.number().int().min(1).nullish(),
  /** Ours: what the last message is about, in place of what would be retrieved. */
  documents: z.array(documentSchema).max(500).nullish(),
  tools: never('tools'),
  functions: never('functions'),
  response_format: z
    .looseObject({ type: z.string() })
    .nullish()
    .refine((format) => format == null || format.type === 'text', 'expected "text": this server constrains no answer'),
})
export const completionSchema = z.object({
  ...shared,
  prompt: z.union([z.string(), z.array(z.string()).min(1).max(16)]),
  echo: never('echoes of the prompt'),
  suffix: never('suffixes'),
})
