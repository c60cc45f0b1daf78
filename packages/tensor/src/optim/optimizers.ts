// The table of optimisers. Another is a file here and an entry.
import { adamw, initAdamW, stepNumbers } from './adamw'
import { lion } from './lion'
import { muon } from './muon'
import type { Optimizer } from './optimizer'
import { scheduleFree } from './schedule-free'
import { sgd } from './sgd'

/** The name of an optimiser. */
export type OptimizerName = 'adamw' | 'sgd' | 'lion' | 'schedule_free_adamw' | 'muon'

/** Every optimiser, by its name. */
export const optimizers: Readonly<Record<OptimizerName, Optimizer>> = {
  adamw: {
    slots: ['m', 'v'],
    init: initAdamW,
    numbers: ({ learningRate, step }, config) => [...stepNumbers(learningRate, step, config)],
    update(params, grads, slots, numbers, config) {
      const { params: next, state } = adamw(params, grads, { m: slots.m!, v: slots.v! }, numbers, config)
      return { params: next, slots: state }
    },
  },
  sgd,
  lion,
  schedule_free_adamw: scheduleFree,
  muon,
}
