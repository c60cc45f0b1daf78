// LocalAnswerer: an Answerer that computes here, with a generator that several of them may share.
import {
  answerOf,
  askedIds,
  StopText,
  stopTextsOf,
  type Answer,
  type Answerer,
  type AnswerOptions,
  type Ask,
  type AskedIds,
  type ChatMessage,
  type Embeddings,
  type Piece,
  type PromptTemplate,
  type Tokenizer,
} from '@jora/data'
import type { AdapterTensors, Engine, Generated, GenerateOptions, Generator } from '@jora/llama'
import { AnswerText } from './answer-text'
import { batchesOf } from './batches'

/** A model of this process, and how to ask it. */
export interface LocalModel {
  /** Of the model; answerers of several adapters share one. */
  readonly engine: Engine
  readonly tokenizer: Tokenizer
  /** The template that it was trained with. */
  readonly prompt: PromptTemplate
  /** Ids that end an answer; see `stopIdsOf`. */
  readonly stopIds: readonly number[]
  /** The adapter to answer with, for an engine whose generator takes adapters as arguments. */
  readonly adapter?: AdapterTensors | undefined
}

/** Questions answered together by {@link LocalAnswerer.askAll}. */
const defaultBatch = 8

/** Answers with a model of this process, adapter included, in the prompt template it was trained with. */
export class LocalAnswerer implements Answerer {
  readonly #model: LocalModel

  constructor(model: LocalModel) {
    this.#model = model
  }

  ask(ask: Ask, options?: AnswerOptions): Promise<Answer> {
    return answerOf(this.stream(ask, options))
  }

  chat(messages: readonly ChatMessage[], options?: AnswerOptions): AsyncGenerator<Piece, void> {
    return this.stream({ messages }, options)
  }

  /** The ids of a question, context first. */
  promptIds(ask: Ask): number[] {
    return wholeOf(askedIds(ask, this.#model.tokenizer, this.#model.prompt))
  }

  async *stream(ask: Ask, options: AnswerOptions = {}): AsyncGenerator<Piece, void> {
    const { engine } = this.#model
    const prompt = this.promptIds(ask)
    if (prompt.length === 0) throw new RangeError('the prompt is empty, expected text')
    const reading = new AnswerText(this.#model, ask, this.#stops(options))
    const tokens = engine.tokens(prompt, this.#settings(options))
    try {
      for (;;) {
        const next = await tokens.next()
        if (next.done) return yield reading.end(next.value.finishReason, prompt.length)
        const piece = reading.push(next.value)
        if (piece.text !== '' || !reading.stopped) yield piece
        if (reading.stopped) return yield reading.end('stop', prompt.length)
      }
    } finally {
      await tokens.return({ ids: [], finishReason: 'stop' })
    }
  }

  /** @throws RangeError for a text that is empty or too long; the signal's reason */
  async embed(
    texts: readonly (string | readonly number[])[],
    { signal }: Pick<AnswerOptions, 'signal'> = {},
  ): Promise<Embeddings> {
    const { engine, tokenizer, adapter } = this.#model
    const all = texts.map((text) => (typeof text === 'string' ? tokenizer.encode(text) : text))
    const vectors = await Promise.all(
      all.map((ids) => engine.embed(ids, { ...(adapter && { adapter }), ...(signal && { signal }) })),
    )
    return { vectors, tokens: all.reduce((sum, { length }) => sum + length, 0) }
  }

  /**
   * Answers in batches of similar length, questions on one context sharing its computation.
   *
   * @param batchSize questions answered together (default 8)
   */
  async *askAll(
    asks: readonly Ask[],
    { batchSize = defaultBatch, ...options }: AnswerOptions & { readonly batchSize?: number } = {},
  ): AsyncGenerator<Answer & { readonly index: number }, void> {
    const { engine, tokenizer, prompt } = this.#model
    const asked = asks.map((ask) => askedIds(ask, tokenizer, prompt))
    const settings = this.#settings(options)
    for (const { shared, groups } of batchesOf(asked, batchSize)) {
      const run = (generator: Generator) => generateBatch(generator, shared, groups, settings)
      const results = await engine.exclusively(run, options.signal)
      for (const [i, index] of groups.flat().entries())
        yield { ...this.#answer(results[i]!, wholeOf(asked[index]!).length, options), index }
    }

    function generateBatch(
      generator: Generator,
      isShared: boolean,
      groups: readonly (readonly number[])[],
      settings: GenerateOptions,
    ): Promise<Generated[]> {
      if (!isShared)
        return generator.generate(
          groups.flat().map((index) => wholeOf(asked[index]!)),
          settings,
        )
      return generator.generateShared(
        groups.map((group) => ({
          context: asked[group[0]!]!.context,
          prompts: group.map((index) => {
            const { prompt: ids, contextLength } = asked[index]!
            return contextLength === undefined ? { ids } : { ids, contextLength }
          }),
        })),
        settings,
      )
    }
  }

  #answer({ ids, finishReason }: Generated, promptTokens: number, options: AnswerOptions): Answer {
    const stops = this.#stops(options)
    const decoded = this.#model.tokenizer.decode(ids, { continuation: true, skipSpecialTokens: true })
    const text = stops.push(decoded) + stops.flush()
    return { text, ids, finishReason: stops.reached ? 'stop' : finishReason, promptTokens }
  }

  #stops({ stop = [] }: AnswerOptions): StopText {
    const { prompt, tokenizer } = this.#model
    return new StopText([...stopTextsOf(prompt, tokenizer), ...stop])
  }

  #settings({ stop: _stop, ...options }: AnswerOptions): GenerateOptions {
    const { stopIds, adapter } = this.#model
    return { ...options, stopIds, ...(adapter && { adapter }) }
  }
}

const wholeOf = ({ context, contextLength, prompt }: AskedIds): number[] => [
  ...context.slice(0, contextLength),
  ...prompt,
]
