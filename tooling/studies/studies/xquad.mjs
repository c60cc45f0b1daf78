// Questions on Wikipedia paragraphs: what context and tuning bring.
import { evalFlags, trainFlags } from '../arms.mjs'
import { epochsOf, megabytes, minutes, percent, table } from '../page.mjs'
import { modelFolder, xquadRows } from '../rows.mjs'

export const title = 'Retrieved context and tuning: XQuAD'
export const about =
  'A small model answers questions on paragraphs of Wikipedia that training never saw: without context, with the right paragraph, among distractors, and with the right paragraph missing, where it should refuse. Before and after RAFT.'
export const questions = 240
export const epochs = 1

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
  const tuned = await lab.train('raft', trainFlags(flags, { model: folder, dataset: train }))
  const rows = []
  for (const adapter of [undefined, tuned.adapter])
    for (const side of sides) {
      const name = `${adapter === undefined ? 'base' : 'tuned'}-${side}`
      const arm = { model: folder, dataset: heldOut[side], ...(adapter !== undefined && { adapter }) }
      const { scores } = await lab.evaluate(name, evalFlags(flags, arm))
      // Where the right answer is the refusal, F1 with its words says little.
      const right =
        side === 'missing' ? ['', '', ''] : [percent(scores.exactMatch), percent(scores.squad), percent(scores.f1)]
      const words = [percent(scores.refusal), side === 'closed' ? '' : percent(scores.faithful)]
      rows.push([adapter === undefined ? 'base' : 'tuned', contexts[side], ...right, ...words])
    }

  const took = [
    minutes(tuned.seconds),
    tuned.cpuSeconds > 0 && `${minutes(tuned.cpuSeconds)} of processor time`,
    megabytes(tuned.peakPssMb),
  ]
  const cost = took.filter(Boolean).join(', ')
  return `${counts.train} questions to train on, ${counts.heldOut} held out with their paragraphs; ${epochsOf(flags.epochs)};
\`--recipe raft\`: all linear layers, r 16, alpha 32, rate ${tuned.learningRate}, steps of one context tree; trained in ${tuned.dtype}; seed ${flags.seed}.
A fifth of the training questions goes without its paragraph and learns the refusal. \`refused\` is the share of unanswerable questions that are refused in those words, which a base that was never shown them
can hardly say; \`in the context\` the share of other answers that stand in their context. Training took ${cost}.

${table(['', 'context', 'exact match', 'as SQuAD', 'F1', 'refused', 'in the context'], rows)}`
}
