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
  type Piece,
  type PromptTemplate,
  type Tokenizer,
} from '@jora/data'
import type { AdapterTensors, Engine, Generated, GenerateOptions, Generator } from '@jora/llama'
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
    const { engine, tokenizer } = this.#model
    const prompt = this.promptIds(ask)
    if (prompt.length === 0) throw new RangeError('the prompt is empty, expected text')
    const stops = this.#stops(options)
    const decoding = tokenizer.textStream({ skipSpecialTokens: true, continuation: true })
    const tokens = engine.stream(prompt, this.#settings(options))
    const made: { text: string; ids: number[] } = { text: '', ids: [] }
    const ended = (text: string, finishReason: Answer['finishReason']): Piece => ({
      text,
      ids: [],
      answer: { text: made.text, ids: made.ids, finishReason, promptTokens: prompt.length },
    })
    try {
      for (;;) {
        const next = await tokens.next()
        if (next.done) {
          const rest = stops.push(decoding.flush()) + stops.flush()
          made.text += rest
          yield ended(rest, stops.reached ? 'stop' : next.value.finishReason)
          return
        }
        const text = stops.push(decoding.push(next.value))
        made.ids.push(next.value)
        made.text += text
        if (text !== '' || !stops.reached) yield { text, ids: [next.value] }
        if (stops.reached) {
          yield ended('', 'stop')
          return
        }
      }
    } finally {
      await tokens.return({ ids: made.ids, finishReason: 'stop' })
    }
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
