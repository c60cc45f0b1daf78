// Forms of the base: 32 bits, products in 8 bits, and a file of 4 bits, trained and asked alike.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { answerCells, answerHead, evalFlags, raftRecipe, trainFlags, trainingCells, trainingHead } from '../arms.mjs'
import { epochsOf, percent, table } from '../page.mjs'
import { modelFolder, xquadRows } from '../rows.mjs'

export const title = 'Forms of the base: f32, int8, Q4'
export const about =
  'XQuAD with two distractors, the same recipe on a base in f32, with products in 8 bits, and straight from the GGUF file of 4 bits.'
export const questions = 240
export const epochs = 1

/** Its file, and the number format of products. */
const forms = /** @type {const} */ ({ f32: 'f32', int8: 'int8', 'GGUF file': 'f32' })

/** @type {import('./index.mjs').Study['run']} */
export async function run(lab, flags) {
  const folder = await modelFolder(lab, flags)
  const { train, heldOut, questions: counts } = await xquadRows(lab, flags)
  const rows = []
  let int8 = ''
  for (const [name, dtype] of Object.entries(forms)) {
    const model = name === 'GGUF file' ? flags.model : folder
    if (name === 'GGUF file' && model === folder) continue // a folder was given
    const id = name === 'GGUF file' ? 'q4' : name
    const recipe = [...raftRecipe, '--dtype', dtype]
    const trained = await lab.train(id, trainFlags(flags, { model, dataset: train, recipe }))
    const asked = { model, dataset: heldOut.distractors, dtype }
    // In f32 they are those of the study xquad.
    const called = (/** @type {string} */ side) => (name === 'f32' ? `${side}-distractors` : `${id}-${side}`)
    const base = await lab.evaluate(called('base'), evalFlags(flags, asked))
    const found = await lab.evaluate(called('tuned'), evalFlags(flags, { ...asked, adapter: trained.adapter }))
    const { computes } = JSON.parse(readFileSync(join(trained.adapter, 'run.json'), 'utf8'))
    // Without VNNI sums of 8-bit products are exact for activations of 7 bits alone.
    if (dtype === 'int8') int8 = ` Activations of int8 have ${computes.activationBits} bits on this processor.`
    rows.push([name, percent(base.scores.f1), ...answerCells(found), ...trainingCells(trained)])
  }
  return `${counts.train} questions to train on, ${counts.heldOut} held out with their paragraphs; ${epochsOf(flags.epochs)}; \`--recipe raft\`
(all linear layers, r 16, alpha 32, steps of one context tree); seed ${flags.seed}.${int8}

${table(['base', 'F1 before', ...answerHead, ...trainingHead], rows)}`
}
