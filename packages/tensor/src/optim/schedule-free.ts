// Schedule-free AdamW (Defazio et al. 2024): gradients are taken at y, between a fast point z and the average x of its way.
import { zeros } from '../ops/create'
import { add, div, mul, sqrt, square, sub } from '../ops/elementwise'
import { treeMap } from '../tree'
import type { Optimizer } from './optimizer'
import { decayedOf, numberAt, ratesOf } from './rates'

/**
 * With d = g / (√(v / (1 − β₂ᵗ)) + ε) + λ·y and the step's share c of the average:
 * y ← y + c·(z − y) + η·(β₁·(1 − c) − 1)·d; z ← z − η·d. The parameters that are trained are y; x = y + (1 − 1/β₁)·(z − y) is
 * evaluated and kept.
 */
export const scheduleFree: Optimizer = {
  slots: ['z', 'v'],
  init: (params) => ({ z: treeMap((p) => mul(p, 1), params), v: treeMap((p) => zeros(p.shape), params) }),
  numbers: ({ step, learningRate, share = 1 / step }, { beta1, beta2 }) => [
    learningRate,
    1 - beta2 ** step,
    share,
    learningRate * (beta1 * (1 - share) - 1),
  ],
  update(params, grads, slots, numbers, config) {
    const { beta2, epsilon, weightDecay, rateOf } = config
    const decayed = decayedOf(params, config)
    const [correction, share] = [numberAt(numbers, 1), numberAt(numbers, 2)]
    const rates = ratesOf('schedule_free_adamw', params, numberAt(numbers, 0), rateOf, (rate) => rate)
    const pulls = ratesOf('schedule_free_adamw', params, numberAt(numbers, 3), rateOf, (pull) => pull)
    const v = treeMap((old, g) => add(mul(old, beta2), mul(square(g), 1 - beta2)), slots.v!, grads)
    const steps = treeMap(
      (y, g, second, i) => {
        const scaled = div(g, add(sqrt(div(second, correction)), epsilon))
        return decayed[i] ? add(scaled, mul(y, weightDecay)) : scaled
      },
      params,
      grads,
      v,
    )
    const next = treeMap((y, z, d, i) => add(add(y, mul(sub(z, y), share)), mul(d, pulls[i]!)), params, slots.z!, steps)
    return { params: next, slots: { z: treeMap((z, d, i) => sub(z, mul(d, rates[i]!)), slots.z!, steps), v } }
  },
  evaluated: (params, slots, { beta1 }) => treeMap((y, z) => add(y, mul(sub(z, y), 1 - 1 / beta1)), params, slots.z!),
}
