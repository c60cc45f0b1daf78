// A project's stages: `jora learn … --until STAGE` as a job, and what its files hold for the page.
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { draftLine, loadRows, parseDrafts, readQuestions, type ContextRow, type Draft } from '@jora/data'
import { learnStages } from '@jora/lora'
import { writeLinesAtomic } from '@jora/tensor/files'
import { z } from 'zod'
import type { LearnAnswer, LearnContexts, LearnQuestions, LearnStageRequest, Review } from '../api'
import type { JobWork } from '../jobs/jobs'
import { childEnv, flags, type Commands } from '../process/command'
import { Failure } from '../server/failure'
import type { OpenProject } from './projects'

/** Training takes its time, */
const timeoutMs = 7 * 24 * 3_600_000
/** and so does the step it is in when it is stopped, behind which it saves what it has learned. */
const graceMs = 60_000

const titles: Readonly<Record<LearnStageRequest['until'], string>> = {
  read: 'Reading the documents',
  draft: 'Questions on the documents',
  contexts: 'Building contexts',
  train: 'Training',
  evaluate: 'Asking what was held out',
}

export interface StageOptions {
  readonly commands: Commands
  readonly cwd: string
  /** Folder of the model, or its Hub id. */
  readonly model: string
}

/** @throws Failure when neither drafter nor questions are there for a stage that needs them */
export function stageWork(
  project: OpenProject,
  { until, questions, columns, drafter, ...settings }: LearnStageRequest,
  { commands, cwd, model }: StageOptions,
): JobWork {
  const { chunkTokens, numEpochs, maxSteps, learningRate, maxSeqLength, evalQuestions, retriever, distractors } =
    settings
  const args = [
    'learn',
    project.source,
    ...flags({
      model,
      'output-dir': project.folder,
      until,
      questions,
      columns,
      'drafter-url': drafter?.url,
      'drafter-model': drafter?.model,
      'per-passage': drafter?.perPassage,
      'max-questions': drafter?.maxQuestions,
      'chunk-tokens': chunkTokens,
      'num-epochs': numEpochs,
      'max-steps': maxSteps,
      'learning-rate': learningRate,
      'max-seq-length': maxSeqLength,
      'eval-questions': evalQuestions,
      retriever,
      distractors,
    }),
  ]
  return {
    kind: 'learn',
    title: titles[until],
    projectId: project.id,
    async run(signal, progress) {
      // By environment: arguments are there for all to see.
      const env = childEnv(drafter?.key === undefined ? {} : { JORA_DRAFTER_KEY: drafter.key })
      const onLine = (line: string) => {
        const [, done, total] = /(\d[\d,]*)\/(\d[\d,]*)/.exec(line) ?? []
        const count = (text: string | undefined) => Number((text ?? '0').replaceAll(',', ''))
        progress({ done: count(done), total: total === undefined ? null : count(total), text: line.slice(0, 200) })
      }
      return commands.json(args, z.record(z.string(), z.unknown()), { cwd, signal, env, timeoutMs, graceMs, onLine })
    },
  }
}

const pathOf = (project: OpenProject, stage: keyof typeof learnStages): string =>
  join(project.folder, learnStages[stage])

/** The drafts, or where there are none because questions were given, those. */
export async function questionsOf(project: OpenProject): Promise<LearnQuestions> {
  const file = pathOf(project, 'draft')
  const text = await readFile(file, 'utf8').catch(() => undefined)
  if (text === undefined) return { reviewable: false, questions: [] }
  const drafts = draftsIn(text, file)
  if (drafts)
    return {
      reviewable: true,
      questions: drafts.map(({ id, kind, question, answer, quote, chunk, decision, by, reason }) => ({
        id,
        kind,
        question,
        answer: answer ?? null,
        quote: quote ?? null,
        chunk,
        decision,
        by,
        reason: reason ?? null,
      })),
    }
  const given = await readQuestions(file, { onRefused: () => {} })
  return {
    reviewable: false,
    questions: given.map(({ id, question, answer, document }, i) => ({
      id: id ?? String(i + 1),
      kind: 'given',
      question,
      answer: answer === '' ? null : answer,
      quote: null,
      chunk: document ?? '',
      decision: 'accepted',
      by: 'file',
      reason: null,
    })),
  }
}

