// Tools in OpenAI's form: what a request may say of them, what a chat template is given, and how calls go back.
import { randomUUID } from 'node:crypto'
import type { ChatMessage, ToolCall } from '@jora/data'
import { z } from 'zod'
import { ServeError } from './error'

const name = z.string().regex(/^[\w.-]{1,64}$/, 'expected 1 to 64 letters, digits, dots, dashes and underscores')

export const toolSchema = z.object({
  type: z.literal('function'),
  function: z.object({
    name,
    description: z.string().optional(),
    parameters: z.record(z.string(), z.unknown()).optional(),
  }),
})

const callSchema = z.object({
  id: z.string().optional(),
  type: z.literal('function').optional(),
  function: z.object({ name: z.string(), arguments: z.string() }),
})

/** Text, or parts of which only texts are known here. */
const contentSchema = z.union([
  z.string(),
  z
    .array(z.object({ type: z.literal('text', 'expected "text": this server reads no other parts'), text: z.string() }))
    .transform((parts) => parts.map(({ text }) => text).join('')),
])

export const messageSchema = z.object({
  // Reasoning models call the system's developer.
  role: z
    .enum(['system', 'developer', 'user', 'assistant', 'tool'])
    .transform((role) => (role === 'developer' ? 'system' : role)),
  /** Absent only where tools are called. */
  content: contentSchema.nullish(),
  tool_calls: z.array(callSchema).max(128).nullish(),
  tool_call_id: z.string().nullish(),
})

/** A message as chat templates have it. @throws ServeError for one without words, or a call whose arguments are no JSON */
export function chatMessage(message: z.infer<typeof messageSchema>, i: number): ChatMessage {
  const { role, content, tool_calls: calls, tool_call_id: id } = message
  const called = role === 'assistant' && calls != null && calls.length > 0 ? calls : undefined
  if (content == null && !called)
    throw new ServeError(400, `messages.${i}.content: is missing`, { param: `messages.${i}.content` })
  return {
    role,
    content: content ?? '',
    ...(called && { tool_calls: called.map((call, k) => templateCall(call, `messages.${i}.tool_calls.${k}`)) }),
    ...(role === 'tool' && id != null && { tool_call_id: id }),
  }
}

/** A call as chat templates have it: they write its arguments themselves. */
function templateCall({ id, function: { name: tool, arguments: given } }: z.infer<typeof callSchema>, at: string) {
  try {
    return {
      ...(id !== undefined && { id }),
      type: 'function',
      function: { name: tool, arguments: JSON.parse(given) as unknown },
    }
  } catch {
    const param = `${at}.function.arguments`
    throw new ServeError(400, `${param}: is not valid JSON`, { param })
  }
}

/** Calls as they go back. @param index whether each has its number, as in chunks */
export const toolCallsOf = (calls: readonly ToolCall[], index: boolean): readonly object[] =>
  calls.map((call, i) => ({
    ...(index && { index: i }),
    id: `call_${randomUUID().replaceAll('-', '').slice(0, 24)}`,
    type: 'function',
    function: call,
  }))
