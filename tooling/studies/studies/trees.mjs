// Context trees: the same steps with each context computed once, and once for each of its questions.
import { raftRecipe, trainFlags, trainingCells, trainingHead } from '../arms.mjs'
import { figure, table } from '../page.mjs'
import { modelFolder, xquadRows } from '../rows.mjs'

export const title = 'Context trees against none'
export const about =
  'XQuAD with two distractors: the same training steps with each context computed once for all its questions, and once for each of them.'
export const questions = 240
export const epochs = 1

const steps = 4

/** @type {import('./index.mjs').Study['run']} */
export async function run(lab, flags) {
  const model = await modelFolder(lab, flags)
  const { train, questions: counts } = await xquadRows(lab, flags)
  const rows = []
  const losses = []
  for (const packing of ['tree', 'none']) {
    // Dropout draws its masks by position in a row, so that only without it both ways have the same losses.
    const changes = ['--dtype', 'f32', '--lora-dropout', '0', '--packing', packing, '--max-steps', String(steps)]
    const recipe = [...raftRecipe, ...changes]
    const trained = await lab.train(`packing-${packing}`, trainFlags(flags, { model, dataset: train, recipe }))
    losses.push(trained.losses)
    rows.push([packing, trained.losses.map((loss) => figure(loss, 5)).join(', '), ...trainingCells(trained)])
  }
  const [first = [], second = []] = losses
  const apart = Math.max(...first.map((loss, i) => Math.abs(loss - (second[i] ?? NaN))))
  return `The first ${steps} steps of ${counts.train} questions, dropout 0; seed ${flags.seed}. Losses differ by ${apart.toExponential(1)} at most.

${table(['packing', 'losses', ...trainingHead], rows)}`
}
