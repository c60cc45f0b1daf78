// An Answerer for tests that says words of its own, one a piece, at a pace that the test sets.
import {
  answerOf,
  type Answer,
  type Answerer,
  type AnswerOptions,
  type Ask,
  type Embeddings,
  type LikelyToken,
  type Piece,
  type TokenLogprob,
} from '@jora/data'

const textOf = (ask: Ask): string => {
  if ('prompt' in ask) return ask.prompt
  if ('messages' in ask) return ask.messages.at(-1)!.content
  return 'question' in ask ? ask.question : ''
}

/** Settles when the signal is aborted, as a model that hears of it does. */
const aborted = (signal?: AbortSignal): Promise<void> =>
  new Promise((resolve) => signal?.addEventListener('abort', () => resolve(), { once: true }))

/** A token as likely as its place says, before another. */
function logprobOf(place: number, text: string, top: number): TokenLogprob {
  const likely = (of: string): LikelyToken => ({ id: place, text: of, bytes: Buffer.from(of), logprob: -1 - place })
  return { ...likely(text), top: [likely(text), likely('x')].slice(0, top) }
}

/** Says what it was asked, in capitals, and which seed and how many words it had. */
export class Speaker implements Answerer {
  readonly asked: { ask: Ask; options: AnswerOptions }[] = []
  /** Answers that were left before their end. */
  left = 0
  /** Called before each word, with its place. */
  pace: (place: number) => Promise<void> = async () => {}

  ask(ask: Ask, options?: AnswerOptions): Promise<Answer> {
    return answerOf(this.stream(ask, options))
  }

  chat(messages: Parameters<Answerer['chat']>[0], options?: AnswerOptions): AsyncIterable<Piece> {
    return this.stream({ messages }, options)
  }

  async *askAll(asks: readonly Ask[], options?: AnswerOptions) {
    for (const [index, ask] of asks.entries()) yield { ...(await this.ask(ask, options)), index }
  }

  /** The length of each, and a half. */
  async embed(texts: readonly (string | readonly number[])[]): Promise<Embeddings> {
    const vectors = texts.map(({ length }) => Float32Array.of(length, 0.5))
    return { vectors, tokens: texts.reduce((sum, { length }) => sum + length, 0) }
  }

  async *stream(ask: Ask, options: AnswerOptions = {}): AsyncGenerator<Piece, void> {
    this.asked.push({ ask, options })
    const { maxNewTokens = 256, signal } = options
    const asked = textOf(ask).split(' ')
    if (asked.length > 100) throw new RangeError(`the prompt has ${asked.length} tokens, the model takes at most 100`)
    if (asked[0] === 'break') throw new Error('a fault of the model')
    const words = asked.slice(0, maxNewTokens)
    const said: TokenLogprob[] = []
    // Who is told to call a tool calls it twice.
    const called = ('messages' in ask && ask.tools && words[0] === 'call') || false
    const toolCalls = [0, 1].map(() => ({ name: words[1]!, arguments: '{}' }))
    let done = false
    try {
      for (const [i, word] of called ? [] : words.entries()) {
        await Promise.race([this.pace(i), aborted(signal)])
        signal?.throwIfAborted()
        if (word === 'break') throw new Error('a fault half way')
        const text = (i === 0 ? '' : ' ') + word.toUpperCase()
        const logprobs = options.logprobs === undefined ? [] : [logprobOf(i, text, options.logprobs)]
        said.push(...logprobs)
        yield { text, ids: [i], ...(logprobs.length > 0 && { logprobs }) }
      }
      done = true
      const documents = 'documents' in ask ? (ask.documents ?? []) : []
      yield {
        text: '',
        ids: [],
        answer: {
          text: called ? '' : words.join(' ').toUpperCase(),
          ids: words.map((_, i) => i),
          finishReason: words.length < asked.length ? 'length' : 'stop',
          promptTokens: asked.length,
          ...(said.length > 0 && { logprobs: said }),
          ...(called && { toolCalls }),
          ...(documents.length > 0 && {
            passages: documents.map((document, index) => ({ ...document, index, score: 1 })),
          }),
        },
      }
    } finally {
      if (!done) this.left++
    }
  }
}
