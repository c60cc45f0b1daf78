// compareWithLlamaCpp: llama.cpp runs an exported file, and JORA's own decoder says whether it would have gone on the same way.
import { decode, logits, openModel } from '@jora/llama'
import { jit, tensor, type Device, type Tensor } from '@jora/tensor'
import { greedyWithLlamaCpp, tokenizeWithLlamaCpp, type LlamaCppOptions } from './llama-cpp'
import { tunedDecoder } from './tuned'

/** A text to go on from, and its ids by the model's own tokenizer. */
export interface ComparedPrompt {
  readonly text: string
  readonly ids: readonly number[]
}

/** What {@link compareWithLlamaCpp} compares. */
export interface CompareOptions extends LlamaCppOptions {
  readonly modelDir: string
  /** Folder of the adapter that is merged into `gguf`, or laid over it as `lora`. */
  readonly adapterDir?: string | undefined
  readonly prompts: readonly ComparedPrompt[]
  /** Tokens to generate for each; 32 when absent. */
  readonly count?: number | undefined
  /** Where JORA's decoder runs. */
  readonly device: Device
}

/** How far llama.cpp and JORA agree. */
export interface Comparison {
  /** Prompts of which both programs make the same ids. */
  readonly sameIds: number
  readonly prompts: number
  /** Tokens that llama.cpp generated. */
  readonly tokens: number
  /** How many of them JORA finds most likely too, after the same beginning. */
  readonly sameTokens: number
  /**
   * The most that a token of llama.cpp's is below JORA's most likely one, in nats: near 0, within rounding, if the file
   * is right.
   */
  readonly largestGap: number
}

/**
 * Generates greedily with llama.cpp from each prompt, and holds every token against the logits of JORA's decoder (float32,
 * the weights as they are in `modelDir`) after the same tokens. So a near tie that falls the other way does not make all
 * that follows look wrong.
 * @throws ConfigError when node-llama-cpp is not installed; as openModel and loadAdapter for folders that cannot be used
 */
export async function compareWithLlamaCpp(options: CompareOptions): Promise<Comparison> {
  const { modelDir, adapterDir, gguf, lora, from, prompts, count = 32, device } = options
  const theirs = await tokenizeWithLlamaCpp({ gguf, from, texts: prompts.map(({ text }) => text) })

  await using opened = await openModel(modelDir, { local: true })
  const { bosTokenId } = opened.config
  // llama.cpp's tokenize leaves BOS to the caller.
  const sameIds = prompts.filter(({ ids }, i) => bare(ids, bosTokenId).join() === bare(theirs[i]!, bosTokenId).join())
  const { decoder, dispose } = await tunedDecoder(opened, adapterDir, device)
  const forward = jit((ids: Tensor) => logits(decoder, decode(decoder, { tokens: ids }).hidden))
  let [tokens, sameTokens, largestGap] = [0, 0, 0]
  for (const { ids: prompt } of prompts) {
    const room = Math.max(0, Math.min(count, decoder.config.maxPositions - prompt.length))
    const continued = await greedyWithLlamaCpp({ gguf, lora, from, tokens: prompt, count: room })
    const ids = [...prompt, ...continued]
    const input = tensor(Int32Array.from(ids), { shape: [1, ids.length], device })
    const scores = forward(input)
    const values = (await scores.data()) as Float32Array
    const vocab = opened.config.vocabSize
    for (const [i, id] of continued.entries()) {
      const at = (prompt.length + i - 1) * vocab
      const row = values.subarray(at, at + vocab)
      const gap = row.reduce((most, value) => Math.max(most, value), -Infinity) - row[id]!
      tokens++
      if (gap === 0) sameTokens++
      largestGap = Math.max(largestGap, gap)
    }
    input.dispose()
    scores.dispose()
  }
  forward.dispose()
  dispose()
  return { sameIds: sameIds.length, prompts: prompts.length, tokens, sameTokens, largestGap }
}

/** The ids behind BOS. */
const bare = (ids: readonly number[], bosId: number | undefined): readonly number[] =>
  bosId !== undefined && ids[0] === bosId ? ids.slice(1) : ids
