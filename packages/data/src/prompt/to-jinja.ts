// A prompt template as Jinja, for those who read nothing else: GGUF metadata, tokenizer_config.json, a model card.

import type { PromptTemplate } from './template'

/** A Jinja expression for a text. */
const quoted = (text: string): string => JSON.stringify(text)

/**
 * The Jinja source that renders a conversation as `askedIds` puts it: the chat template itself, or each of the user's messages
 * in the frame of an instruction, all others one after another. BOS is the tokenizer's to put before it.
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
