// Questions that one, two or three sentences answer together, among many that do not: after HotpotQA's, on stories that anyone can check.
import { answerCells, answerHead, evalFlags, noTraining, trainFlags, trainingCells, trainingHead } from '../arms.mjs'
import { epochsOf, table } from '../page.mjs'
import { modelFolder, storyRows } from '../rows.mjs'

export const title = 'Several facts together: bAbI'
export const about =
  'Questions on stories that need one, two or three of their sentences, each a document of its own; the others distract. A model for each kind, asked about stories that training never saw.'
export const questions = 500
export const epochs = 2

/** @type {import('./index.mjs').Study['run']} */
export async function run(lab, flags) {
  const model = await modelFolder(lab, flags)
  const rows = []
  const sizes = []
  for (const facts of /** @type {const} */ (['one', 'two', 'three'])) {
    const { train, heldOut, questions: counts } = await storyRows(lab, flags, facts)
    sizes.push(`${counts.train} and ${counts.heldOut}`)
    const ask = async (/** @type {string} */ name, /** @type {string | undefined} */ adapter) =>
      answerCells(
        await lab.evaluate(
          `hops-${facts}-${name}`,
          evalFlags(flags, { model, dataset: heldOut, tokens: 16, ...(adapter !== undefined && { adapter }) }),
        ),
      )
    const trained = await lab.train(`hops-${facts}`, trainFlags(flags, { model, dataset: train }))
    rows.push([facts, 'the base', ...(await ask('base', undefined)), ...noTraining])
    rows.push([facts, 'tuned', ...(await ask('tuned', trained.adapter)), ...trainingCells(trained)])
  }
  return `Questions to train on and held out: ${sizes.join(', ')}; ${epochsOf(flags.epochs)}; \`--recipe raft\`; seed ${flags.seed}.
Answers are one of six places: who guesses is right in a sixth of them.

${table(['facts', '', ...answerHead, ...trainingHead], rows)}`
}
