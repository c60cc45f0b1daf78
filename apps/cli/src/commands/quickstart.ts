// jora quickstart: the main job from end to end, on the model and the questions that ship with the command.
import { existsSync } from 'node:fs'
import { readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Command } from 'commander'
import { loadRows, renderPrompt, type AlpacaRow } from '@jora/data'
import { mergeAdapter } from '@jora/hf-export'
import { Generator, weightShapes, type LlamaConfig } from '@jora/llama'
import { ConfigError, generateAlpacaDataset, JoraConfig, makeFolder, trainLora, writeJsonAtomic } from '@jora/lora'
import { Interrupted } from '../errors'
import { answerAll, questionsOfRows } from '../answers'
import { defineCommand, type CommandContext } from '../flags/define-command'
import { choice, grouped, text, withDefault, type ValuesOf } from '../flags/flag'
import { interruptible } from '../interrupt'
import type { Session } from '../io'
import { deviceFlags, deviceTitle, openDeviceFor } from '../open-device'
import { openModel, stopIdsOf, type OpenModel } from '../open-model'
import { count, duration, percent, plural, short } from '../ui/format'
import { program, shellPath } from '../ui/next-command'
import { bar } from '../ui/status-line'
import { styleFor } from '../ui/style'
import { TrainDisplay } from '../ui/train-display'
import { countParameters } from './train-report'

const asset = (name: string): string => fileURLToPath(new URL(`../assets/${name}`, import.meta.url))

const flags = {
  outputDir: withDefault(text('where everything goes', 'DIR'), 'jora-quickstart'),
  ...grouped('Device:', {
    ...deviceFlags,
    // A model this small leaves a GPU idle between the dispatches.
    device: withDefault(choice('where to compute; auto is a GPU if there is one', ['auto', 'cpu', 'webgpu']), 'cpu'),
  }),
}

/** Short enough for a coffee, long enough to learn: every linear layer, eight times over a thousand rows. */
const settings = {
  targetModules: 'all-linear',
  loraDropout: 0,
  learningRate: 3e-3,
  warmupSteps: 20,
  epochs: 8,
  batchSize: 16,
  gradientAccumulationSteps: 1,
  maxSeqLength: 256,
  split: 5 / 6,
  saveEvery: 200,
} as const

/** Longest answer of the question set is nine tokens. */
const answerTokens = 16

const instruction = 'Quote the sentence that answers the question.'

export function registerQuickstart(parent: Command, io: Session): void {
  defineCommand(parent, io, {
    name: 'quickstart',
    summary: 'train, evaluate and try an adapter on the bundled model and questions',
    flags,
    examples: ['quickstart', 'quickstart --output-dir my-first-adapter'],
    run: quickstart,
  })
}

/** What a quickstart leaves in its directory. */
const outputs = [
  'run.json',
  'metrics.jsonl',
  'quickstart.json',
  'adapter_config.json',
  'adapter_model.safetensors',
  'README.md',
  'checkpoints',
  'merged',
]

/** Removes what an earlier quickstart left; refuses to touch the output of anything else. */
async function clear(outputDir: string): Promise<void> {
  const present = outputs.filter((name) => existsSync(join(outputDir, name)))
  if (present.length === 0) return
  if (!(await isQuickstart(join(outputDir, 'run.json'))))
    throw new ConfigError(`${outputDir} holds another run or other files (${present[0]}); choose another --output-dir`)
  for (const name of present) await rm(join(outputDir, name), { recursive: true, force: true })
}

async function isQuickstart(runFile: string): Promise<boolean> {
  try {
    const run = JSON.parse(await readFile(runFile, 'utf8')) as {
      settings?: { modelPath?: string }
      dataset?: { path?: string }
    }
    return run.settings?.modelPath === asset('tiny-llama') && run.dataset?.path === asset('questions.jsonl')
  } catch {
    return false
  }
}

const countWeights = (config: LlamaConfig): number =>
  [...weightShapes(config).values()].reduce((sum, shape) => sum + shape.reduce((n, d) => n * d, 1), 0)

async function answer(model: OpenModel, row: AlpacaRow): Promise<string> {
  const generator = new Generator(model.decoder, model.device)
  const prompt = model.tokenizer.encode(renderPrompt('alpaca', row))
  const [result] = await generator.generate([prompt], { maxNewTokens: answerTokens, stopIds: stopIdsOf(model) })
  generator.dispose()
  return model.tokenizer.decode(result!.ids, { continuation: true, skipSpecialTokens: true }).trim()
}

