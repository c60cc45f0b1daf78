// Where a study works: stages whose results are kept on disk, so that a study that was stopped goes on where it was.
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { bootstrap, estimateAnswers, squadExactMatch } from '@jora/data'
import { measure } from '../bench/measured.mjs'

const root = fileURLToPath(new URL('../..', import.meta.url))
const launcher = join(root, 'apps/cli/bin/jora.mjs')

/**
 * Scores of answers, with SQuAD's exact match, which does not look at case, punctuation and articles.
 * @typedef {Partial<Record<import('@jora/data').ScoreName | 'squad', import('@jora/data').Estimate>>} Scores
 */

/**
 * What a training run came to.
 * @typedef {object} Trained
 * @property {string} adapter Its folder.
 * @property {number} steps
 * @property {readonly number[]} losses Of each step.
 * @property {number} learningRate
 * @property {string} dtype What it computed in.
 * @property {number} seconds In steps, programs compiled included.
 * @property {number} samples Trained on, each as often as it was.
 * @property {number} peakPssMb Most memory of all its processes; 0 where it is not known, as of a run that was gone on with.
 * @property {number} cpuSeconds The same.
 */

/**
 * Answers of a model to questions, scored.
 * @typedef {object} Evaluated
 * @property {number} loss Mean over the labelled tokens, in nats.
 * @property {number} perplexity
 * @property {Scores} scores With 95 % intervals.
 * @property {number} seconds
 * @property {number} peakPssMb
 */

export class Lab {
  /**
   * @param {string} folder Where everything is kept.
   * @param {(text: string) => void} [say] Tells of progress.
   */
  constructor(folder, say = (text) => void process.stderr.write(`${text}\n`)) {
    this.folder = folder
    this.say = say
    for (const part of ['stages', 'runs', 'rows', 'answers']) mkdirSync(join(folder, part), { recursive: true })
  }

  /**
   * What `work` returns, as JSON: of an earlier run if that had the same inputs.
   * @template T
   * @param {string} name Tells people what it is.
   * @param {unknown} inputs All that the result depends on.
   * @param {() => Promise<T> | T} work
   * @returns {Promise<T>}
   */
  async stage(name, inputs, work) {
    const path = join(this.folder, 'stages', `${name}-${keyOf(inputs)}.json`)
    if (existsSync(path)) {
      this.say(`· ${name}: done before`)
      return JSON.parse(readFileSync(path, 'utf8'))
    }
    this.say(`· ${name} …`)
    const begun = performance.now()
    const result = await work()
    writeFileSync(`${path}.part`, `${JSON.stringify(result, null, 1)}\n`)
    renameSync(`${path}.part`, path)
    this.say(`· ${name}: ${((performance.now() - begun) / 1000).toFixed(0)} s`)
    return result
  }

  /** Runs `jora … --json`. @param {readonly string[]} args */
  jora(args) {
    this.say(`  $ jora ${args.map((word) => word.replace(`${this.folder}/`, '')).join(' ')}`)
    return measure(process.execPath, [launcher, ...args, '--json'])
  }

  /**
   * Rows in a file of their own, named after what they were made from.
   * @param {string} name
   * @param {unknown} inputs
   * @param {(path: string) => Promise<unknown> | unknown} write
   * @returns {Promise<string>} the path
   */
  async rows(name, inputs, write) {
    const path = join(this.folder, 'rows', `${name}-${keyOf(inputs)}.jsonl`)
    return this.stage(`rows-${name}`, [path, inputs], async () => {
      await write(path)
      return path
    })
  }

