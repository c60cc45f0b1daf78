// Memory and time of learning preferences beside plain LoRA training of the same tokens, each in a process of its own:
//   node tooling/bench/preferences.mjs --model DIR or FILE.gguf [--prompt 256] [--answer 128] [--pairs 2] [--steps 3] [--threads 2]
// A row is a prompt and two answers to it; plain training learns both answers.
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { treeOfTwo } from '@jora/data'
import { openModel } from '@jora/llama'
import { defaultTrainConfig, runTraining } from '@jora/lora'
import { setDefaultDevice } from '@jora/tensor'
import { openCpuDevice } from '@jora/tensor/onnx'
import { measure } from './measured.mjs'

const { values: flags } = parseArgs({
  options: {
    model: { type: 'string' },
    prompt: { type: 'string', default: '256' },
    answer: { type: 'string', default: '128' },
    pairs: { type: 'string', default: '2' },
    steps: { type: 'string', default: '3' },
    threads: { type: 'string', default: '2' },
    rank: { type: 'string', default: '16' },
    objective: { type: 'string' },
  },
})
if (flags.model === undefined) throw new Error('--model is missing: a folder or a GGUF file')
const [prompt, answer, pairs, steps, threads, r] = /** @type {[number, number, number, number, number, number]} */ (
  [flags.prompt, flags.answer, flags.pairs, flags.steps, flags.threads, flags.rank].map(Number)
)

/** Rows of ids that follow no rule. @param {number} vocabSize @returns {import('@jora/data').PreferenceSample[]} */
const samples = (vocabSize) =>
  Array.from({ length: pairs }, (_, row) => {
    const draw = (/** @type {number} */ from, /** @type {number} */ count) =>
      Array.from({ length: count }, (_, i) => 3 + ((from + i * 7919 + row * 104729) % (vocabSize - 3)))
    const asked = draw(0, prompt)
    const answers = [1, 2].map((which) => {
      const ids = Int32Array.from([...asked, ...draw(which * 1009, answer)])
      return { ids, labels: ids.map((id, i) => (i < prompt ? -100 : id)), row }
    })
    const [first, second] = /** @type {[import('@jora/data').Sample, import('@jora/data').Sample]} */ (answers)
    return { ...treeOfTwo(first, second), row, sign: /** @type {const} */ (1) }
  })

/** Trains, and says what a step took. @param {string} objective @param {string} path */
async function train(objective, path) {
  const device = await openCpuDevice({ threads })
  setDefaultDevice(device)
  const opened = await openModel(path, { local: true })
  const model = await opened.decoder(device, 'f32')
  const config = {
    ...defaultTrainConfig,
    objective: /** @type {'sft'} */ (objective),
    lora: { r, alpha: r, dropout: 0, targetModules: 'all-linear', useRslora: false },
    batchSize: pairs,
    // Plain training counts a row as two samples.
    gradientAccumulationSteps: objective === 'sft' ? 2 : 1,
    epochs: steps,
    maxSteps: steps,
  }
  const train = samples(model.config.vocabSize)
  const rowTokens = prompt + 2 * answer
  /** @type {number[]} */
  const times = []
  for await (const event of runTraining({ model, config, train, heldOut: [], padId: 0, rowTokens, device }))
    if (event.type === 'step') times.push(event.stepMs / 1000)
  await opened[Symbol.asyncDispose]()
  await device.close()
  console.log(JSON.stringify({ objective, seconds: Math.min(...times.slice(1)) }))
}

if (flags.objective !== undefined) await train(flags.objective, flags.model)
else {
  const own = process.argv.slice(1)
  /** @type {Awaited<ReturnType<typeof measure>> | undefined} */
  let plain
  console.log(`${pairs} pairs of ${prompt} + 2 · ${answer} tokens a step, rank ${r}, ${threads} threads`)
  for (const objective of ['sft', 'dpo', 'orpo', 'kto']) {
    const [file = fileURLToPath(import.meta.url), ...args] = own
    const result = await measure(process.execPath, [file, ...args, '--objective', objective])
    plain ??= result
    const ratio = (/** @type {number} */ x, /** @type {number} */ of) => (x / of).toFixed(2)
    console.log(
      `${objective.padEnd(5)} ${result.peakPssMb.toFixed(0).padStart(6)} MB ${ratio(result.peakPssMb, plain.peakPssMb)}×  ${result.seconds.toFixed(2)} s a step ${ratio(result.seconds, plain.seconds)}×`,
    )
  }
}
