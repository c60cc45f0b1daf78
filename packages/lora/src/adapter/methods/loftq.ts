// LoftQ (Li et al. 2024): A and B begin as what a quantised base lacks of the weight that it was made from: its largest singular
// values and vectors. How the base itself is quantised anew in further rounds is in `loftq/`.
import { loraRank, loraScaling } from '../../settings/lora-config'
import { principalFactors } from '../singular'
import { lora } from './lora'
import type { AdapterMethod } from './method'

export const loftq: AdapterMethod = {
  ...lora,

  readsBase: 'error',

  /** Ranks that the error does not fill, as where a layer is not quantised, begin as LoRA's do: zeros would never learn. */
  init(module, config, seed, error) {
    const { name, inFeatures: columns, outFeatures: rows } = module
    const r = loraRank(config, name)
    const { loraA, loraB } = principalFactors(error, { rows, columns, r }, loraScaling(config, name))
    const fresh = lora.init(module, config, seed, error).loraA
    for (let k = 0; k < r; k++) {
      const row = loraA.subarray(k * columns, (k + 1) * columns)
      if (row.every((value) => value === 0)) row.set(fresh.subarray(k * columns, (k + 1) * columns))
    }
    return { loraA, loraB }
  },
}
