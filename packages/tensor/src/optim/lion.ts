// Lion (Chen et al. 2023): steps of one size, in the direction of the sign of an interpolated momentum.
import { zeros } from '../ops/create'
import { add, cast, gt, lt, mul, sub } from '../ops/elementwise'
import type { Tensor } from '../tensor'
import { treeMap } from '../tree'
import type { Optimizer } from './optimizer'
import { decayedOf, numberAt, ratesOf } from './rates'

const sign = (x: Tensor): Tensor => sub(cast(gt(x, 0), 'f32'), cast(lt(x, 0), 'f32'))

/** p ← p·(1 − η·λ) − η·sign(β₁·m + (1 − β₁)·g); m ← β₂·m + (1 − β₂)·g. Its authors have β₂ 0.99, and a tenth of AdamW's rate. */
export const lion: Optimizer = {
  slots: ['m'],
  init: (params) => ({ m: treeMap((p) => zeros(p.shape), params) }),
  numbers: ({ learningRate }) => [learningRate],
  update(params, grads, slots, numbers, config) {
    const { beta1, beta2, weightDecay, rateOf } = config
    const decayed = decayedOf(params, config)
    const rates = ratesOf('lion', params, numberAt(numbers, 0), rateOf, (rate) => rate)
    const next = treeMap(
      (p, g, old, i) => {
        const kept = decayed[i] ? mul(p, sub(1, mul(rates[i]!, weightDecay))) : p
        return sub(kept, mul(sign(add(mul(old, beta1), mul(g, 1 - beta1))), rates[i]!))
      },
      params,
      grads,
      slots.m!,
    )
    return { params: next, slots: { m: treeMap((old, g) => add(mul(old, beta2), mul(g, 1 - beta2)), slots.m!, grads) } }
  },
}
