// The same rows and recipe with PEFT: quality, samples a second, memory.
import { join } from 'node:path'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { loadRows, loadTokenizer, prepareDataset, questionsOf, scoreAnswer, stopIdsOf } from '@jora/data'
import { measure } from '../../bench/measured.mjs'
import { flagsOf, scoresOf } from '../lab.mjs'
import {
  answerCells,
  answerHead,
  evalFlags,
  noTraining,
  raftRecipe,
  trainFlags,
  trainingCells,
  trainingHead,
} from '../arms.mjs'
import { epochsOf, figure, table } from '../page.mjs'
import { modelFolder, xquadRows } from '../rows.mjs'

export const title = 'Beside PEFT: the same rows and recipe'
export const about =
  'XQuAD with two distractors. PEFT reads the token ids that JORA makes of the same rows, and takes steps of as many samples as a step of JORA has; both answer the same prompts greedily and are scored alike.'
export const questions = 120
export const epochs = 1

const script = fileURLToPath(new URL('../../reference/study_peft.py', import.meta.url))

/** Samples a second, by the clock and of processor time. @typedef {Record<string, { clock: number, processor: number }>} Rates */

/** @type {import('./index.mjs').Study['run']} */
export async function run(lab, flags) {
  const model = await modelFolder(lab, flags)
  const { train, heldOut, questions: counts } = await xquadRows(lab, flags)
  const dataset = heldOut.distractors
  const rows = [
    ['the base', ...answerCells(await lab.evaluate('base', evalFlags(flags, { model, dataset }))), ...noTraining],
  ]
  const ours = {
    'JORA f32': ['--dtype', 'f32'],
    'JORA f32, no context trees': ['--dtype', 'f32', '--packing', 'none'],
    'JORA int8': ['--dtype', 'int8'],
  }
  /** Samples a second, by name. @type {Rates} */
  const rates = {}
  let [stepSamples, learningRate] = [1, NaN]
  for (const [name, more] of Object.entries(ours)) {
    const id = name.replaceAll(/[^a-z0-9]+/gi, '-').toLowerCase()
    const trained = await lab.train(id, trainFlags(flags, { model, dataset: train, recipe: [...raftRecipe, ...more] }))
    const dtype = name === 'JORA int8' ? 'int8' : 'f32'
    const found = await lab.evaluate(id, evalFlags(flags, { model, dataset, adapter: trained.adapter, dtype }))
    if (name === 'JORA f32') stepSamples = Math.round(trained.samples / trained.steps)
    ;({ learningRate } = trained)
    rates[name] = { clock: trained.samples / trained.seconds, processor: trained.samples / trained.cpuSeconds }
    rows.push([name, ...answerCells(found), ...trainingCells(trained)])
  }
  const note = await besidePeft(lab, flags, { model, train, dataset, rows, rates, stepSamples, learningRate })
  return `${counts.train} questions to train on, ${counts.heldOut} held out; ${epochsOf(flags.epochs)}; \`--recipe raft\` at ${learningRate} (all linear layers, r 16, alpha 32,
dropout 0.05, AdamW, the rate falling as a cosine); seed ${flags.seed}.

${table(['', ...answerHead, ...trainingHead], rows)}

${note}`
}

/** How PEFT is run: its dtype, and the samples that go through the model together. */
const peft = { 'PEFT f32': { dtype: 'f32', batch: 1 }, 'PEFT bf16, padded batches of 4': { dtype: 'bf16', batch: 4 } }

/**
 * PEFT's rows of the table, and what is said of them.
 * @param {import('../lab.mjs').Lab} lab
 * @param {import('./index.mjs').StudyFlags} flags
 * @param {{ model: string, train: string, dataset: string, rows: string[][], rates: Rates, stepSamples: number, learningRate: number }} study
 */
