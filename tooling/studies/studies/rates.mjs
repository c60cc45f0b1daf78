// The recipes that learn most of few questions, on all of XQuAD.
import { compareRecipes, raftRecipe } from '../arms.mjs'
import { modelFolder, xquadRows } from '../rows.mjs'

export const title = 'All of XQuAD: how far a small model comes'
export const about =
  'All questions of XQuAD with two distractors, two epochs: `--recipe raft`, and what the study of recipes found to learn faster: a higher rank and a higher rate.'
export const questions = 1190
export const epochs = 2

const recipes = {
  'raft: r 16, all linear, 2e-4': raftRecipe,
  'r 64, rate 5e-4': [...raftRecipe, '--lora-r', '64', '--lora-alpha', '128', '--learning-rate', '5e-4'],
}

/** @type {import('./index.mjs').Study['run']} */
export async function run(lab, flags) {
  const model = await modelFolder(lab, flags)
  const { train, heldOut, questions: counts } = await xquadRows(lab, flags)
  const results = await compareRecipes(lab, flags, { model, train, heldOut: heldOut.distractors, recipes })
  return `${counts.train} questions to train on, ${counts.heldOut} held out with their paragraphs; ${flags.epochs} epochs; seed ${flags.seed}; f32.

${results}`
}
