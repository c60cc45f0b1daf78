// Chat templates: a conversation as the texts that are learned and those that are not, by where messages begin and end.

import { JinjaTemplate } from '../jinja/template'
import type { JsonRecord } from '../rows/json'
import type { ChatMessage } from '../rows/row-formats'
import type { Segment } from './segment'
import type { Tokenizer } from '../tokenizer/tokenizer'

/** What stands around the text of a lone user message: before it, and from it to where the answer begins. */
export interface UserFrame {
  readonly before: string
  readonly after: string
}

const commonStart = (a: string, b: string): number => {
  let n = 0
  while (n < a.length && a[n] === b[n]) n++
  return n
}

/** Names that a message's reasoning is passed under; templates read the first, and gpt-oss's the second. */
const reasoningKeys = ['reasoning_content', 'thinking', 'reasoning'] as const

/** Messages as transformers hands them to a template: without keys that are null and without what training alone heeds (`weight`), their reasoning under the names templates know. */
export function templateMessages(messages: readonly object[]): Record<string, unknown>[] {
  return messages.map((message) => {
    const plain: Record<string, unknown> = Object.fromEntries(
      Object.entries(message).filter(([key, value]) => key !== 'weight' && value !== null && value !== undefined),
    )
    const reasoning = reasoningKeys.map((key) => plain[key]).find((value) => value !== undefined)
    return reasoning === undefined ? plain : { thinking: reasoning, ...plain, reasoning_content: reasoning }
  })
}

/** The chat template of a tokenizer. */
export class ChatTemplate {
  readonly #template: JinjaTemplate
  readonly #tokens: { readonly bos_token: string; readonly eos_token: string }
  #frame: UserFrame | undefined
  /** Jinja source. */
  readonly source: string

  /**
   * @param source Jinja source (default: the tokenizer's own)
   * @throws Error when there is no chat template, or it is no Jinja
   */
  constructor(tokenizer: Tokenizer, source = tokenizer.chatTemplate) {
    const { name, bosId, eosId } = tokenizer
    if (source === undefined) {
      throw new Error(
        `tokenizer ${name} has no chat template; expected "chat_template" in tokenizer_config.json or a chat_template.jinja`,
      )
    }
    try {
      this.#template = new JinjaTemplate(source)
    } catch (error) {
      throw new Error(`tokenizer ${name}: the chat template cannot be read: ${(error as Error).message}`)
    }
    this.source = source
    const token = (id: number | undefined) => (id === undefined ? '' : (tokenizer.idToToken(id) ?? ''))
    this.#tokens = { bos_token: token(bosId), eos_token: token(eosId) }
  }

  /** @throws Error with the template's own words when it refuses the messages */
  render(messages: readonly ChatMessage[], addGenerationPrompt: boolean, tools?: readonly JsonRecord[]): string {
    try {
      return this.#template.render({
        messages: templateMessages(messages),
        add_generation_prompt: addGenerationPrompt,
        tools: tools ?? null,
        documents: null,
        ...this.#tokens,
      })
    } catch (error) {
      throw new Error(`the chat template refuses the messages: ${(error as Error).message}`)
    }
  }

  /**
   * The conversation in pieces that make its rendered text: every assistant's words with the marker that ends them are
   * learned. What is learned is known from where renderings of ever more messages end, not by searching for a marker.
   *
   * @throws Error when the template drops an answer, or renders a message otherwise once others follow
   */
  segments(messages: readonly ChatMessage[], tools?: readonly JsonRecord[]): Segment[] {
    this.#checkTools(messages, tools)
    const segments: Segment[] = []
    let done = ''
    messages.forEach(({ role, content, weight }, i) => {
      if (role !== 'assistant') return
      const before = this.render(messages.slice(0, i), true, tools)
      if (!before.startsWith(done))
        throw new Error(`the chat template renders messages[${i - 1}] and those before otherwise once more follow`)
      const answer = this.#answer(
        before,
        this.render(messages.slice(0, i + 1), false, tools),
        content,
        `messages[${i}]`,
      )
      segments.push({ text: before.slice(done.length), learned: false }, { ...answer, learned: weight === undefined })
      done = before + answer.text
    })
    return segments
  }

  /** @throws Error when the template knows nothing of tools, or drops a call of one */
  #checkTools(messages: readonly ChatMessage[], tools: readonly JsonRecord[] | undefined): void {
    if (tools !== undefined && this.render(messages, false, tools) === this.render(messages, false))
      throw new Error('the chat template does not show "tools"; expected rows without them, or a model made for tools')
    messages.forEach(({ tool_calls: calls, ...message }, i) => {
      if (calls === undefined) return
      const render = (last: ChatMessage) => this.render([...messages.slice(0, i), last], false, tools)
      if (render({ ...message, tool_calls: calls }) === render(message))
        throw new Error(`the chat template drops "tool_calls" of messages[${i}]`)
    })
  }

  /** What stands around a lone user message. @throws Error when the template drops or changes its text */
  frame(): UserFrame {
    if (this.#frame === undefined) {
      const [a, b] = ['A', 'B'].map((content) => this.render([{ role: 'user', content }], true)) as [string, string]
      const start = commonStart(a, b)
      const frame = { before: a.slice(0, start), after: a.slice(start + 1) }
      if (a[start] !== 'A' || b !== `${frame.before}B${frame.after}`)
        throw new Error('the chat template does not show a user message once, as it stands')
      this.#frame = frame
    }
    return this.#frame
  }

  /** The learned part after a lone user message. */
  answer(content: string): Segment {
    const { before, after } = this.frame()
    const prompt = `${before}A${after}`
    const whole = this.render(
      [
        { role: 'user', content: 'A' },
        { role: 'assistant', content },
      ],
      false,
    )
    return this.#answer(prompt, whole, content, 'the answer')
  }

  /** The text that ends an answer; '' where the template writes none, and EOS follows. */
  endMark(): string {
    const content = 'Yes.'
    try {
      const { text } = this.answer(content)
      return text.slice(text.indexOf(content) + content.length).trim()
    } catch {
      return '' // It takes no lone question: its conversations end as the model's EOS says.
    }
  }

  #answer(before: string, whole: string, content: string, what: string): Segment {
    if (!whole.startsWith(before))
      throw new Error(`the chat template does not begin ${what} with its own generation prompt`)
    const rest = whole.slice(before.length)
    if (!rest.includes(content.trim())) throw new Error(`the chat template drops ${what}`)
    // White space behind the end marker belongs to the next message: generation has stopped by then.
    const text = rest.trimEnd()
    return { text, learned: true, ends: text === content.trim() }
  }
}

const known = new WeakMap<Tokenizer, Map<string | undefined, ChatTemplate>>()

/** The chat template of `source` (default: the tokenizer's own), read once. @throws Error as the constructor does */
export function chatTemplateOf(tokenizer: Tokenizer, source = tokenizer.chatTemplate): ChatTemplate {
  let templates = known.get(tokenizer)
  if (!templates) known.set(tokenizer, (templates = new Map()))
  let template = templates.get(source)
  if (!template) templates.set(source, (template = new ChatTemplate(tokenizer, source)))
  return template
}
