// Weights that may be quantised, as models hold them.
import { codebooks, type CodeBits, type Codebook } from '../ir/ops/quantised'
import { apply } from '../ops/apply'
import { cast } from '../ops/elementwise'
import type { Shape } from '../shape'
import { Tensor } from '../tensor'

export { codebooks, type Codebook }

/** How the elements of a quantised weight are stored. */
export type Layout = {
  readonly bits: CodeBits
  /** Neighbours in a row that share a scale. */
  readonly group: number
  /** The table of values that codes number; absent: they are evenly spaced. */
  readonly codebook?: Codebook
  /** Products may round activations to 8 bits, each group or row by its largest element, where that is faster (default: they do not). */
  readonly int8?: true
}

/** A frozen weight of small integers, `shape` once its codes are read through scales (see the op `dequantise`). */
export type QuantisedWeight = {
  /** u8 `[…, k · bits / 8]`. */
  readonly codes: Tensor
  /** f32 or f16 `[…, k / group]`. */
  readonly scales: Tensor
  /** Of the scales' shape: what is added to scale · code. Absent: the middle code is 0, or a codebook says what is. */
  readonly mins?: Tensor
  readonly layout: Layout
  readonly shape: Shape
}

/** A weight of a model: a tensor, or codes that stand for one. */
export type Weight = Tensor | QuantisedWeight

/**
 * The elements of `weight`, f32 or f16. Devices read or unpack a quantised weight where the result is used: within the loads
 * of a product, or one weight at a time. No gradient flows into it.
 */
export function valuesOf(weight: Weight, dtype: 'f32' | 'f16'): Tensor {
  if (weight instanceof Tensor) return cast(weight, dtype)
  const { codes, scales, mins, layout } = weight
  const { bits, codebook, int8 } = layout
  return apply('dequantise', mins ? [codes, scales, mins] : [codes, scales], {
    bits,
    ...(codebook ? { codebook } : {}),
    ...(int8 ? { int8 } : {}),
    dtype,
  })
}
