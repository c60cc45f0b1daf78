// Recipes: settings that go together, as a starting point for a kind of training.
import type { ValuesOf } from './setting'
import type { adapterSettings } from './table/adapter'
import type { trainingSettings } from './table/training'

/** What a recipe sets; everything else keeps its default, and what is given wins over it. */
export type Recipe = Partial<ValuesOf<typeof adapterSettings> & ValuesOf<typeof trainingSettings>>
/** The name of a recipe. */
export type RecipeName = 'paper' | 'raft' | 'instruct'

/**
 * - `paper`: the defaults of every setting, which are the paper's.
 * - `raft`: questions on contexts with distractors; the settings of our runs on XQuAD with
 *   SmolLM2-135M-Instruct. A step takes one context tree, or two samples: rows about somebody's documents are few, and
 *   many small steps learn more from them than few large ones, in the same time. The rate is what "LoRA Without Regret" finds best
 *   for models of 1 to 2 billion weights; ours, of 135 million, learned more at it than at 2e-4, and no more with a rank of 64.
 * - `instruct`: many different instructions, as PEFT's comparison of methods (rank-stabilised, all linear layers) and
 *   "LoRA Without Regret" (Schulman et al. 2025) advise; not measured here.
 */
export const recipes: Readonly<Record<RecipeName, Recipe>> = {
  paper: {},
  raft: {
    targetModules: 'all-linear',
    loraR: 16,
    loraAlpha: 32,
    learningRate: 5e-4,
    gradientAccumulationSteps: 2,
    epochs: 2,
  },
  instruct: {
    targetModules: 'all-linear',
    loraR: 64,
    loraAlpha: 16,
    useRslora: true,
    learningRate: 2e-4,
    warmupRatio: 0.03,
    epochs: 3,
  },
}
