// Answerer: text in, text out. Whoever asks a model, command, page or server, asks one of these.

import type { ContextDocument, ChatMessage } from '../rows/row-formats'
import type { Ask } from '../prompt/ask'

/** How an answer is made. */
export interface AnswerOptions {
  /** Most tokens of the answer (a local model's default is 256); the model's last position is a limit too. */
  readonly maxNewTokens?: number
  /** Logits are divided by it; 0 always takes the most likely token. */
  readonly temperature?: number
  /** Sample from the k most likely tokens only; 0 is all. */
  readonly topK?: number
  /** Sample from the fewest tokens whose probabilities add up to p (0 < p ≤ 1) only. */
  readonly topP?: number
  /** Divides positive and multiplies negative logits of tokens in prompt and answer (Keskar et al. 2019); 1 is off. */
  readonly repetitionPenalty?: number
  /** Subtracted from the logit of every token that is in the answer already; 0 is off. */
  readonly presencePenalty?: number
  /** Subtracted from a token's logit once for each time that the answer has it already; 0 is off. */
  readonly frequencyPenalty?: number
  /** Seed of the sampler. */
  readonly seed?: number
  /** Texts that end the answer and are not part of it, beside the template's own end marks. */
  readonly stop?: readonly string[]
  /** Report log probabilities: of each token of the answer, and of so many of the likeliest at its place (0: of none). */
  readonly logprobs?: number
  /** Aborting it ends the answer: the pending promise or loop throws the signal's reason. */
  readonly signal?: AbortSignal
}

/** A document that was retrieved for a question and put before it. */
export interface Passage extends ContextDocument {
  /** How well it fits the question, as its retriever scores it: BM25, where they share no word 0; a cosine; a sum of 1/(60 + place). */
  readonly score: number
  /** Its place in the collection, from 0. */
  readonly index: number
}

/** A token and how likely the model finds it. */
export interface LikelyToken {
  readonly id: number
  /** Its text alone; bytes that are no whole character are U+FFFD. */
  readonly text: string
  readonly bytes: Uint8Array
  /** Natural logarithm of its probability, before penalties, temperature and the choice of few. */
  readonly logprob: number
}

/** A token of an answer. */
export interface TokenLogprob extends LikelyToken {
  /** The likeliest tokens at its place, best first. */
  readonly top: readonly LikelyToken[]
}

/** A tool that the model wants called. */
export interface ToolCall {
  readonly name: string
  /** JSON of an object. */
  readonly arguments: string
}

/** Texts as vectors. */
export interface Embeddings {
  /** One of length 1 for each text, f32 `[hidden]`. */
  readonly vectors: readonly Float32Array[]
  /** Tokens of all texts. */
  readonly tokens: number
}

/** An answer as a whole. */
export interface Answer {
  readonly text: string
  /** Its ids, without the one that ended it; those of a stop text may be among the last. */
  readonly ids: readonly number[]
  /** `length`: cut at `maxNewTokens`, or at the last position of the model. */
  readonly finishReason: 'stop' | 'length'
  /** Tokens of what was asked. */
  readonly promptTokens: number
  /** What was retrieved for it, best first. */
  readonly passages?: readonly Passage[]
  /** Of its tokens, where they are asked for. */
  readonly logprobs?: readonly TokenLogprob[]
  /** Calls of the tools that came with the question; they are not part of the text. */
  readonly toolCalls?: readonly ToolCall[]
}

/** A part of an answer, as it is made. */
export interface Piece {
  /** Text that became complete; may be empty, as for the first bytes of a character. */
  readonly text: string
  readonly ids: readonly number[]
  /** Of its ids, where they are asked for. */
  readonly logprobs?: readonly TokenLogprob[]
  /** The whole, with the last piece. */
  readonly answer?: Answer
}

/** A model, tuned or not, that is asked in the prompt template it was trained with. */
export interface Answerer {
  /** @throws RangeError | Error for a question that the model or its template cannot take */
  ask(ask: Ask, options?: AnswerOptions): Promise<Answer>
  /** Answers as they are made, several together, each with the place of its question. */
  askAll(asks: readonly Ask[], options?: AnswerOptions): AsyncIterable<Answer & { readonly index: number }>
  /** The answer as it is made. Leaving the loop ends it. */
  stream(ask: Ask, options?: AnswerOptions): AsyncIterable<Piece>
  /** Answers the last message of a conversation. Leaving the loop ends it. */
  chat(messages: readonly ChatMessage[], options?: AnswerOptions): AsyncIterable<Piece>
  /**
   * Texts, or ids of some, as vectors: the mean of the last hidden states of their tokens, of length 1. Absent where the
   * model cannot.
   *
   * @throws RangeError for a text that the model cannot take; the signal's reason
   */
  embed?(texts: readonly (string | readonly number[])[], options?: Pick<AnswerOptions, 'signal'>): Promise<Embeddings>
}

/**
 * The whole answer of a stream, once the stream has ended.
 * @throws what the stream throws; Error for a stream that ends without an answer
 */
export async function answerOf(pieces: AsyncIterable<Piece>): Promise<Answer> {
  let last: Answer | undefined
  for await (const { answer } of pieces) last = answer ?? last
  if (last === undefined) throw new Error('the answer ended without its last piece')
  return last
}
