// An Answerer for tests that says words of its own, one a piece, at a pace that the test sets.
import { answerOf, type Answer, type Answerer, type AnswerOptions, type Ask, type Piece } from '@jora/data'

const textOf = (ask: Ask): string => {
  if ('prompt' in ask) return ask.prompt
  if ('messages' in ask) return ask.messages.at(-1)!.content
  return 'question' in ask ? ask.question : ''
}

/** Settles when the signal is aborted, as a model that hears of it does. */
const aborted = (signal?: AbortSignal): Promise<void> =>
  new Promise((resolve) => signal?.addEventListener('abort', () => resolve(), { once: true }))

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

  async *stream(ask: Ask, options: AnswerOptions = {}): AsyncGenerator<Piece, void> {
    this.asked.push({ ask, options })
    const { maxNewTokens = 256, signal } = options
    const asked = textOf(ask).split(' ')
    if (asked.length > 100) throw new RangeError(`the prompt has ${asked.length} tokens, the model takes at most 100`)
    if (asked[0] === 'break') throw new Error('a fault of the model')
    const words = asked.slice(0, maxNewTokens)
    let done = false
    try {
      for (const [i, word] of words.entries()) {
        await Promise.race([this.pace(i), aborted(signal)])
        signal?.throwIfAborted()
        if (word === 'break') throw new Error('a fault half way')
        yield { text: (i === 0 ? '' : ' ') + word.toUpperCase(), ids: [i] }
      }
      done = true
      const documents = 'documents' in ask ? (ask.documents ?? []) : []
      yield {
        text: '',
        ids: [],
        answer: {
          text: words.join(' ').toUpperCase(),
          ids: words.map((_, i) => i),
          finishReason: words.length < asked.length ? 'length' : 'stop',
          promptTokens: asked.length,
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
