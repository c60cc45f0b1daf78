// Stochastic gradient descent with momentum, as torch.optim.SGD, with decay as AdamW has it.
import { zeros } from '../ops/create'
import { add, mul, sub } from '../ops/elementwise'
import { treeMap } from '../tree'
import type { Optimizer } from './optimizer'
import { decayedOf, numberAt, ratesOf } from './rates'

/** m ← μ·m + g (g at first); p ← p·(1 − η·λ) − η·m. */
export const sgd: Optimizer = {
  slots: ['m'],
  init: (params) => ({ m: treeMap((p) => zeros(p.shape), params) }),
  numbers: ({ learningRate }) => [learningRate],
  update(params, grads, slots, numbers, config) {
    const { momentum = 0.9, weightDecay, rateOf } = config
    const decayed = decayedOf(params, config)
    const rates = ratesOf('sgd', params, numberAt(numbers, 0), rateOf, (rate) => rate)
    const m = treeMap((old, g) => add(mul(old, momentum), g), slots.m!, grads)
    const next = treeMap(
      (p, direction, i) => {
        const kept = decayed[i] ? mul(p, sub(1, mul(rates[i]!, weightDecay))) : p
        return sub(kept, mul(direction, rates[i]!))
      },
      params,
      m,
    )
    return { params: next, slots: { m } }
  },
}
