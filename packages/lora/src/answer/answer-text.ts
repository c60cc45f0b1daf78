// An answer read from its tokens: text up to a stop, log probabilities, calls of tools.
import {
  ToolCallText,
  type Answer,
  type Ask,
  type LikelyToken,
  type Piece,
  type PromptTemplate,
  type StopText,
  type TextStream,
  type TokenLogprob,
  type Tokenizer,
} from '@jora/data'
import type { ScoredId, Token } from '@jora/llama'

const utf8 = new TextDecoder('utf-8', { ignoreBOM: true })

/** Who reads. */
interface Reading {
  readonly tokenizer: Tokenizer
  readonly prompt: PromptTemplate
}

/** Takes tokens as they come, and gives the pieces of an answer. */
export class AnswerText {
  readonly #tokenizer: Tokenizer
  readonly #stops: StopText
  readonly #decoding: TextStream
  /** Absent where no tools were offered. */
  readonly #tools: ToolCallText | undefined
  readonly #ids: number[] = []
  readonly #logprobs: TokenLogprob[] = []
  #text = ''

  constructor({ tokenizer, prompt }: Reading, ask: Ask, stops: StopText) {
    this.#tokenizer = tokenizer
    this.#stops = stops
    const tools = ('messages' in ask && ask.tools) || []
    if (tools.length > 0) this.#tools = new ToolCallText(prompt.chat ?? '', tools.map(nameOf))
    // Some families begin calls with a special token.
    this.#decoding = tokenizer.textStream({ skipSpecialTokens: this.#tools === undefined, continuation: true })
  }

  /** Whether a stop text came: nothing more is read. */
  get stopped(): boolean {
    return this.#stops.reached
  }

  push({ id, logprob, top = [] }: Token): Piece {
    this.#ids.push(id)
    const text = this.#show(this.#stops.push(this.#decoding.push(id)))
    if (logprob === undefined) return { text, ids: [id] }
    const likely = (scored: ScoredId): LikelyToken => ({ ...scored, ...this.#spelt(scored.id) })
    const made: TokenLogprob = { ...likely({ id, logprob }), top: top.map(likely) }
    this.#logprobs.push(made)
    return { text, ids: [id], logprobs: [made] }
  }

  /** The last piece. @param finishReason of the tokens, unless a stop text came */
  end(finishReason: Answer['finishReason'], promptTokens: number): Piece {
    const held = this.#stops.reached ? '' : this.#stops.push(this.#decoding.flush()) + this.#stops.flush()
    let last = this.#show(held)
    const called = this.#tools?.end()
    last += called?.rest ?? ''
    this.#text += called?.rest ?? ''
    const answer: Answer = {
      text: this.#text,
      ids: this.#ids,
      finishReason: this.#stops.reached ? 'stop' : finishReason,
      promptTokens,
      ...(this.#logprobs.length > 0 && { logprobs: this.#logprobs }),
      ...(called && called.calls.length > 0 && { toolCalls: called.calls }),
    }
    return { text: last, ids: [], answer }
  }

  #show(text: string): string {
    const shown = this.#tools ? this.#tools.push(text) : text
    this.#text += shown
    return shown
  }

  #spelt(id: number): Pick<LikelyToken, 'text' | 'bytes'> {
    const bytes = this.#tokenizer.idToBytes(id)
    return { bytes, text: utf8.decode(bytes) }
  }
}

/** The name of a tool, in OpenAI's form or plain. */
function nameOf(tool: Readonly<Record<string, unknown>>): string {
  const of = (tool.function ?? tool) as { readonly name?: unknown }
  return typeof of.name === 'string' ? of.name : ''
}