function draftsIn(text: string, file: string): Draft[] | undefined {
  if (!text.includes('"decision"')) return undefined
  try {
    return parseDrafts(text, file)
  } catch {
    return undefined
  }
}

/** Writes what a reviewer decided. @throws Failure when there are no drafts, or none of an id */
export async function review(project: OpenProject, { drafts: changes }: Review): Promise<void> {
  const file = pathOf(project, 'draft')
  const drafts = draftsIn(await readFile(file, 'utf8').catch(() => ''), file)
  if (!drafts) throw new Failure('conflict', 'There are no drafts to review.')
  const byId = new Map(changes.map((change) => [change.id, change]))
  const reviewed = drafts.map((draft): Draft => {
    const change = byId.get(draft.id)
    if (!change) return draft
    byId.delete(draft.id)
    const { reason: _reason, ...kept } = draft
    const { decision = draft.decision, question = draft.question, answer } = change
    const answered = draft.kind === 'unanswerable' || answer === undefined ? {} : { answer }
    return { ...kept, ...answered, question, decision, by: 'reviewer' }
  })
  const [unknown] = byId.keys()
  if (unknown !== undefined) throw new Failure('not_found', `There is no draft ${unknown}: load the page anew.`)
  await writeLinesAtomic(file, reviewed.map(draftLine))
}

const isContext = (row: object): row is ContextRow => 'questions' in row

/** Contexts from one on, in their order. */
export async function contextsOf(project: OpenProject, from: number, count: number): Promise<LearnContexts> {
  const rows = await loadRows(pathOf(project, 'contexts')).catch(() => [])
  const contexts = rows.slice(from, from + count).flatMap((row, i) => {
    if (!isContext(row) || typeof row.context === 'string') return []
    const golden = new Set(row.questions.flatMap((question) => question.golden ?? []))
    return [
      {
        row: from + i,
        split: row.split ?? ('train' as const),
        documents: row.context.map(({ id = '', title, text }) => ({
          id,
          title: title ?? null,
          text,
          golden: golden.has(id),
        })),
        questions: row.questions.map(({ question, answer }) => ({ question, answer })),
      },
    ]
  })
  return { total: rows.length, contexts }
}

const scored = z.looseObject({
  answer: z.string(),
  exactMatch: z.boolean(),
  f1: z.number().optional(),
  denotation: z.boolean().optional(),
  refusal: z.boolean().optional(),
})
const answerLine = z.object({
  row: z.number().optional(),
  question: z.string(),
  answers: z.array(z.string()),
  unanswerable: z.boolean().optional(),
  base: scored,
  tuned: scored,
})

/** What base and tuned model answered to the questions that were held out; none before they were asked. */
export async function answersOf(project: OpenProject): Promise<LearnAnswer[]> {
  const text = await readFile(join(project.folder, 'answers.jsonl'), 'utf8').catch(() => '')
  const side = ({ answer, exactMatch, f1, denotation, refusal }: z.infer<typeof scored>) => ({
    answer,
    // All words and no others, as SQuAD compares them, are right to whoever reads them.
    right: refusal ?? (exactMatch || denotation === true || f1 === 1),
    f1: f1 ?? null,
  })
  return text.split('\n').flatMap((line) => {
    if (line === '') return []
    const { row, question, answers, unanswerable = false, base, tuned } = answerLine.parse(JSON.parse(line))
    return [
      {
        question,
        answers,
        unanswerable,
        base: side(base),
        tuned: side(tuned),
        context: row === undefined ? null : row - 1,
      },
    ]
  })
}
