// What a model unlearns when it is tuned on one task, and what general rows mixed in do against it.
import { evalFlags, noTraining, raftRecipe, trainFlags, trainingCells, trainingHead } from '../arms.mjs'
import { epochsOf, figure, percent, table } from '../page.mjs'
import { generalRows, modelFolder, xquadRows } from '../rows.mjs'

export const title = 'Forgetting, and general rows mixed in'
export const about =
  'Tuned on XQuAD alone, and with general rows (`--alpaca-mix-file`): hand-written tasks of Self-Instruct and sums of GSM8K. Measured on other tasks and sums, and on XQuAD.'
export const questions = 120
export const epochs = 1

/** @type {import('./index.mjs').Study['run']} */
export async function run(lab, flags) {
  const model = await modelFolder(lab, flags)
  const { train, heldOut, questions: counts } = await xquadRows(lab, flags)
  const { mix, tasks, sums } = await generalRows(lab, flags)
  const recipes = {
    'XQuAD alone': raftRecipe,
    'general rows mixed in, 0.3': [...raftRecipe, '--alpaca-mix-file', mix, '--alpaca-mix', '0.3'],
  }
  const measured = async (/** @type {string} */ name, /** @type {string} */ adapter) => {
    const arm = { model, ...(adapter !== '' && { adapter }) }
    const general = async (/** @type {string} */ what, /** @type {string} */ dataset) => {
      const found = await lab.evaluate(`${name}-${what}`, evalFlags(flags, { ...arm, dataset }))
      return [figure(found.perplexity), percent(found.scores.f1)]
    }
    const task = await lab.evaluate(`${name}-xquad`, evalFlags(flags, { ...arm, dataset: heldOut.distractors }))
    return [...(await general('tasks', tasks)), ...(await general('sums', sums)), percent(task.scores.f1)]
  }
  const rows = [['the base', ...(await measured('base', '')), ...noTraining]]
  for (const [name, recipe] of Object.entries(recipes)) {
    const id = name === 'XQuAD alone' ? 'alone' : 'mixed'
    const trained = await lab.train(id, trainFlags(flags, { model, dataset: train, recipe }))
    rows.push([name, ...(await measured(id, trained.adapter)), ...trainingCells(trained)])
  }
  const head = ['tasks: perplexity', 'F1', 'sums: perplexity', 'F1', 'XQuAD: F1']
  return `${counts.train} questions of XQuAD to train on, ${counts.heldOut} held out; ${epochsOf(flags.epochs)}; \`--recipe raft\`; seed ${flags.seed}.

${table(['', ...head, ...trainingHead], rows)}`
}
