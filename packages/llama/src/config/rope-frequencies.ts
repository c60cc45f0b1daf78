// Rotary frequencies: plain, linearly stretched, and Llama 3's piecewise stretch.
import { literal, mul, cast, cos, reshape, sin, type Tensor } from '@jora/tensor'
import type { DecoderConfig } from './config'

/** Angle per position of each pair of dimensions, `[headDim / 2]`, as transformers computes it. */
export function inverseFrequencies({
  headDim,
  ropeTheta,
  ropeScaling,
}: Pick<DecoderConfig, 'headDim' | 'ropeTheta' | 'ropeScaling'>): number[] {
  const plain = Array.from({ length: headDim / 2 }, (_, i) => ropeTheta ** ((-2 * i) / headDim))
  if (ropeScaling.type === 'default') return plain
  if (ropeScaling.type === 'linear') return plain.map((f) => f / ropeScaling.factor)
  if (ropeScaling.type === 'divided') return plain.map((f, i) => f / ropeScaling.factors[i]!)
  // Long wavelengths are stretched by the factor, short ones kept, those between blended.
  const { factor, lowFrequencyFactor: low, highFrequencyFactor: high, originalMaxPositions } = ropeScaling
  return plain.map((f) => {
    const turns = (originalMaxPositions * f) / (2 * Math.PI)
    if (turns < low) return f / factor
    if (turns > high) return f
    const keep = (turns - low) / (high - low)
    return ((1 - keep) * f) / factor + keep * f
  })
}

/** cos and sin of the angles at `positions` (i32 `[batch or 1, seq]`), each `[batch or 1, seq, headDim / 2]`, f32. */
export function ropeTables(config: DecoderConfig, positions: Tensor): { cos: Tensor; sin: Tensor } {
  const angles = mul(reshape(cast(positions, 'f32'), [...positions.shape, 1]), literal(inverseFrequencies(config)))
  return { cos: cos(angles), sin: sin(angles) }
}
