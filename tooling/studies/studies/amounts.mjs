// How much more questions teach: the same recipe, for as many steps, on a part of them and on all.
import { answerCells, answerHead, evalFlags, noTraining, trainFlags, trainingCells, trainingHead } from '../arms.mjs'
import { epochsOf, table } from '../page.mjs'
import { modelFolder, partOf, xquadRows } from '../rows.mjs'

export const title = 'How many questions it takes: XQuAD'
export const about =
  'A quarter, a half and all of the questions of XQuAD with two distractors, each seen so often that all take about as many steps; asked about paragraphs that none of them saw.'
export const questions = 1190
export const epochs = 2

/** @type {import('./index.mjs').Study['run']} */
export async function run(lab, flags) {
  const model = await modelFolder(lab, flags)
  const { train, heldOut, questions: counts } = await xquadRows(lab, flags, { refusals: false })
  const dataset = heldOut.distractors
  const base = await lab.evaluate('base', evalFlags(flags, { model, dataset }))
  const rows = [['none', '', ...answerCells(base), ...noTraining]]
  for (const parts of [1, 2, 4]) {
    const part = await partOf(lab, train, parts)
    const epochs = parts * flags.epochs
    const name = parts === 1 ? 'all' : `1-of-${parts}`
    const trained = await lab.train(`amounts-${name}`, trainFlags({ ...flags, epochs }, { model, dataset: part.path }))
    const found = await lab.evaluate(`amounts-${name}`, evalFlags(flags, { model, dataset, adapter: trained.adapter }))
    rows.push([String(part.questions), epochsOf(epochs), ...answerCells(found), ...trainingCells(trained)])
  }
  return `${counts.heldOut} questions are held out with their paragraphs; \`--recipe raft\`; seed ${flags.seed}. All answer in f32.

${table(['questions', '', ...answerHead, ...trainingHead], rows)}`
}
