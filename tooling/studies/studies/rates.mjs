// The recipes that learn most of few questions, on all of XQuAD.
import { compareRecipes, raftRecipe } from '../arms.mjs'
import { modelFolder, xquadRows } from '../rows.mjs'

export const title = 'All of XQuAD: how far a small model comes'
export const about =
  'All questions of XQuAD with two distractors, two epochs: ranks and rates, on rows that all have their paragraph, and on rows of which a fifth goes without and learns the refusal.'
export const questions = 1190
export const epochs = 2

const rank64 = ['--lora-r', '64', '--lora-alpha', '128']
const recipes = {
  'r 16, rate 2e-4': [...raftRecipe, '--learning-rate', '2e-4'],
  'r 64, rate 2e-4': [...raftRecipe, ...rank64, '--learning-rate', '2e-4'],
  'r 64, rate 5e-4': [...raftRecipe, ...rank64, '--learning-rate', '5e-4'],
  'LoRA+: r 16, ratio 16, rate 5e-5': [...raftRecipe, '--lora-plus-ratio', '16', '--learning-rate', '5e-5'],
}

/** @type {import('./index.mjs').Study['run']} */
export async function run(lab, flags) {
  const model = await modelFolder(lab, flags)
  const parts = []
  for (const refusals of [false, true]) {
    const { train, heldOut, questions: counts } = await xquadRows(lab, flags, { refusals })
    const results = await compareRecipes(lab, flags, { model, train, heldOut: heldOut.distractors, recipes })
    const which = refusals ? 'A fifth learns the refusal' : 'All rows have their paragraph'
    parts.push(`## ${which}\n\n${counts.train} questions to train on, ${counts.heldOut} held out.\n\n${results}`)
  }
  return `Questions are held out with their paragraphs; ${flags.epochs} epochs; all linear layers, alpha twice the rank, steps of one context tree; seed ${flags.seed}; f32.

${parts.join('\n\n')}`
}
