// From documents without questions: tuned on what a model drafts against tuned on what people asked, on held-out human questions.
import { join } from 'node:path'
import { answerCells, answerHead, evalFlags, trainFlags, trainingCells, trainingHead } from '../arms.mjs'
import { flagsOf, readLines, writeLines } from '../lab.mjs'
import { epochsOf, percent, table } from '../page.mjs'
import { modelFolder, xquadRows } from '../rows.mjs'

export const title = 'Drafted questions against human ones: XQuAD'
export const about =
  'Paragraphs of Wikipedia without their questions: a model drafts some, contexts are built and a small model is tuned on them. It is asked the human questions on paragraphs that training never saw, beside the same model tuned on human questions of the same paragraphs.'
export const questions = 240
export const epochs = 1

/** A drafter's reply is on a passage; so many questions are asked for on each. */
const perPassage = 5

/** @typedef {import('../lab.mjs').Lab} Lab */
/** @typedef {import('./index.mjs').StudyFlags} StudyFlags */

/**
 * The paragraphs that human questions are trained on, and what a drafter asks about them: as many questions as people did, at most.
 * @param {Lab} lab @param {StudyFlags} flags
 * @param {{ documents: string, train: string, most: number }} from
 * @returns {Promise<{ rows: string | undefined, accepted: number, rejected: ReadonlyMap<string, number> }>} no rows where no draft stands
 */
async function draftedRows(lab, { model, drafter, seed }, { documents, train, most }) {
  /** @type {any[]} */
  const rows = readLines(train)
  const seen = new Set(
    rows.flatMap(({ context }) => context.map((/** @type {any} */ { id }) => String(id).replace(/#.*$/, ''))),
  )
  const inputs = { documents, train, drafter, most, seed, perPassage }
  const read = await lab.rows('drafts-documents', inputs, (path) =>
    writeLines(
      path,
      readLines(documents).flatMap((document) => (seen.has(document.id) ? [{ ...document, split: 'train' }] : [])),
    ),
  )
  const drafts = await lab.rows('drafts-questions', inputs, (path) =>
    lab.jora([
      'data',
      'draft',
      ...flagsOf({ documents: read, model, output: path, 'drafter-model': drafter, 'per-passage': perPassage }),
      // Replies are kept as they come: drafting that was stopped goes on where it was.
      ...flagsOf({ cache: join(lab.folder, 'replies.jsonl'), 'max-questions': most, 'chunk-tokens': 384, seed }),
      '--overwrite',
    ]),
  )
  /** @type {any[]} */
  const all = readLines(drafts)
  /** @type {Map<string, number>} */
  const rejected = new Map()
  for (const { decision, reason } of all)
    if (decision === 'rejected') {
      const [why = 'no reason given'] = String(reason ?? 'no reason given').split(': ', 1)
      rejected.set(why, (rejected.get(why) ?? 0) + 1)
    }
  const accepted = all.filter(({ decision }) => decision === 'accepted').length
  if (accepted === 0) return { rows: undefined, accepted, rejected }
  const made = await lab.rows('drafts-raft', inputs, (path) =>
    lab.jora([
      'data',
      'raft',
      ...flagsOf({ documents: read, questions: drafts, model, output: path, distractors: 2, 'chunk-tokens': 384 }),
      ...flagsOf({ 'without-golden': 'refuse', seed, overwrite: true }),
    ]),
  )
  const train2 = await lab.rows('drafts-train', inputs, (path) =>
    writeLines(
      path,
      readLines(made).map(({ split: _split, ...row }) => row),
    ),
  )
  return { rows: train2, accepted, rejected }
}

/** @type {import('./index.mjs').Study['run']} */
export async function run(lab, given) {
  const flags = { ...given, drafter: given.drafter ?? given.model }
  const model = await modelFolder(lab, flags)
  const { documents, train, heldOut, questions: counts } = await xquadRows(lab, flags)
  const drafted = await draftedRows(lab, flags, { documents, train, most: counts.train })

  /** @type {string[][]} */
  const rows = []
  const arms = /** @type {const} */ ([
    ['base', undefined],
    ['tuned on drafts', drafted.rows],
    ['tuned on human questions', train],
  ])
  for (const [name, dataset] of arms) {
    if (name !== 'base' && dataset === undefined) {
      rows.push([name, '0', ...[...answerHead, 'F1, the right paragraph alone', ...trainingHead].map(() => '–')])
      continue
    }
    const id = name.replaceAll(' ', '-')
    const trained = dataset === undefined ? undefined : await lab.train(id, trainFlags(flags, { model, dataset }))
    const arm = { model, ...(trained && { adapter: trained.adapter }) }
    const among = await lab.evaluate(`${id}-distractors`, evalFlags(flags, { ...arm, dataset: heldOut.distractors }))
    const alone = await lab.evaluate(`${id}-golden`, evalFlags(flags, { ...arm, dataset: heldOut.golden }))
    const trainedOn = dataset === undefined ? '' : dataset === train ? counts.train : drafted.accepted
    const cost = trained === undefined ? trainingHead.map(() => '') : trainingCells(trained)
    rows.push([name, String(trainedOn), ...answerCells(among), percent(alone.scores.f1), ...cost])
  }

  const reasons = [...drafted.rejected].sort(([, a], [, b]) => b - a).map(([why, count]) => `| ${why} | ${count} |`)
  const refused =
    reasons.length === 0 ? '' : `\n\n| drafts that did not pass the checks | |\n|---|---|\n${reasons.join('\n')}`
  return `${counts.heldOut} human questions are held out with their paragraphs. The drafter is \`${flags.drafter.split('/').at(-1)}\`: ${drafted.accepted} of its questions passed
the checks (a quote that stands in the passage, an answer that a second request finds there), and nobody has reviewed them; people asked
${counts.train} on the same paragraphs. ${epochsOf(flags.epochs)}, two distractors by BM25, recipe raft; seed ${flags.seed}.

${table(['', 'questions trained on', ...answerHead, 'F1, the right paragraph alone', ...trainingHead], rows)}${refused}`
}
