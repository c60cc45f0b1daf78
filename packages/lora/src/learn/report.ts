// The report of a run from documents to a model, for people.
import type { Estimate, ScoreName } from '@jora/data'
import type { ComparedQuestion } from '../answer/compare'
import type { EarlierFigures, EvaluationFigures, StageContext } from './options'

/** How each score is called. */
export const scoreLabels: Readonly<Record<ScoreName, string>> = {
  exactMatch: 'exact match',
  f1: 'F1',
  denotation: 'denotation',
  target: 'target',
  reply: 'reply',
  refusal: 'unanswerable ones refused',
  faithful: 'answers that stand in their context',
}

/** `42.1 % (36.0–48.2)` */
export const estimateText = ({ mean, low, high }: Estimate): string => {
  const share = (value: number) => (100 * value).toFixed(1)
  return `${share(mean)} % (${share(low)}–${share(high)})`
}

/** Rows of a table: score, base, tuned, and of how many questions. */
export const scoreRows = ({ base, tuned }: Pick<EvaluationFigures, 'base' | 'tuned'>): string[][] =>
  (Object.keys(scoreLabels) as ScoreName[]).flatMap((name) => {
    const [before, after] = [base[name], tuned[name]]
    if (before === undefined && after === undefined) return []
    const text = (estimate: Estimate | undefined) => (estimate === undefined ? '–' : estimateText(estimate))
    return [[scoreLabels[name], text(before), text(after), String(after?.count ?? before?.count ?? 0)]]
  })

/** What a reader should know before the figures. */
export function reportNotes(
  { drafted, contexts, documents }: Omit<EarlierFigures, 'training'>,
  asked: number,
): string[] {
  return [
    ...(drafted.drafter === undefined
      ? []
      : [
          `the questions, those of the evaluation too, are drafts of ${drafted.drafter}: the figures say how well the model answers such questions, not how well it answers yours`,
        ]),
    ...(drafted.stopped === undefined ? [] : [`drafting stopped early: ${drafted.stopped}`]),
    ...(documents.skipped.length === 0 ? [] : [`${documents.skipped.length} files or rows were not read`]),
    ...(contexts.questions.refused === 0
      ? []
      : [
          `${contexts.questions.refused} of ${contexts.questions.read} questions are in no context, the first one for: ${contexts.refused[0]?.reason ?? 'it could not be read'}`,
        ]),
    ...(contexts.borrowingContexts === 0
      ? []
      : [`${contexts.borrowingContexts} held-out contexts have distractors from documents to train on`]),
    ...(asked < 30 ? [`${asked} held-out questions are few: the intervals are wide`] : []),
  ]
}

const table = (head: readonly string[], rows: readonly (readonly string[])[]): string =>
  [head, head.map(() => '---'), ...rows]
    .map((row) => `| ${row.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`)
    .join('\n')

const short = (text: string): string => {
  const line = text.replace(/\s+/g, ' ').trim()
  return line.length > 120 ? `${line.slice(0, 120)}…` : line
}

/** The report as Markdown. */
export function reportText(
  { documents: path, model, config }: StageContext,
  figures: EarlierFigures & { readonly evaluation: EvaluationFigures; readonly compared: readonly ComparedQuestion[] },
): string {
  const { documents, drafted, contexts, training, evaluation, compared } = figures
  const kinds = Object.entries(documents.byKind).map(([kind, n]) => `${n} ${kind}`)
  const notes = reportNotes(figures, evaluation.questions)
  const { loraR, loraAlpha, learningRate, epochs } = config.settings
  const examples = compared
    .slice(0, 20)
    .map(({ asked, base, tuned }) => [asked.text, asked.answers[0] ?? '', base.prediction, tuned.prediction].map(short))
  return [
    `# ${model.ref.name} on ${path}`,
    ...notes.map((note) => `> ${note}.`),
    table(
      ['stage', 'what came of it'],
      [
        ['documents', `${documents.documents}: ${kinds.join(', ')}`],
        ['questions', `${drafted.accepted} accepted, ${drafted.rejected} rejected`],
        [
          'contexts',
          `${contexts.train.contexts} with ${contexts.train.questions} questions to train on; ${contexts.test.contexts} with ${contexts.test.questions} held out, on documents that training never saw`,
        ],
        [
          'training',
          `${training.steps} steps, ${epochs} epochs, rank ${loraR}, alpha ${loraAlpha}, rate ${learningRate}; loss ${training.finalLoss?.toFixed(4) ?? '–'}, held-out loss ${training.heldOutLoss?.toFixed(4) ?? '–'}`,
        ],
      ],
    ),
    '## Base against tuned\n\nMeans with 95 % intervals (bootstrap).',
    table(['', 'base', 'tuned', 'questions'], scoreRows(evaluation)),
    '## The first questions',
    table(['question', 'right', 'base', 'tuned'], examples),
    ...(documents.skipped.length === 0
      ? []
      : [
          '## Not read',
          documents.skipped
            .slice(0, 200)
            .map(({ file, row, reason }) => `- ${file}${row === undefined ? '' : `, row ${row}`}: ${reason}`)
            .join('\n'),
        ]),
  ]
    .join('\n\n')
    .concat('\n')
}
