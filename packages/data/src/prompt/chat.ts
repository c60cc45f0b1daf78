// Chat templates: a conversation as the texts that are learned and those that are not, by where messages begin and end.

import { JinjaTemplate } from '../jinja/template'
import { strip, stripEnd } from '../jinja/strings'
import type { ChatMessage, ChatRow } from '../rows/row-formats'
import { templateMessages } from './messages'
import type { Segment } from './segment'
import type { Tokenizer } from '../tokenizer/tokenizer'

/** What is around the text of a lone user message: before it, and from it to where the answer begins. */
export interface UserFrame {
  readonly before: string
  readonly after: string
}

/** What a chat template is given. */
export type Conversation = Pick<ChatRow, 'messages' | 'tools'>

/** An answer, and the text before it. */
export interface Turn {
  readonly prompt: string
  readonly answer: Segment
}

const commonStart = (a: string, b: string): number => {
  let n = 0
  while (n < a.length && a[n] === b[n]) n++
  return n
}

/**
 * A model's chat template, run by our own Jinja: renders conversations, and finds which parts of the text are learned.
 */
export class ChatTemplate {
  readonly #template: JinjaTemplate
  readonly #tokens: { readonly bos_token: string; readonly eos_token: string }
  readonly #endsWithAddedToken: (text: string) => boolean
  #frame: UserFrame | undefined
  /** Jinja source. */
  readonly source: string

  /**
   * @param source Jinja source (default: the tokenizer's own)
   * @param time ISO 8601, what `strftime_now` shows (default: the time of each call)
   * @throws Error when there is no chat template, or it is no Jinja
   */
  constructor(
    tokenizer: Tokenizer,
    source = tokenizer.chatTemplate,
    readonly time?: string,
  ) {
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
    this.#endsWithAddedToken = (text) => tokenizer.endsWithAddedToken(text)
    const token = (id: number | undefined) => (id === undefined ? '' : (tokenizer.idToToken(id) ?? ''))
    this.#tokens = { bos_token: token(bosId), eos_token: token(eosId) }
  }

  /** @throws Error with the template's own words when it refuses the messages */
  render(messages: readonly ChatMessage[], addGenerationPrompt: boolean, tools?: Conversation['tools']): string {
    try {
      const variables = {
        messages: templateMessages(messages),
        add_generation_prompt: addGenerationPrompt,
        tools: tools ?? null,
        documents: null,
        ...this.#tokens,
      }
      return this.#template.render(variables, this.time === undefined ? new Date() : new Date(this.time))
    } catch (error) {
      throw new Error(`the chat template refuses the messages: ${(error as Error).message}`)
    }
  }

  /**
   * Each answer of the conversation with all that comes before it, rendered as when it is the last. What is learned is known
   * from where renderings of ever more messages end, not by searching for a marker.
   *
   * @throws Error when the template drops an answer, tools, or what is said of them
   */
  turns({ messages, tools }: Conversation): Turn[] {
    this.#requireTools(messages, tools)
    return messages.flatMap((message, i): Turn[] => {
      if (message.role !== 'assistant') return []
      const whole = this.render(messages.slice(0, i + 1), false, tools)
      const prompt = i === 0 ? this.#opening(whole, message) : this.render(messages.slice(0, i), true, tools)
      const { weight } = message
      const answer = this.#answer(prompt, whole, message, `messages[${i}]`)
      return [{ prompt, answer: { ...answer, learned: weight === undefined } }]
    })
  }

  /**
   * The conversation in pieces that make its rendered text: what assistants say, with the marker that ends it, is learned.
   * Undefined when the template renders an answer otherwise once others follow; then each turn has its own text.
   *
   * @throws Error as {@link turns} does
   */
  segments(conversation: Conversation): Segment[] | undefined {
    const segments: Segment[] = []
    const eos = this.#tokens.eos_token
    let done = ''
    for (const { prompt, answer } of this.turns(conversation)) {
      if (!prompt.startsWith(done)) return undefined
      let between = prompt.slice(done.length)
      const before = segments.at(-1)
      if (before?.ends === true && eos !== '' && between.startsWith(eos)) {
        // The template writes EOS behind an answer once others follow: it is the one that is learned.
        segments[segments.length - 1] = { text: before.text + eos, learned: before.learned }
        between = between.slice(eos.length)
      }
      segments.push({ text: between, learned: false }, answer)
      done = prompt + answer.text
    }
    return segments
  }

