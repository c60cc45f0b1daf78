// Questions on Wikipedia paragraphs: what context and tuning bring, in which form of the base, and what context trees save.
import { answerCells, answerHead, evalFlags, trainFlags, trainingCells, trainingHead, raftRecipe } from '../arms.mjs'
import { figure, percent, table } from '../page.mjs'
import { modelFolder, xquadRows } from '../rows.mjs'

export const title = 'Retrieved context and tuning: XQuAD'
export const about =
  'A small model answers questions on paragraphs of Wikipedia that training never saw: without context, with the right paragraph, among distractors, and with the right paragraph missing, where it should refuse. Before and after RAFT.'
export const questions = 240
export const epochs = 1

/** Forms of the base: its file, and the number format of products. */
const forms = /** @type {const} */ ({ f32: 'f32', int8: 'int8', 'Q4_1 file': 'f32' })

/** @type {import('./index.mjs').Study['run']} */
export async function run(lab, flags) {
  const folder = await modelFolder(lab, flags)
  const { train, heldOut, questions: counts } = await xquadRows(lab, flags)
  const sides = /** @type {const} */ (['closed', 'golden', 'distractors', 'missing'])
  const contexts = {
    closed: 'without context',
    golden: 'the right paragraph',
    distractors: 'with two distractors',
    missing: 'the right one missing',
  }
  const recipeFor = (/** @type {string} */ dtype) => [...raftRecipe, '--dtype', dtype]
  const tuned = await lab.train('f32', trainFlags(flags, { model: folder, dataset: train, recipe: recipeFor('f32') }))
  const rows = []
  for (const adapter of [undefined, tuned.adapter])
    for (const side of sides) {
      const name = `${adapter === undefined ? 'base' : 'tuned'}-${side}`
      const arm = { model: folder, dataset: heldOut[side], ...(adapter !== undefined && { adapter }) }
      const { scores } = await lab.evaluate(name, evalFlags(flags, arm))
      // Where the right answer is the refusal, F1 with its words says little.
      const right = side === 'missing' ? ['', ''] : [percent(scores.exactMatch), percent(scores.f1)]
      const words = [percent(scores.refusal), side === 'closed' ? '' : percent(scores.faithful)]
      rows.push([adapter === undefined ? 'base' : 'tuned', contexts[side], ...right, ...words])
    }

  const formRows = []
  for (const [name, dtype] of Object.entries(forms)) {
    const model = name === 'Q4_1 file' ? flags.model : folder
    if (name === 'Q4_1 file' && model === folder) continue // a folder was given
    const id = name.split(' ')[0]?.toLowerCase() ?? name
    const arm = { model, dataset: train, recipe: recipeFor(dtype) }
    const trained = name === 'f32' ? tuned : await lab.train(id, trainFlags(flags, arm))
    const asked = { model, dataset: heldOut.distractors, dtype }
    const base = await lab.evaluate(`${id}-base`, evalFlags(flags, asked))
    const found = await lab.evaluate(`${id}-tuned`, evalFlags(flags, { ...asked, adapter: trained.adapter }))
    formRows.push([name, percent(base.scores.f1), ...answerCells(found), ...trainingCells(trained)])
  }

  const treeRows = []
  const steps = 4
  const losses = []
  for (const packing of ['tree', 'none']) {
    // Dropout draws its masks by position in a row, so that only without it both ways have the same losses.
    const recipe = [...recipeFor('f32'), '--lora-dropout', '0', '--packing', packing, '--max-steps', String(steps)]
    const trained = await lab.train(`packing-${packing}`, trainFlags(flags, { model: folder, dataset: train, recipe }))
    losses.push(trained.losses)
    treeRows.push([packing, trained.losses.map((loss) => figure(loss, 5)).join(', '), ...trainingCells(trained)])
  }
  const [first = [], second = []] = losses
  const apart = Math.max(...first.map((loss, i) => Math.abs(loss - (second[i] ?? NaN))))

  return `${counts.train} questions to train on, ${counts.heldOut} held out with their paragraphs; ${flags.epochs} epoch${flags.epochs === 1 ? '' : 's'}; all
linear layers, r 16, alpha 32, rate 2e-4; seed ${flags.seed}. A fifth of the training questions goes without its paragraph and learns
the refusal. \`refused\` is the share of unanswerable questions that are refused in those words, which a base that was never shown them
can hardly say; \`in the context\` the share of other answers that stand in their context.

${table(['', 'context', 'exact match', 'F1', 'refused', 'in the context'], rows)}

## Forms of the base

Questions with two distractors.

${table(['base', 'F1 before', ...answerHead, ...trainingHead], formRows)}

## Context trees

The same ${steps} steps, dropout 0, with each context computed once for all its questions (\`tree\`), and once for each (\`none\`). Losses differ by
${apart.toExponential(1)} at most.

${table(['packing', 'losses', ...trainingHead], treeRows)}`
}