async function quickstart(
  { outputDir, ...where }: ValuesOf<typeof flags>,
  { io, json }: CommandContext<typeof flags>,
): Promise<void> {
  const started = performance.now()
  const [modelDir, questions] = [asset('tiny-llama'), asset('questions.jsonl')]
  const device = await openDeviceFor(where, io)
  await clear(outputDir)
  await makeFolder(outputDir)
  const style = styleFor(io.stderr, io.env)
  const display = new TrainDisplay(io)
  const heading = (n: number, what: string) => display.log(`\n${style.bold(`${n}  ${what}`)}`)
  const { signal, release } = interruptible(io, () => display.log(style.yellow('stopping')))

  try {
    const config = new JoraConfig({ modelPath: modelDir, device: where.device, dtype: where.dtype, ...settings })
    const dataset = await generateAlpacaDataset(questions, 'train', config)
    const rows = await loadRows(questions)
    const heldOut = dataset.heldOut.map((sample) => rows[sample.row - 1]!)
    const base = await openModel({ model: modelDir, adapter: undefined, device, dtype: where.dtype }, io)
    const { length: held } = heldOut
    const evaluate = async (model: OpenModel, what: string) => {
      const asked = questionsOfRows(heldOut, model.tokenizer, { template: 'alpaca' })
      const answers = await answerAll(model, asked, {
        maxNewTokens: answerTokens,
        batchSize: 40,
        signal,
        onProgress: (done, total) =>
          display.status(`${bar(done / total, 24, style)}  ${what} ${count(done)}/${count(total)}`),
      })
      return { matched: answers.filter(({ score }) => score.exactMatch).length, rows: answers.length }
    }

    const sizes = [
      `${short(countWeights(base.base.config))}-parameter Llama`,
      `adapter ${short(await countParameters(modelDir, config))}`,
    ]
    display.log([style.bold('JORA quickstart'), ...sizes, deviceTitle(device)].join(style.dim(' · ')))
    heading(1, `The base model answers ${plural(held, 'held-out question')}`)
    const before = await evaluate(base, 'base model')
    display.log(`exact match  ${percent(before.matched / before.rows)}`)

    heading(2, `Training a LoRA adapter on ${plural(dataset.samples.length, 'row')}`)
    // Compilation, evaluations and checkpoints included.
    const trainStart = performance.now()
    const run = trainLora(config, dataset, outputDir, { signal, device })
    display.begin(run.totalSteps)
    for await (const event of run) display.show(event)
    const { finished } = await run
    const trainSeconds = (performance.now() - trainStart) / 1000
    display.close()
    if (!finished) throw new Interrupted('stopped')
    display.log(`${plural(run.totalSteps, 'step')} in ${duration(trainSeconds)}`)

    heading(3, 'The tuned model answers the same questions')
    const tuned = await openModel({ model: modelDir, adapter: outputDir, device, dtype: where.dtype }, io)
    const after = await evaluate(tuned, 'tuned model')
    display.close()
    const gain = after.matched / after.rows - before.matched / before.rows
    display.log(
      `exact match  ${style.green(percent(after.matched / after.rows))}  (${gain >= 0 ? '+' : ''}${(100 * gain).toFixed(1)} points)`,
    )

    heading(4, 'One of them')
    const example = heldOut[0]!
    if (!('instruction' in example)) throw new Error('the bundled questions are not Alpaca rows')
    for (const line of [example.instruction, ...(example.input ?? '').split('\n')]) display.log(style.dim(`  ${line}`))
    display.log(`  base   ${JSON.stringify(await answer(base, example))}`)
    display.log(`  tuned  ${style.green(JSON.stringify(await answer(tuned, example)))}`)

    await mergeAdapter({ modelDir, adapterDir: outputDir, outputDir: join(outputDir, 'merged') })
    const totalSeconds = (performance.now() - started) / 1000
    const result = {
      exactMatch: { base: before.matched / before.rows, tuned: after.matched / after.rows },
      heldOutRows: held,
      trainSeconds,
      totalSeconds,
    }
    await writeJsonAtomic(join(outputDir, 'quickstart.json'), result)
    if (json) io.stdout.write(`${JSON.stringify(result)}\n`)

    const merged = join(outputDir, 'merged')
    display.log(
      `\nAll in ${duration(totalSeconds)}. The adapter is in ${style.bold(outputDir)}, the merged model in ${style.bold(merged)}. Next:`,
    )
    const [model, data] = [modelDir, questions].map(shellPath)
    for (const line of [
      `eval --model ${model} --adapter ${shellPath(outputDir)} --dataset ${data} --split 0.8333`,
      `generate --model ${shellPath(merged)} --instruction "${instruction}" --input "Mia has a red kite. Tom ate soup. Question: What did Tom eat?"`,
      `data preview --model ${model} --dataset ${data}`,
      'train --help',
    ]) {
      display.log(`  ${style.cyan(`${program(io.env)} ${line}`)}`)
    }
  } catch (error) {
    throw signal.aborted ? new Interrupted('stopped') : error
  } finally {
    release()
    display.close()
  }
}
