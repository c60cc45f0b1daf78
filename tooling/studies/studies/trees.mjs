// Context trees: what steps cost with each context computed once, and once for each of its questions.
import { raftRecipe, trainFlags, trainingCells, trainingHead } from '../arms.mjs'
import { figure, table } from '../page.mjs'
import { modelFolder, xquadRows } from '../rows.mjs'

export const title = 'Context trees against none'
export const about =
  'XQuAD with two distractors: training steps with each context computed once for all its questions, and once for each of them.'
export const questions = 240
export const epochs = 1

const steps = 4

/** @type {import('./index.mjs').Study['run']} */
export async function run(lab, flags) {
  const model = await modelFolder(lab, flags)
  const { train, questions: counts } = await xquadRows(lab, flags)
  const rows = []
  const rates = []
  for (const packing of ['tree', 'none']) {
    // Steps of several contexts, so that samples without trees are as many.
    const size = ['--gradient-accumulation-steps', '8', '--max-steps', String(steps)]
    const changes = ['--dtype', 'f32', '--packing', packing, ...size]
    const recipe = [...raftRecipe, ...changes]
    const trained = await lab.train(`packing-${packing}`, trainFlags(flags, { model, dataset: train, recipe }))
    rates.push(trained.samples / trained.cpuSeconds)
    rows.push([packing, String(trained.samples), ...trainingCells(trained)])
  }
  const [tree = NaN, none = NaN] = rates
  return `The first ${steps} steps of ${counts.train} questions; seed ${flags.seed}. With trees a step takes contexts whole, so that its questions are not those of the
other's. The gradients of a tree are those of its samples, which the tests hold. Samples a second of processor time:
${figure(tree / none)}× with trees.

${table(['packing', 'samples', ...trainingHead], rows)}`
}
