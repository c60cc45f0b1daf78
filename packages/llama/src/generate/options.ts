// What a request for a continuation may say, and what comes of it.
import type { Tensor } from '@jora/tensor'
import type { DecoderConfig } from '../config/config'
import type { Decoder, Linear } from '../model'
import { checkSampling, type SamplingOptions } from './sampling'

/** How a Generator continues a prompt. */
export interface GenerateOptions extends SamplingOptions {
  /** Most tokens to generate (default 256); the model's last position is a limit too. */
  readonly maxNewTokens?: number
  /** Generation ends at any of these ids (which are not returned); the model's EOS ids when absent. */
  readonly stopIds?: readonly number[]
  /** Seed of the sampler; with the same prompts and options it gives the same tokens. */
  readonly seed?: number
  /** With each token of `Engine.tokens`, log probabilities: its own, and of so many of the likeliest. Absent: none. */
  readonly logprobs?: number
  /** Aborting it ends the generation, which throws its reason. */
  readonly signal?: AbortSignal
  /**
   * The adapter to use, of those the generator was made for, as arguments of its programs; absent: the base model
   * alone.
   */
  readonly adapter?: AdapterTensors
}

/** Tensors of an adapter by module and part. Adapters of equal shapes share their programs. */
export interface AdapterTensors {
  readonly [module: string]: { readonly [part: string]: Tensor }
}

/** The decoder with the adapter added; or its linear layers, where the adapter changes no others. */
export type Adapt = (adapter: AdapterTensors, decoder: Decoder) => Decoder | Linear

/** One continuation. */
export interface Generated {
  /** Generated ids, without the prompt and the stop id. */
  readonly ids: number[]
  /** `stop`: at a stop id. `length`: at `maxNewTokens`, or at the model's last position. */
  readonly finishReason: 'stop' | 'length'
}

/**
 * Checks prompts and settings before anything is computed.
 *
 * @returns maxNewTokens (default 256)
 * @throws RangeError for impossible options, and for a prompt that is empty, has an id beyond the vocabulary, or leaves no
 *   position of the model for an answer; the signal's reason
 */
export function checkRequest(
  prompts: readonly (readonly number[])[],
  options: GenerateOptions,
  { vocabSize, maxPositions }: Pick<DecoderConfig, 'vocabSize' | 'maxPositions'>,
): number {
  const { maxNewTokens = 256, signal } = options
  checkSampling(options)
  signal?.throwIfAborted()
  if (!Number.isInteger(maxNewTokens) || maxNewTokens < 1)
    throw new RangeError(`maxNewTokens is ${maxNewTokens}, expected an integer ≥ 1`)
  const { logprobs = 0 } = options
  if (!Number.isInteger(logprobs) || logprobs < 0)
    throw new RangeError(`logprobs is ${logprobs}, expected an integer ≥ 0`)
  for (const [row, prompt] of prompts.entries()) {
    checkIds(prompt, `prompt ${row}`, vocabSize)
    if (prompt.length >= maxPositions)
      throw new RangeError(`the prompt has ${prompt.length} tokens, the model takes at most ${maxPositions}`)
  }
  return maxNewTokens
}

/** @throws RangeError for no ids, or one beyond the vocabulary, naming `what` has it */
export function checkIds(ids: readonly number[], what: string, vocabSize: number): void {
  if (ids.length === 0) throw new RangeError(`${what} is empty`)
  const bad = ids.find((id) => id < 0 || id >= vocabSize)
  if (bad !== undefined) throw new RangeError(`${what} has id ${bad}, the vocabulary has ${vocabSize}`)
}