  /**
   * The text before and after a user message that is alone in its conversation.
   * @throws Error when the template drops or changes the message
   */
  frame(): UserFrame {
    if (this.#frame === undefined) {
      const [a, b] = ['A', 'B'].map((content) => this.render([{ role: 'user', content }], true)) as [string, string]
      const start = commonStart(a, b)
      const frame = { before: a.slice(0, start), after: a.slice(start + 1) }
      if (a[start] !== 'A' || b !== `${frame.before}B${frame.after}`)
        throw new Error('the chat template does not write a user message exactly once, unchanged')
      this.#frame = frame
    }
    return this.#frame
  }

  /** The learned segment that answers a user message alone in its conversation: `content` and what ends it. */
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
    return this.#answer(prompt, whole, { role: 'assistant', content }, 'the answer')
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

  #answer(before: string, whole: string, message: ChatMessage, what: string): Segment {
    if (!whole.startsWith(before))
      throw new Error(`the chat template does not begin ${what} with its own generation prompt`)
    // White space behind the end marker belongs to the next message: generation has stopped by then.
    const text = stripEnd(whole.slice(before.length))
    let end = 0
    // Templates write a model's thoughts in their own way, so what is between think tags is looked for by itself.
    for (const said of message.content.split(/<\/?think>/)) {
      const at = text.indexOf(strip(said), end)
      if (at < 0) throw new Error(`the chat template drops ${what}, or changes its text`)
      end = at + strip(said).length
    }
    // What the template writes behind the words; after a call of tools, the call too.
    const tail = text.slice(end)
    return { text, learned: true, ends: !this.#endsWithAddedToken(tail) }
  }

  /** What is before an answer that begins the conversation: there is no prompt to render. */
  #opening(whole: string, { content }: ChatMessage): string {
    const at = strip(content) === '' ? -1 : whole.indexOf(strip(content))
    return at < 0 ? this.render([], true) : whole.slice(0, at)
  }

  /** Undefined where the template, made for tools alone, refuses. */
  #renderWithoutTools(messages: readonly ChatMessage[]): string | undefined {
    try {
      return this.render(messages, false)
    } catch {
      return undefined
    }
  }

  /** @throws Error where the text is the same without the tools, the calls, or what a tool or the system says */
  #requireTools(messages: readonly ChatMessage[], tools: Conversation['tools']): void {
    if (tools !== undefined && this.render(messages, false, tools) === this.#renderWithoutTools(messages))
      throw new Error('the chat template does not show "tools"; expected rows without them, or a model made for tools')
    messages.forEach((message, i) => {
      const until = messages.slice(0, i)
      const shows = (other: ChatMessage) =>
        this.render([...until, other], false, tools) !== this.render([...until, message], false, tools)
      const { tool_calls: calls, reasoning_content: reasoning, ...rest } = message
      if (
        calls !== undefined &&
        !shows({ ...rest, ...(reasoning === undefined ? {} : { reasoning_content: reasoning }) })
      )
        throw new Error(`the chat template drops "tool_calls" of messages[${i}]`)
      if (reasoning !== undefined && !shows({ ...rest, ...(calls === undefined ? {} : { tool_calls: calls }) }))
        throw new Error(`the chat template drops "reasoning_content" of messages[${i}]`)
      if (message.role === 'tool' && !shows({ ...message, content: `${message.content}.` }))
        throw new Error(`the chat template leaves out the message of a tool, messages[${i}]`)
    })
  }
}

const known = new WeakMap<Tokenizer, Map<string, ChatTemplate>>()

/** The chat template of `source` (default: the tokenizer's own) at `time`, read once. @throws Error as the constructor does */
export function chatTemplateOf(tokenizer: Tokenizer, source = tokenizer.chatTemplate, time?: string): ChatTemplate {
  let templates = known.get(tokenizer)
  if (!templates) known.set(tokenizer, (templates = new Map()))
  const key = `${time ?? ''}\n${source ?? ''}`
  let template = templates.get(key)
  if (!template) templates.set(key, (template = new ChatTemplate(tokenizer, source, time)))
  return template
}
