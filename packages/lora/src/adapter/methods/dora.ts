// DoRA (Liu et al. 2024): the direction of each row of the weight is adapted by LoRA, its length by a number of its own:
// m ⊙ (W₀ + s·BA)x / ‖W₀ + s·BA‖, with the lengths of the rows in the denominator taken for constants.
import {
  add,
  cast,
  div,
  linear,
  mul,
  sqrt,
  square,
  stopGradient,
  sub,
  sum,
  transpose,
  valuesOf,
  type Tensor,
} from '@jora/tensor'
import { lora, lowRankUpdate } from './lora'
import type { AdaptedLayer, AdapterMethod, Parts } from './method'

/**
 * ‖W₀ + s·BA‖ of each row, f32 `[out]`, from ‖w‖² + 2s·b·(Aw) + s²·b·(AAᵀ)b of its rows w and b: the sum itself, as large as
 * the weight, is never formed.
 */
function rowLengths(
  { loraA, loraB }: Parts<Tensor>,
  dtype: Tensor['dtype'],
  { weight, base, scale }: AdaptedLayer,
): Tensor {
  const [a, b] = [stopGradient(loraA), stopGradient(loraB)]
  const own = sum(square(valuesOf(weight, 'f32')), { axis: 1 })
  const alongA = transpose(cast(base(cast(a, dtype)), 'f32'), [1, 0])
  const mixed = sum(mul(alongA, b), { axis: 1 })
  const added = sum(mul(linear(b, linear(a, a)), b), { axis: 1 })
  return sqrt(add(add(own, mul(mul(mixed, scale), 2)), mul(mul(added, scale), scale)))
}

export const dora: AdapterMethod = {
  ...lora,

  shapes: (module, config) => ({ ...lora.shapes(module, config), magnitude: [module.outFeatures] }),

  readsBase: 'weight',

  /** As LoRA; the lengths are those of the base's rows, so that nothing changes at first. */
  init(module, config, seed, base) {
    const { inFeatures, outFeatures } = module
    const magnitude = Float32Array.from({ length: outFeatures }, (_, row) =>
      lengthOf(base.subarray(row * inFeatures, (row + 1) * inFeatures)),
    )
    return { ...lora.init(module, config, seed, base), magnitude }
  },

  /** Dropout is on the input of all that is added to the base's output, as in PEFT. */
  forward(parts, x, y, layer) {
    const { dropout, base } = layer
    const factor = div(parts.magnitude!, stopGradient(parts.lengths ?? rowLengths(parts, x.dtype, layer)))
    const based = cast(dropout ? base(dropout(x)) : y, 'f32')
    const added = add(mul(based, sub(factor, 1)), mul(lowRankUpdate(parts, x, layer), factor))
    return add(y, cast(added, x.dtype))
  },

  settled: (parts, layer, dtype) => ({ ...parts, lengths: rowLengths(parts, dtype, layer) }),

  merge(parts, rows, from, r, scale) {
    lora.merge(parts, rows, from, r, scale)
    const columns = parts.loraA.length / r
    for (let at = 0; at < rows.length; at += columns) {
      const row = rows.subarray(at, at + columns)
      const factor = parts.magnitude![from + at / columns]! / lengthOf(row)
      for (let i = 0; i < columns; i++) row[i] = row[i]! * factor
    }
  },
}

function lengthOf(row: Float32Array): number {
  let squares = 0
  for (const value of row) squares += value * value
  return Math.sqrt(squares)
}
