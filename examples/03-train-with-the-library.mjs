// @ts-check
// The three calls: configuration, dataset, training. Here on the bundled tiny Llama and its question set, a few steps.
//   node examples/03-train-with-the-library.mjs [output folder]
import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { generateAlpacaDataset, JoraConfig, stepsOfRun, trainLora } from '@jora/lora'

const assets = fileURLToPath(new URL('../apps/cli/assets', import.meta.url))
const outputDir = process.argv[2] ?? mkdtempSync(join(tmpdir(), 'jora-example-'))

const config = new JoraConfig({
  modelPath: join(assets, 'tiny-llama'), // or a Hub id
  learningRate: 2e-3, // this model is small; the paper's 1e-4 is the default
  batchSize: 16,
  gradientAccumulationSteps: 1,
  maxSteps: 12,
  evalEvery: 12,
})
const dataset = await generateAlpacaDataset(join(assets, 'questions.jsonl'), 'train', config)
console.log(`${dataset.samples.length} samples to train, ${dataset.heldOut.length} held out`)

const totalSteps = stepsOfRun(config, dataset)
/** @param {import('@jora/lora').TrainEvent} event */
const onEvent = (event) => {
  if (event.type === 'step')
    console.log(`step ${event.step}/${totalSteps} loss ${event.loss.toFixed(3)} ${event.stepMs.toFixed(0)} ms`)
  if (event.type === 'eval')
    console.log(`held-out loss ${event.loss.toFixed(3)}, perplexity ${event.perplexity.toFixed(1)}`)
}
const { steps } = await trainLora(config, dataset, outputDir, { onEvent })
console.log(`adapter after ${steps} steps: ${outputDir}`)
