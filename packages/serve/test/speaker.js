// An Answerer for tests that says words of its own, one a piece, at a pace that the test sets.
import { answerOf } from '@jora/data'
const textOf = (ask) => {
  if ('prompt' in ask) return ask.prompt
  if ('messages' in ask) return ask.messages.at(-1).content
  return 'question' in ask ? ask.question : ''
}
/** Says what it was asked, in capitals, and which seed and how many words it had. */
export class Speaker {
  asked = []
  /** Answers that were left before their end. */
  left = 0
  /** Called before each word, with its place. */
  pace = async () => {}
  ask(ask, options) {
    return answerOf(this.stream(ask, options))
  }
  chat(messages, options) {
    return this.stream({ messages }, options)
  }
  async *askAll(asks, options) {
    for (const [index, ask] of asks.entries()) yield { ...(await this.ask(ask, options)), index }
  }
  async *stream(ask, options = {}) {
    this.asked.push({ ask, options })
    const { maxNewTokens = 256, signal } = options
    const asked = textOf(ask).split(' ')
    if (asked.length > 100) throw new RangeError(`the prompt has ${asked.length} tokens, the model takes at most 100`)
    if (asked[0] === 'break') throw new Error('a fault of the model')
    const words = asked.slice(0, maxNewTokens)
    let done = false
    try {
      for (const [i, word] of words.entries()) {
        await this.pace(i)
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
