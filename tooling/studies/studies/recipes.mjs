// Which rank, which layers, which rate, which method: one change at a time from the recipe raft.
import { compareRecipes, firstRecipe } from '../arms.mjs'
import { epochsOf } from '../page.mjs'
import { modelFolder, xquadRows } from '../rows.mjs'

export const title = 'Recipes: ranks, layers, rates, methods'
export const about =
  'XQuAD with two distractors, one change at a time from `--recipe raft` at a rate of 2e-4 (all linear layers, r 16, alpha 32, steps of one context tree).'
export const questions = 120
export const epochs = 1

const changed = (/** @type {string[]} */ ...flags) => [...firstRecipe, ...flags]

/** Alpha goes with the rank, so that the scale of 2 stays, except where it is what changes. */
const recipes = {
  'r 16, all linear, 2e-4': firstRecipe,
  'r 4': changed('--lora-r', '4', '--lora-alpha', '8'),
  'r 64': changed('--lora-r', '64', '--lora-alpha', '128'),
  'q and v alone': changed('--target-modules', 'q_proj,v_proj'),
  'rate 5e-5': changed('--learning-rate', '5e-5'),
  'rate 1e-3': changed('--learning-rate', '1e-3'),
  'steps of 8 samples, not 2': changed('--gradient-accumulation-steps', '8'),
  'rsLoRA, r 64, alpha 16': changed('--use-rslora', '--lora-r', '64', '--lora-alpha', '16'),
  DoRA: changed('--use-dora'),
  PiSSA: changed('--init-lora-weights', 'pissa'),
  'LoRA+, ratio 16, rate 5e-5': changed('--lora-plus-ratio', '16', '--learning-rate', '5e-5'),
  'the paper: q and v, r 16, alpha 16, 1e-4': ['--recipe', 'paper'],
}

/** @type {import('./index.mjs').Study['run']} */
export async function run(lab, flags) {
  const model = await modelFolder(lab, flags)
  const { train, heldOut, questions: counts } = await xquadRows(lab, flags)
  const results = await compareRecipes(lab, flags, { model, train, heldOut: heldOut.distractors, recipes })
  return `${counts.train} questions to train on, ${counts.heldOut} held out; ${epochsOf(flags.epochs)}; seed ${flags.seed}; f32. With so few questions
intervals are wide: the held-out loss tells recipes apart sooner than the answers do.

${results}`
}
