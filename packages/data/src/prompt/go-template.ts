// A prompt template as a Go template, which Ollama's Modelfile has in place of Jinja.
import type { ChatMessage } from '../rows/row-formats'
import type { Tokenizer } from '../tokenizer/tokenizer'
import { ChatTemplate } from './chat'
import type { PromptTemplate } from './template'
import { toJinja } from './to-jinja'

/** What is written between the messages of a conversation whose turns alternate. */
interface Between {
  /** Before the first message, where that is the user's; without BOS. */
  readonly start: string
  /** Before and behind the system's message; before the user's first. */
  readonly system: readonly [before: string, behind: string]
  readonly userToAssistant: string
  readonly assistantToUser: string
  /** Behind the user's last message, up to where the answer begins. */
  readonly answer: string
}

/** A Go template, and what it does otherwise than the prompt template. */
export interface GoTemplate {
  /** The template, for `TEMPLATE` of a Modelfile. BOS is the tokenizer's to put before it. */
  readonly text: string
  /** Sentences for the user. */
  readonly notes: readonly string[]
}

const said = (role: 'system' | 'user' | 'assistant', content: string): ChatMessage => ({ role, content })
/** Words that no template has. */
const [system, first, reply, second] = ['Zsystemz', 'Zfirstz', 'Zreplyz', 'Zsecondz'] as const
const turns = [said('user', first), said('assistant', reply), said('user', second)]

/**
 * The Go template that renders conversations as a prompt template does. What it writes around messages is found by rendering
 * some: a Jinja program as such has no counterpart in Go.
 *
 * @throws Error where the prompt template writes more than texts between alternating turns
 */
export function goTemplate(template: PromptTemplate, tokenizer: Tokenizer): GoTemplate {
  const chat = new ChatTemplate(tokenizer, toJinja(template), template.time)
  const bos = tokenizer.bosId === undefined ? '' : (tokenizer.idToToken(tokenizer.bosId) ?? '')
  const rendered = (messages: readonly ChatMessage[]): string => {
    const text = chat.render(messages, true)
    return bos !== '' && text.startsWith(bos) ? text.slice(bos.length) : text
  }
  const [start, userToAssistant, assistantToUser, answer] = pieces(rendered(turns), [first, reply, second])
  const plain = { start: start!, userToAssistant: userToAssistant!, assistantToUser: assistantToUser!, answer: answer! }
  const between: Between = { ...plain, system: systemOf(rendered) ?? [plain.start, '\n\n'] }
  const differs = examples.find((messages) => byParts(messages, between) !== rendered(messages))
  if (differs)
    throw new Error(
      `the ${template.name} template does not write conversations turn by turn: one of ${differs.length} messages cannot be written as a Go template`,
    )
  const sameWithSystem = examples.every((messages) => {
    const all = [said('system', 'Be brief.'), ...messages]
    try {
      return byParts(all, between) === rendered(all)
    } catch {
      return false
    }
  })
  const lines = [said('user', 'One line.\n\n  Another.')]
  const notes = [
    ...(sameWithSystem ? [] : [systemNote]),
    ...(byParts(lines, between) === rendered(lines) ? [] : [contentNote]),
  ]
  return { text: asGo(between), notes }
}

const systemNote =
  'a system message comes before the first question of the user: the model’s own template puts it elsewhere, or takes none'
const contentNote = 'messages are written as they are: the model’s own template changes white space in them'

/** Conversations that are compared. */
const examples: readonly (readonly ChatMessage[])[] = [1, 3, 5].map((count) =>
  Array.from({ length: count }, (_, n) =>
    n % 2 === 0 ? said('user', `What is ${n} + 1?`) : said('assistant', `It is ${n}, “yes”.`),
  ),
)

/** What is written around the system's message; undefined where the template takes none. */
function systemOf(rendered: (messages: readonly ChatMessage[]) => string): Between['system'] | undefined {
  try {
    const [before, behind] = pieces(rendered([said('system', system), said('user', first)]), [system, first])
    return [before!, behind!]
  } catch {
    return undefined
  }
}

/** A text cut at words that it has once each, in this order. @throws Error where it has not */
function pieces(text: string, words: readonly string[]): string[] {
  const found: string[] = []
  let from = 0
  for (const word of words) {
    const at = text.indexOf(word, from)
    if (at < 0) throw new Error('the prompt template drops a message, or changes their order')
    found.push(text.slice(from, at))
    from = at + word.length
  }
  return [...found, text.slice(from)]
}

/** What the Go template renders. */
function byParts(messages: readonly ChatMessage[], between: Between): string {
  return messages
    .map(({ role, content }, i) => {
      const isLast = i === messages.length - 1
      if (role === 'system') return between.system[0] + content + between.system[1]
      if (role === 'assistant') return content + (isLast ? '' : between.assistantToUser)
      return (i === 0 ? between.start : '') + content + (isLast ? between.answer : between.userToAssistant)
    })
    .join('')
}

/** Text as it is in a Go template. */
const literal = (text: string): string => text.replaceAll('{{', '{{ "{{" }}')

function asGo({ start, system: around, userToAssistant, assistantToUser, answer }: Between): string {
  const [before, behind] = around.map(literal)
  return [
    '{{ range $i, $m := .Messages }}{{ $last := eq (len (slice $.Messages $i)) 1 }}',
    `{{ if eq $m.Role "system" }}${before}{{ $m.Content }}${behind}`,
    `{{ else if eq $m.Role "user" }}{{ if eq $i 0 }}${literal(start)}{{ end }}{{ $m.Content }}`,
    `{{ if $last }}${literal(answer)}{{ else }}${literal(userToAssistant)}{{ end }}`,
    `{{ else if eq $m.Role "assistant" }}{{ $m.Content }}{{ if not $last }}${literal(assistantToUser)}{{ end }}`,
    '{{ end }}{{ end }}',
  ].join('')
}
