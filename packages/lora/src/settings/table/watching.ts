// Settings of what a run is held to while it trains: answers, the best checkpoint, an early end. A run may go on with others.
import type { ScoreName } from '@jora/data'
import type { Settings } from '../setting'
import { choice, choices, integer, matching, number, toggle } from '../types'

const scores = {
  exact_match: 'Exact match',
  f1: 'F1',
  denotation: 'Denotation (tables)',
  target: 'Right post (threads)',
  reply: 'Right reply (threads)',
  refusal: 'Unanswerable ones refused',
  faithful: 'Stands in its context',
}

/** A score of answers, as settings call it. */
export type ScoreMetric = keyof typeof scores
/** What a run can be held to: the held-out loss, or a score of answers. */
export type WatchMetric = 'loss' | ScoreMetric

/** What a score is called in events and results. */
export const scoreOf: Readonly<Record<ScoreMetric, ScoreName>> = {
  exact_match: 'exactMatch',
  f1: 'f1',
  denotation: 'denotation',
  target: 'target',
  reply: 'reply',
  refusal: 'refusal',
  faithful: 'faithful',
}

const inCode = { exactMatch: 'exact_match' } as const

/** Programs that show runs, which a run can write for while it goes on. */
export type Tracker = 'tensorboard' | 'http'

export const watchingSettings = {
  evalMetrics: {
    type: choices<ScoreMetric>(scores, inCode),
    fallback: [],
    absent: 'the loss alone',
    help: 'scores of the answers to held-out questions, at each evaluation',
    label: 'Scores of answers',
    about:
      'The model answers some held-out questions at each measurement. Their scores say more than the loss; it takes time.',
    group: 'saving',
  },
  evalSamples: {
    type: integer(1),
    fallback: 32,
    help: 'held-out questions that are answered at each evaluation, the same ones each time',
    label: 'Questions answered each time',
    about:
      'How many held-out questions are answered at each measurement. More are slower, and their scores more certain.',
    group: 'saving',
    readWith: { evalMetrics: 'set' },
  },
  evalMaxNewTokens: {
    type: integer(1),
    fallback: 64,
    help: 'longest of these answers, in tokens',
    label: 'Longest of these answers',
    about: 'In tokens; longer answers are cut.',
    group: 'saving',
    readWith: { evalMetrics: 'set' },
  },
  evalOnStart: {
    type: toggle,
    fallback: false,
    help: 'evaluate before the first step too, for comparison',
    label: 'Measure before the first step',
    about: 'Shows what the model could do before.',
    group: 'saving',
  },
  metricForBest: {
    type: choice<WatchMetric>({ loss: 'Held-out loss', ...scores }, inCode),
    fallback: 'loss',
    aliases: ['metric-for-best-model'],
    help: 'what the best checkpoint and the patience go by: the held-out loss, or one of --eval-metrics',
    label: 'What the best is judged by',
    about: 'The held-out loss, or one of the scores that are measured.',
    group: 'saving',
  },
  patience: {
    type: integer(1),
    absent: 'never ends early',
    aliases: ['early-stopping-patience'],
    help: 'end after this many evaluations in a row without a better one',
    label: 'Patience',
    about: 'Ends training when so many measurements in a row were no better. Empty: never.',
    group: 'saving',
  },
  minDelta: {
    type: number('≥ 0', (value) => value >= 0),
    fallback: 0,
    aliases: ['early-stopping-threshold'],
    help: 'by how much a better evaluation must be better to renew the patience',
    label: 'Least improvement',
    about: 'Smaller improvements do not renew the patience.',
    group: 'saving',
    readWith: { patience: 'set' },
  },
  loadBest: {
    type: toggle,
    fallback: false,
    aliases: ['load-best-model-at-end'],
    help: 'save a checkpoint at each best evaluation, and leave the best of them as the adapter instead of the last',
    label: 'Keep the best',
    about: 'The adapter is that of the best measurement, not that of the last step.',
    group: 'saving',
  },
  saveTotalLimit: {
    type: integer(1),
    absent: 'all',
    help: 'checkpoints that are kept: so many of the newest, and the best one',
    label: 'Checkpoints kept',
    about: 'Older checkpoints are removed; the best one stays. Empty: all are kept.',
    group: 'saving',
  },
  reportTo: {
    type: choices<Tracker>({ tensorboard: 'TensorBoard', http: 'A server of your own' }),
    fallback: [],
    absent: 'metrics.jsonl alone',
    help: 'write what is measured for other programs too, as the run goes on: tensorboard: event files into the folder tensorboard of the output directory; http: lines of JSON to --report-url',
    label: 'Also write for',
    about:
      'TensorBoard shows the run while it goes on: it reads the folder “tensorboard” of the run’s folder. A server of your own gets each event.',
    group: 'saving',
  },
  reportUrl: {
    type: matching(
      'URL',
      /^https?:\/\/[^\s@]+$/,
      'an address that begins with http:// or https://, without a password in it',
    ),
    absent: 'none',
    help: 'http: where events are sent, as lines of JSON; a token comes from JORA_REPORT_TOKEN. A server that does not answer never stops the run',
    label: 'Address of the server',
    about: 'Where a server of your own takes the events of the run.',
    group: 'saving',
    readWith: { reportTo: ['http'] },
  },
} as const satisfies Settings
