// What a person sees of a run from documents to a model: stage by stage, then what came of it.
import {
  reportNotes,
  scoreRows,
  type Learned,
  type LearnOptions,
  type LearnPlan,
  type LearnProgress,
  type LearnStage,
} from '@jora/lora'
import type { Io } from '../io'
import { stageProgress } from '../reading'
import { bytes, count, duration, plural, short } from './format'
import { StatusLine } from './status-line'
import { styleFor, type Style } from './style'
import { columns } from './table'
import { TrainDisplay } from './train-display'

const titles: Readonly<Record<LearnStage, string>> = {
  read: 'Reading the documents',
  draft: 'Questions on them',
  contexts: 'Contexts for the questions',
  train: 'Training',
  evaluate: 'Base and tuned model answer what was held out',
}

const names: Partial<Record<LearnProgress, string>> = { base: 'base model', tuned: 'tuned model' }

export class LearnDisplay {
  readonly style: Style
  readonly line: StatusLine
  readonly #training: TrainDisplay
  readonly #progress: ReturnType<typeof stageProgress>
  #stages = 0

  constructor(io: Io) {
    this.style = styleFor(io.stderr, io.env)
    this.line = new StatusLine(io.stderr)
    this.#training = new TrainDisplay(io)
    this.#progress = stageProgress(this.line, this.style)
  }

  log(text: string): void {
    this.line.log(text)
  }

  stopping(): void {
    this.close()
    this.log(this.style.yellow('stopping; what is done is kept (once more to stop at once)'))
  }

  stage(stage: LearnStage, state: Parameters<NonNullable<LearnOptions['onStage']>>[1]): void {
    this.close()
    const why = {
      begins: '',
      stands: this.style.dim('  done before'),
      again: this.style.dim('  made again: what it rests on changed'),
    }
    this.log(`${this.style.bold(`${++this.#stages}  ${titles[stage]}`)}${why[state]}`)
  }

  progress(done: number, total: number, what: LearnProgress, earlier?: number): void {
    this.#progress(done, total, names[what] ?? what, earlier)
  }

  train(event: Parameters<NonNullable<LearnOptions['onTrain']>>[0]): void {
    if (event.type === 'begin') this.#training.begin(event.totalSteps)
    else this.#training.show(event)
  }

  close(): void {
    this.line.clear()
    this.#training.close()
  }
}

const kindsOf = (byKind: Readonly<Record<string, number>>): string =>
  Object.entries(byKind)
    .sort(([, a], [, b]) => b - a)
    .map(([kind, n]) => `${count(n)} ${kind}`)
    .join(', ')

/** What a run would do. */
export function planLines(plan: LearnPlan, style: Style): string[] {
  const { documents, passages, tokens, questions, aboutQuestions, aboutRequests, aboutContexts, contextTokens } = plan
  return [
    ...columns([
      [style.bold('documents'), `${count(documents.documents)}: ${kindsOf(documents.byKind)}`],
      [style.bold('passages'), `${count(passages)} of ${short(tokens)} tokens in all`],
      [
        style.bold('questions'),
        questions === undefined
          ? `about ${count(aboutQuestions)}, drafted and checked with about ${plural(aboutRequests, 'request')}`
          : `${count(questions)} of the file`,
      ],
      [style.bold('contexts'), `about ${count(aboutContexts)}, of ${count(contextTokens)} tokens each`],
      [
        style.bold('training'),
        `about ${plural(plan.aboutSteps, 'step')}, ${duration(plan.aboutSeconds)} on this processor`,
      ],
      [style.bold('memory'), `about ${bytes(plan.aboutMemoryBytes)} for a step of one context`],
    ]),
    style.dim(
      `Memory is that of a step on ${plan.device}, with all activations kept; time counts arithmetic, at what steps of other models reached. Nothing is written.`,
    ),
  ]
}

/** What came of it. */
export function resultLines({ documents, questions, contexts, training, evaluation }: Learned, style: Style): string[] {
  const { accepted, rejected, drafter } = questions
  const { train, test } = contexts
  const rows = scoreRows(evaluation).map(([name = '', base = '', tuned = '', n = '']) => [
    name,
    base,
    style.green(tuned),
    style.dim(`${n} questions`),
  ])
  return [
    '',
    ...columns([
      [style.bold('documents'), `${count(documents.documents)}: ${kindsOf(documents.byKind)}`],
      [
        style.bold('questions'),
        `${count(accepted)}${drafter === undefined ? '' : ` drafted by ${drafter}, ${count(rejected)} rejected`}`,
      ],
      [
        style.bold('trained on'),
        `${plural(train.questions, 'question')} on ${plural(train.contexts, 'context')}, ${plural(training.steps, 'step')}`,
      ],
      [style.bold('held out'), `${plural(test.questions, 'question')} on ${plural(test.contexts, 'context')}`],
    ]),
    '',
    ...(rows.length === 0
      ? ['nothing is held out: there is nothing to compare on']
      : columns([['', 'base', 'tuned', ''], ...rows])),
    ...reportNotes({ drafted: questions, contexts, documents }, evaluation.questions).map((note) =>
      style.yellow(`note: ${note}`),
    ),
  ]
}
