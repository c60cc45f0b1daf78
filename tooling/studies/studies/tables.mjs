// Questions on tables of Wikipedia: the first phase of the paper's recipe.
import { evalFlags, noTraining, trainFlags, trainingCells, trainingHead } from '../arms.mjs'
import { epochsOf, figure, percent, table } from '../page.mjs'
import { modelFolder, tableRows } from '../rows.mjs'

export const title = 'Tables: WikiTableQuestions'
export const about =
  'Questions on tables that training never saw, judged by what the answer denotes, as the official evaluator does.'
export const questions = 200
export const epochs = 1

/** @type {import('./index.mjs').Study['run']} */
export async function run(lab, flags) {
  const model = await modelFolder(lab, flags)
  const { train, heldOut, questions: counts } = await tableRows(lab, flags)
  const cells = async (/** @type {string} */ name, /** @type {string} */ adapter) => {
    const arm = { model, dataset: heldOut, ...(adapter !== '' && { adapter }) }
    const { loss, scores } = await lab.evaluate(`tables-${name}`, evalFlags(flags, arm))
    return [figure(loss, 3), percent(scores.denotation), percent(scores.exactMatch), percent(scores.f1)]
  }
  const trained = await lab.train('tables', trainFlags(flags, { model, dataset: train }))
  const rows = [
    ['the base', ...(await cells('base', '')), ...noTraining],
    ['tuned', ...(await cells('tuned', trained.adapter)), ...trainingCells(trained)],
  ]
  return `${counts.train} questions to train on, ${counts.heldOut} held out with their tables; those of more than ${flags.maxLength} tokens are left out;
${epochsOf(flags.epochs)}; \`--recipe raft\`; seed ${flags.seed}.

${table(['', 'held-out loss', 'denotation', 'exact match', 'F1', ...trainingHead], rows)}`
}
