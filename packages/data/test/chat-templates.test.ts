// Chat templates of popular models against Python's Jinja as transformers sets it up.
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { templateMessages } from '../src/prompt/messages'
import { parseJson } from '../src/records/json-text'
import { JinjaTemplate } from '../src/jinja/template'

interface Conversation {
  readonly messages: readonly Record<string, unknown>[]
  readonly add_generation_prompt: boolean
  readonly tools: readonly unknown[] | null
}

interface Goldens {
  readonly now: string
  readonly tokens: Readonly<Record<string, string>>
  readonly conversations: readonly Conversation[]
  /** For each conversation the start of the text's SHA-256, or what the template refuses it with after "!". */
  readonly templates: Readonly<Record<string, { readonly source: string; readonly texts: readonly string[] }>>
}
const path = process.env.JORA_TEMPLATE_GOLDENS ?? join(import.meta.dirname, 'goldens/chat-templates.json')
const goldens = parseJson(readFileSync(path, 'utf8'), { numbers: 'source' }) as Goldens

function rendered(template: JinjaTemplate, conversation: Conversation): string {
  const { messages, tools, add_generation_prompt } = conversation
  const variables = {
    messages: templateMessages(messages),
    tools,
    add_generation_prompt,
    documents: null,
    ...goldens.tokens,
  }
  return template.render(variables, new Date(goldens.now))
}

describe.each(Object.keys(goldens.templates))('%s', (name) => {
  const { source, texts } = goldens.templates[name]!
  const template = new JinjaTemplate(source)

  test('gives the texts that Python gives, or refuses where it does', () => {
    const ours = goldens.conversations.map((conversation) => {
      try {
        return createHash('sha256').update(rendered(template, conversation)).digest('hex').slice(0, 12)
      } catch (error) {
        return `!${(error as Error).message}`
      }
    })
    expect(ours).toEqual(texts)
  })
})
