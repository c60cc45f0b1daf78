// The shape of the paper's Table 2: tables first, then whom a post answers.
import { evalFlags, noTraining, raftRecipe, trainFlags, trainingCells, trainingHead } from '../arms.mjs'
import { epochsOf, figure, percent, table } from '../page.mjs'
import { modelFolder, tableRows, threadRows } from '../rows.mjs'

export const title = 'Threads: whom a post answers, after tables or not'
export const about =
  'Open chat logs of #Ubuntu with reply links stand in for the paper’s threads. As in its Table 2: whether an answer names the post that was asked about (target), whether it names the right post that this answers (reply), and replies among right targets, p(reply | target).'
export const questions = 200
export const epochs = 1

/** @type {import('./index.mjs').Study['run']} */
export async function run(lab, flags) {
  const model = await modelFolder(lab, flags)
  const tables = await tableRows(lab, flags)
  const { train, heldOut, questions: counts } = await threadRows(lab, flags)
  const cells = async (/** @type {string} */ name, /** @type {string} */ adapter) => {
    const arm = { model, dataset: heldOut, tokens: 64, ...(adapter !== '' && { adapter }) }
    const { loss, scores } = await lab.evaluate(`irc-${name}`, evalFlags(flags, arm))
    const { target, reply, replyGivenTarget } = /** @type {Record<string, import('@jora/data').Estimate>} */ (scores)
    return [figure(loss, 3), percent(target), percent(reply), percent(replyGivenTarget)]
  }
  const first = await lab.train('tables', trainFlags(flags, { model, dataset: tables.train }))
  const alone = await lab.train('threads', trainFlags(flags, { model, dataset: train }))
  const after = [...raftRecipe, '--init-adapter', first.adapter]
  const both = await lab.train('tables-threads', trainFlags(flags, { model, dataset: train, recipe: after }))
  const rows = [
    ['the base', ...(await cells('base', '')), ...noTraining],
    ['tables', ...(await cells('tables', first.adapter)), ...trainingCells(first)],
    ['threads', ...(await cells('threads', alone.adapter)), ...trainingCells(alone)],
    ['tables, then threads', ...(await cells('both', both.adapter)), ...trainingCells(both)],
  ]
  return `${tables.questions.train} questions on tables, ${counts.train} posts of threads to train on, ${counts.heldOut} posts of other logs held out, each with the ten before it;
${epochsOf(flags.epochs)} of each; \`--recipe raft\`; seed ${flags.seed}.

${table(['trained on', 'held-out loss', 'target', 'reply', 'p(reply \\| target)', ...trainingHead], rows)}`
}