  /**
   * A training run, gone on with where an earlier one was stopped.
   * @param {string} name
   * @param {readonly string[]} args Flags of `jora train`, model and data set among them.
   * @returns {Promise<Trained>}
   */
  train(name, args) {
    const adapter = join(this.folder, 'runs', `${name}-${keyOf(args)}`)
    return this.stage(`train-${name}`, args, async () => {
      const checkpoints = join(adapter, 'checkpoints')
      const isBegun = existsSync(checkpoints) && readdirSync(checkpoints).length > 0
      if (!isBegun) rmSync(adapter, { recursive: true, force: true })
      const keeping = { 'output-dir': adapter, 'save-every': 10, 'save-total-limit': 1, resume: isBegun || undefined }
      const { steps, peakPssMb, cpuSeconds } = await this.jora(['train', ...args, ...flagsOf(keeping)])
      // What an earlier process took is not known.
      const cost = isBegun ? { peakPssMb: 0, cpuSeconds: 0 } : { peakPssMb, cpuSeconds }
      const { settings, computes } = JSON.parse(readFileSync(join(adapter, 'run.json'), 'utf8'))
      const how = { dtype: computes.dtype, learningRate: settings.learningRate }
      return { adapter, steps, ...stepsOf(join(adapter, 'metrics.jsonl')), ...cost, ...how }
    })
  }

  /**
   * Answers to the questions of a file.
   * @param {string} name
   * @param {readonly string[]} args Flags of `jora eval`.
   * @returns {Promise<Evaluated>}
   */
  async evaluate(name, args) {
    const output = join(this.folder, 'answers', `${name}-${keyOf(args)}.jsonl`)
    const found = await this.stage(`eval-${name}`, args, async () => {
      const { loss, perplexity, wallSeconds, peakPssMb } = await this.jora([
        'eval',
        ...args,
        '--output',
        output,
        '--overwrite',
      ])
      return { loss, perplexity, seconds: wallSeconds, peakPssMb }
    })
    // The answers are kept: they are scored as the scores are today.
    return { ...found, scores: scoresOf(readLines(output)) }
  }
}

/**
 * Scores of answers, with what the paper's Table 2 has beside them.
 * @param {readonly any[]} answers each with its own scores, `prediction` and right `answers`
 * @returns {Scores & { replyGivenTarget?: import('@jora/data').Estimate }}
 */
export function scoresOf(answers) {
  const right = answers.filter(({ target, reply }) => target === true && reply !== undefined)
  const given = right.length === 0 ? undefined : estimateAnswers(right).reply
  const squad = bootstrap(answers.map(({ prediction, answers: all }) => Number(squadExactMatch(prediction, all))))
  return { ...estimateAnswers(answers), squad, ...(given && { replyGivenTarget: given }) }
}

/**
 * Flags of a command: `{ 'num-epochs': 2, all: true }` is `--num-epochs 2 --all`.
 * @param {Readonly<Record<string, string | number | true | undefined>>} values Those that are undefined are left out.
 * @returns {string[]}
 */
export const flagsOf = (values) =>
  Object.entries(values).flatMap(([name, value]) =>
    value === undefined ? [] : value === true ? [`--${name}`] : [`--${name}`, String(value)],
  )

/** Of a run's log, a step that was repeated after a resume counted once. @param {string} path */
function stepsOf(path) {
  const steps = new Map(
    readLines(path).flatMap((event) => (event.type === 'step' ? [[Number(event.step), event]] : [])),
  )
  const all = [...steps.values()]
  return {
    losses: all.map(({ loss }) => Number(loss)),
    seconds: all.reduce((sum, { stepMs }) => sum + stepMs, 0) / 1000,
    samples: all.reduce((sum, { samples }) => sum + samples, 0),
  }
}

/** Objects of a JSONL file. @param {string} path @returns {any[]} */
export const readLines = (path) =>
  readFileSync(path, 'utf8')
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line))

/** Writes objects as JSONL. @param {string} path @param {readonly unknown[]} rows */
export const writeLines = (path, rows) => writeFileSync(path, rows.map((row) => `${JSON.stringify(row)}\n`).join(''))

/** A short name for inputs. @param {unknown} inputs */
const keyOf = (inputs) => createHash('sha256').update(JSON.stringify(inputs)).digest('hex').slice(0, 8)
