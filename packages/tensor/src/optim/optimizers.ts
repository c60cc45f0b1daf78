// The table of optimisers. Another is a file here and an entry.
import { adamw, initAdamW, stepNumbers, type AdamWState } from './adamw'
import { adamw8bit } from './adamw-8bit'
import { lion } from './lion'
import { muon } from './muon'
import type { Optimizer } from './optimizer'
import { scheduleFree } from './schedule-free'
import { sgd } from './sgd'

/** The name of an optimiser. */
export type OptimizerName = 'adamw' | 'adamw_8bit' | 'sgd' | 'lion' | 'schedule_free_adamw' | 'muon'

/** Every optimiser, by its name. */
export const optimizers: Readonly<Record<OptimizerName, Optimizer>> = {
  adamw: {
    slots: ['m', 'v'],
    init: initAdamW,
    numbers: ({ learningRate, step }, config) => [...stepNumbers(learningRate, step, config)],
    update(params, grads, slots, numbers, config) {
      const { params: next, state } = adamw(params, grads, slots as AdamWState<typeof params>, numbers, config)
      return { params: next, slots: state }
    },
  },
  adamw_8bit: adamw8bit,
  sgd,
  lion,
  schedule_free_adamw: scheduleFree,
  muon,
}