async function besidePeft(
  lab,
  { venv, epochs: passes, seed, maxLength },
  { model, train, dataset, rows, rates, stepSamples, learningRate },
) {
  if (venv === undefined)
    return 'PEFT was not run: `--venv DIR` names a Python environment with torch, transformers and peft.'
  const python = join(venv, 'bin/python')
  if (!existsSync(python)) throw new Error(`--venv: ${python} does not exist`)
  const [ids, asked] = [
    await idsOf(lab, { model, train, seed, maxLength }),
    await askedOf(lab, { model, dataset, maxLength }),
  ]
  const tokenizer = await loadTokenizer(model)
  const said = []
  for (const [name, { dtype, batch }] of Object.entries(peft)) {
    const inputs = { train, dataset, model, passes, seed, maxLength, stepSamples, learningRate, dtype, batch }
    const adapter = ids.replace(/\.jsonl$/, `-peft-${dtype}`)
    const common = ['--model', model, '--adapter', adapter, '--threads', '2', '--dtype', dtype]
    const steps = { 'step-samples': stepSamples, batch, 'learning-rate': learningRate }
    const recipe = flagsOf({ epochs: passes, seed, ...steps })
    const trained = /** @type {any} */ (
      await lab.stage(`peft-train-${dtype}`, inputs, () =>
        measure(python, [script, 'train', ...common, '--rows', ids, ...recipe]),
      )
    )
    const answers = await lab.stage(`peft-answers-${dtype}`, inputs, () =>
      measure(python, [script, 'answer', ...common, '--asked', asked.path, '--rows', asked.samples, '--tokens', '48']),
    )
    const scores = scoresOf(
      asked.questions.map(({ answers: right, metric, grounds }, i) => {
        const prediction = tokenizer.decode(answers.answers[i], { skipSpecialTokens: true }).trim()
        return { ...scoreAnswer(prediction, right, metric, grounds), prediction, answers: right }
      }),
    )
    const { seconds, samples, peakPssMb, cpuSeconds } = trained
    const cells = answerCells({ loss: answers.loss, perplexity: NaN, scores, seconds: 0, peakPssMb: 0 })
    rows.push([name, ...cells, ...trainingCells({ dtype, cpuSeconds, seconds, samples, peakPssMb })])
    const ratios = (/** @type {'clock' | 'processor'} */ by, /** @type {number} */ peer) =>
      Object.entries(rates)
        .map(([own, rate]) => `${own} ${figure(rate[by] / peer)}×`)
        .join(', ')
    said.push(
      `Samples a second beside ${name}: ${ratios('clock', samples / seconds)}; of processor time: ${ratios('processor', samples / cpuSeconds)}.`,
    )
  }
  return `${said.join('\n\n')}

Steps of PEFT are of ${stepSamples} samples. Its held-out loss is that of the same samples, one at a time.`
}

/** Samples as token ids, in the order of the file. @param {import('../lab.mjs').Lab} lab @param {{ model: string, train: string, seed: number, maxLength: number }} options */
const idsOf = (lab, { model, train, seed, maxLength }) =>
  lab.rows('peft-ids', [train, model, maxLength], async (path) =>
    writeFileSync(path, samplesText((await preparedOf(model, train, { seed, maxLength })).prepared)),
  )

/** Rows of a file, and their samples: those that are too long are left out. @param {string} model @param {string} file @param {{ seed: number, maxLength: number }} options */
async function preparedOf(model, file, { seed, maxLength }) {
  const tokenizer = await loadTokenizer(model)
  const rows = await loadRows(file)
  const prepared = prepareDataset({
    rows: rows.map(({ split: _split, ...row }) => row),
    tokenizer,
    template: 'auto',
    maxSeqLength: maxLength,
    onOverflow: 'drop',
    seed,
  })
  return { tokenizer, rows, prepared }
}

/** @param {Awaited<ReturnType<typeof preparedOf>>['prepared']} prepared */
const samplesText = ({ train }) =>
  train.map(({ ids, labels }) => `${JSON.stringify({ ids: [...ids], labels: [...labels] })}\n`).join('')

/**
 * Held-out questions as prompts, and the samples that their loss is of.
 * @param {import('../lab.mjs').Lab} lab @param {{ model: string, dataset: string, maxLength: number }} options
 */
async function askedOf(lab, { model, dataset, maxLength }) {
  const { tokenizer, rows, prepared } = await preparedOf(model, dataset, { seed: 0, maxLength })
  const questions = rows.flatMap((row) => questionsOf(row, tokenizer, { template: prepared.prompt }))
  const config = JSON.parse(readFileSync(join(model, 'config.json'), 'utf8'))
  const stops = stopIdsOf(prepared.prompt, tokenizer, [config.eos_token_id].flat())
  const path = await lab.rows('peft-asked', [dataset, model, maxLength], (file) =>
    writeFileSync(
      file,
      questions
        .map(({ context, contextLength, prompt }) => ({ ids: [...context.slice(0, contextLength), ...prompt], stops }))
        .map((line) => `${JSON.stringify(line)}\n`)
        .join(''),
    ),
  )
  const samples = await lab.rows('peft-heldout-ids', [dataset, model, maxLength], async (file) =>
    writeFileSync(file, samplesText(prepared)),
  )
  return { path, samples, questions }
}
