// A prompt template as Jinja, for those who read nothing else: GGUF metadata, tokenizer_config.json, a model card.

import type { PromptTemplate } from './template'

/** A Jinja expression for a text. */
const quoted = (text: string): string => JSON.stringify(text)

/**
 * The Jinja source that renders a conversation as `askedIds` does: the chat template itself, or each user message in
 * the frame of an instruction and all other messages as they are. It does not write BOS: that is left to the tokenizer.
 */
export function toJinja({ chat, frames }: PromptTemplate): string {
  if (chat !== undefined) return chat
  const parts = frames.instruction.split('{instruction}').map(quoted)
  const user = parts.join(" + message['content'] + ")
  return (
    "{% for message in messages %}{% if message['role'] == 'user' %}" +
    `{{ ${user} }}` +
    `{% else %}{{ message['content'] + ${quoted('\n\n')} }}` +
    '{% endif %}{% endfor %}'
  )
}
