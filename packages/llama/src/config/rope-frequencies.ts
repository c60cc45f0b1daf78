// Rotary frequencies, plain and stretched in each of the ways that models are, and the tables made of them.
import {
  add,
  cast,
  cos,
  div,
  exp,
  literal,
  log,
  max,
  maximum,
  mul,
  reshape,
  sin,
  sub,
  where,
  gt,
  type Tensor,
} from '@jora/tensor'
import type { DecoderConfig } from './config'
import type { RopeScaling } from './rope'

type Sizes = Pick<DecoderConfig, 'rotaryDim' | 'ropeTheta' | 'ropeScaling'>

const plainFrequencies = (theta: number, dim: number): number[] =>
  Array.from({ length: dim / 2 }, (_, i) => theta ** ((-2 * i) / dim))

/** Where YaRN goes from keeping dimensions to stretching them, as indices of pairs. */
function yarnRange(dim: number, theta: number, scaling: RopeScaling & { type: 'yarn' }): readonly [number, number] {
  const { betaFast, betaSlow, truncate, originalMaxPositions } = scaling
  const turning = (turns: number) =>
    (dim * Math.log(originalMaxPositions / (turns * 2 * Math.PI))) / (2 * Math.log(theta))
  const [low, high] = [turning(betaFast), turning(betaSlow)]
  return truncate
    ? [Math.max(Math.floor(low), 0), Math.min(Math.ceil(high), dim - 1)]
    : [Math.max(low, 0), Math.min(high, dim - 1)]
}

/**
 * Angle per position of each pair of dimensions, `[rotaryDim / 2]`, as transformers computes it: for sequences within the
 * trained length, where it depends on that.
 */
export function inverseFrequencies({ rotaryDim, ropeTheta, ropeScaling }: Sizes): number[] {
  const plain = plainFrequencies(ropeTheta, rotaryDim)
  switch (ropeScaling.type) {
    case 'default':
    case 'dynamic':
      return plain
    case 'linear':
      return plain.map((f) => f / ropeScaling.factor)
    case 'divided':
      return plain.map((f, i) => f / ropeScaling.factors[i]!)
    case 'longrope':
      return plain.map((f, i) => f / ropeScaling.short[i]!)
    case 'yarn': {
      const [low, high] = yarnRange(rotaryDim, ropeTheta, ropeScaling)
      return plain.map((f, i) => {
        const stretched = Math.min(1, Math.max(0, (i - low) / (high === low ? 0.001 : high - low)))
        return f * (1 - stretched) + (f / ropeScaling.factor) * stretched
      })
    }
    case 'llama3': {
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
  }
}

/** What cos and sin are multiplied by. */
const attentionFactor = (scaling: RopeScaling): number =>
  scaling.type === 'yarn' || scaling.type === 'longrope' ? scaling.attentionFactor : 1

/** The frequencies, which some kinds of scaling choose by the longest sequence of the batch. */
function frequencies(sizes: Sizes, positions: Tensor): Tensor {
  const { ropeScaling: scaling, rotaryDim, ropeTheta } = sizes
  const within = literal(inverseFrequencies(sizes))
  const length = () => add(max(positions), 1)
  if (scaling.type === 'longrope') {
    const long = literal(plainFrequencies(ropeTheta, rotaryDim).map((f, i) => f / scaling.long[i]!))
    return where(gt(length(), scaling.originalMaxPositions), long, within)
  }
  if (scaling.type === 'dynamic') {
    // The base θ becomes θ·s^(d / (d − 2)), so that pair i is slowed by s^(−2i / (d − 2)).
    const { factor, maxPositions } = scaling
    const reach = div(cast(maximum(length(), maxPositions), 'f32'), maxPositions)
    const stretch = log(sub(mul(reach, factor), factor - 1))
    const powers = Array.from({ length: rotaryDim / 2 }, (_, i) => (-2 * i) / (rotaryDim - 2))
    return mul(within, exp(mul(stretch, literal(powers))))
  }
  return within
}

/** Tables of one kind of layer, each `[batch or 1, seq, rotaryDim / 2]`, f32. */
export type RopeTables = { readonly cos: Tensor; readonly sin: Tensor }

/** cos and sin of the angles at `positions` (i32 `[batch or 1, seq]`). */
export function ropeTables(sizes: Sizes, positions: Tensor): RopeTables {
  const angles = mul(reshape(cast(positions, 'f32'), [...positions.shape, 1]), frequencies(sizes, positions))
  const factor = attentionFactor(sizes.ropeScaling)
  const scaled = (x: Tensor) => (factor === 1 ? x : mul(x, factor))
  return { cos: scaled(cos(angles)), sin: scaled(sin(angles)) }
}

/** The tables of each layer; undefined for those that do not rotate. Layers that are alike share theirs. */
export function layerTables(config: DecoderConfig, positions: Tensor): (RopeTables | undefined)[] {
  const local: Sizes = { ...config, ropeTheta: config.localRopeTheta, ropeScaling: { type: 'default' } }
  const tables = {
    none: undefined,
    global: ropeTables(config, positions),
    local: config.rotations.includes('local') ? ropeTables(local, positions) : undefined,
  }
  return config.rotations.map((kind) => tables[kind])
}
