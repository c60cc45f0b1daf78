// The recipes that learn most of few questions, on all of XQuAD.
import { compareRecipes, firstRecipe } from '../arms.mjs'
import { epochsOf } from '../page.mjs'
import { modelFolder, xquadRows } from '../rows.mjs'

export const title = 'All of XQuAD: how far a small model comes'
export const about =
  'All questions of XQuAD with two distractors, two epochs: ranks and rates, on rows that all have their paragraph, and on rows of which a fifth goes without and learns the refusal.'
export const questions = 1190
export const epochs = 2

const rank64 = ['--lora-r', '64', '--lora-alpha', '128']
const both = {
  'r 16, rate 2e-4': firstRecipe,
  'r 64, rate 5e-4': [...firstRecipe, ...rank64, '--learning-rate', '5e-4'],
}
const recipes = {
  ...both,
  'r 16, rate 2e-4, products in 8 bits': [...firstRecipe, '--dtype', 'int8'],
  'r 16, rate 5e-4': [...firstRecipe, '--learning-rate', '5e-4'],
}

/** @type {import('./index.mjs').Study['run']} */
export async function run(lab, flags) {
  const model = await modelFolder(lab, flags)
  const compared = async (/** @type {boolean} */ refusals) => {
    const { train, heldOut, questions: counts } = await xquadRows(lab, flags, { refusals })
    const arms = { model, train, heldOut: heldOut.distractors, recipes: refusals ? both : recipes }
    const results = await compareRecipes(lab, flags, arms)
    return `${counts.train} questions to train on, ${counts.heldOut} held out with their paragraphs.\n\n${results}`
  }
  return `${epochsOf(flags.epochs)}; all linear layers, alpha twice the rank, steps of one context tree; seed ${flags.seed}. All answer in f32.

## All rows have their paragraph

${await compared(false)}

## A fifth goes without it, and learns the refusal

${await compared(true)}`
}
