// NEFTune (Jain et al. 2024): noise on the embeddings while training.
import { add, cast, mul, randomUniform, sub, type Tensor } from '@jora/tensor'

/** A stream that no dropout draws from: those are numbered by modules. */
const stream = 0x4e46

/**
 * Adds noise, uniform in ±alpha / √(tokens · width), to `[batch, tokens, width]`; as in transformers, the tokens that pad a row
 * count.
 * @param keys u32 `[batch, 2]`, new for every step
 */
export const neftune =
  (alpha: number, keys: Tensor) =>
  (x: Tensor): Tensor => {
    const [, tokens = 1, width = 1] = x.shape
    const noise = mul(sub(randomUniform(keys, x.shape, stream), 0.5), (2 * alpha) / Math.sqrt(tokens * width))
    return add(x, cast(noise, x.dtype))
  }
