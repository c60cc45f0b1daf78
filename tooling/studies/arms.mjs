// One way to train, and what it is worth: flags of `jora train`, then answers to held-out questions.
import { flagsOf } from './lab.mjs'
import { figure, megabytes, minutes, percent, table } from './page.mjs'

/** @typedef {import('./lab.mjs').Lab} Lab */
/** @typedef {import('./lab.mjs').Trained} Trained */
/** @typedef {import('./lab.mjs').Evaluated} Evaluated */
/** @typedef {import('./studies/index.mjs').StudyFlags} StudyFlags */

/** The prompt is the model's chat template, if it has one. @param {number} maxLength */
const lengths = (maxLength) => flagsOf({ 'max-seq-length': maxLength, 'on-overflow': 'drop' })

/** What a user of `jora learn` gets. */
export const raftRecipe = ['--recipe', 'raft']
/** What other recipes are compared with: that of when they were first measured, in f32. */
export const firstRecipe = [...raftRecipe, '--learning-rate', '2e-4', '--dtype', 'f32']

/**
 * Flags of a training run.
 * @param {StudyFlags} flags
 * @param {{ model: string, dataset: string, recipe?: readonly string[] }} arm
 */
export const trainFlags = ({ epochs, seed, maxLength }, { model, dataset, recipe = raftRecipe }) => [
  ...flagsOf({ model, dataset }),
  ...lengths(maxLength),
  ...recipe,
  ...flagsOf({ split: 1, 'num-epochs': epochs, seed, device: 'cpu' }),
]

/**
 * Flags of an evaluation.
 * @param {StudyFlags} flags
 * @param {{ model: string, dataset: string, adapter?: string, tokens?: number, dtype?: string }} arm
 */
export const evalFlags = ({ maxLength }, { model, dataset, adapter, tokens = 48, dtype = 'f32' }) => [
  ...flagsOf({ model, dataset, adapter, all: true }),
  ...lengths(maxLength),
  ...flagsOf({ 'max-new-tokens': tokens, device: 'cpu', dtype }),
]

/** @param {Omit<Trained, 'adapter' | 'steps' | 'losses' | 'learningRate'>} trained */
export const trainingCells = ({ dtype, seconds, samples, peakPssMb, cpuSeconds }) => [
  dtype,
  minutes(seconds),
  minutes(cpuSeconds),
  figure(samples / seconds),
  megabytes(peakPssMb),
]
/** Of a row that was not trained. */
export const noTraining = ['', '', '', '', '']
/** Heads of {@link trainingCells}. */
export const trainingHead = ['trained in', 'training', 'processor time', 'samples a second', 'most memory']

/** @param {Evaluated} evaluated */
export const answerCells = ({ loss, scores: { exactMatch, squad, f1 } }) => [
  figure(loss, 3),
  percent(exactMatch),
  percent(squad),
  percent(f1),
]
/** Heads of {@link answerCells}. */
export const answerHead = ['held-out loss', 'exact match', 'as SQuAD', 'F1']

/**
 * Recipes on the same rows: each trained, then asked the same questions.
 * @param {Lab} lab @param {StudyFlags} flags
 * @param {{ model: string, train: string, heldOut: string, recipes: Readonly<Record<string, readonly string[]>> }} study
 */
export async function compareRecipes(lab, flags, { model, train, heldOut, recipes }) {
  const base = await lab.evaluate('base', evalFlags(flags, { model, dataset: heldOut }))
  const rows = [['the base', ...answerCells(base), ...noTraining]]
  for (const [name, recipe] of Object.entries(recipes)) {
    const id = name.replaceAll(/[^a-z0-9.]+/gi, '-').toLowerCase()
    const trained = await lab.train(id, trainFlags(flags, { model, dataset: train, recipe }))
    const found = await lab.evaluate(id, evalFlags(flags, { model, dataset: heldOut, adapter: trained.adapter }))
    rows.push([name, ...answerCells(found), ...trainingCells(trained)])
  }
  return table(['', ...answerHead, ...trainingHead], rows)
}
