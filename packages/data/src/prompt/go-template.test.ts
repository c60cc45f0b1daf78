// Go templates of prompt templates, against what Go itself makes of them (tooling/reference/go_templates).
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { llamaLike } from '../../test/tiny-tokenizers'
import { createTokenizer } from '../tokenizer/tokenizer'
import { ChatTemplate } from './chat'
import { goTemplate, type GoTemplate } from './go-template'
import { frames, promptTemplates, type PromptTemplate } from './template'
import { toJinja } from './to-jinja'

const goldens = join(import.meta.dirname, '../../test/goldens')
const readJson = <T>(name: string): T => JSON.parse(readFileSync(join(goldens, name), 'utf8')) as T
const { templates: chats } = readJson<{ templates: Record<string, { source: string }> }>('chat-templates.json')
const tokenizer = createTokenizer(llamaLike())

const base = { documents: 'auto', stops: [], time: '2026-03-01T12:00:00Z' } as const
const templates = new Map<string, PromptTemplate>([
  ...promptTemplates
    .filter((name) => name !== 'chat')
    .map((name) => [`frames of ${name}`, { ...base, name, frames: frames[name] }] as const),
  ...Object.entries(chats).map(
    ([name, { source }]) => [name, { ...base, name: 'chat', frames: frames.chat, chat: source }] as const,
  ),
])

/** What cannot be said by texts between turns. */
function made(template: PromptTemplate): GoTemplate | { readonly refused: string } {
  try {
    return goTemplate(template, tokenizer)
  } catch (error) {
    return { refused: (error as Error).message }
  }
}
const all = new Map([...templates].map(([name, template]) => [name, made(template)]))

const said = (...contents: string[]) =>
  contents.map((content, n) => ({ role: n % 2 === 0 ? 'user' : 'assistant', content }))
const conversations = [
  said('Who was the keeper?'),
  said('What is {{ 1 + 1 }}?', 'Two.', 'And “3”?'),
  said('a', 'b', 'c\n\nd', 'e', 'f <tag> & g'),
]
const withSystem = conversations.map((messages) => [
  { role: 'system', content: 'Answer from the documents.' },
  ...messages,
])

test('Go renders them as Jinja does', () => {
  const made = [...all].flatMap(([name, go]) => ('text' in go ? [[name, go] as const] : []))
  const input = {
    templates: Object.fromEntries(made.map(([name, { text }]) => [name, text])),
    conversations: [...conversations, ...withSystem],
  }
  if (process.env.JORA_WRITE_GO_TEMPLATES) writeFileSync(process.env.JORA_WRITE_GO_TEMPLATES, JSON.stringify(input))
  const { texts, ...given } = readJson<typeof input & { texts: Record<string, string[]> }>('go-templates.json')
  expect(input, 'the goldens are of other templates: make them anew').toEqual(given)
  for (const [name, { notes }] of made) {
    const template = templates.get(name)!
    const chat = new ChatTemplate(tokenizer, toJinja(template), template.time)
    const asked = notes.length === 0 ? input.conversations : conversations.slice(0, 2)
    for (const [i, messages] of asked.entries())
      expect(texts[name]![i], `${name}, conversation ${i}`).toBe(
        chat.render(messages as Parameters<ChatTemplate['render']>[0], true).replace(/^<s>/, ''),
      )
  }
})

test('what a template does otherwise is said', () => {
  const kinds = [...all].map(([name, go]) => [
    name,
    'refused' in go ? 'refused' : go.notes.length === 0 ? 'same' : 'note',
  ])
  const of = (kind: string) => kinds.filter(([, its]) => its === kind).map(([name]) => name)
  expect({ refused: of('refused'), note: of('note'), same: of('same').length }).toMatchInlineSnapshot(`
    {
      "note": [
        "gemma",
        "mistral-v0.1",
        "mistral-v0.3",
        "falcon",
      ],
      "refused": [],
      "same": 41,
    }
  `)
})

test('braces of a template stay what they are', () => {
  const chat = "{% for m in messages %}{{ '{{' + m.content + '}}' }}{% endfor %}"
  const { text } = goTemplate({ ...base, name: 'chat', frames: frames.chat, chat }, tokenizer)
  expect(text).toContain('{{ if eq $i 0 }}{{ "{{" }}{{ end }}{{ $m.Content }}')
})
