// jora quickstart: the main job from end to end, on the model, documents and questions that ship with the command.
import { existsSync } from 'node:fs'
import { readFile, rm } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Command } from 'commander'
import {
  buildRaft,
  loadRows,
  questionsOf,
  readDocuments,
  readQuestions,
  summarizeAnswers,
  type AnswerSummary,
  type Tokenizer,
} from '@jora/data'
import { mergeAdapter } from '@jora/hf-export'
import { weightShapes, type DecoderConfig } from '@jora/llama'
import {
  answerQuestions,
  ConfigError,
  generateAlpacaDataset,
  JoraConfig,
  listCheckpoints,
  stepsOfRun,
  trainLora,
  type AnsweredQuestion,
  type TrainEvent,
} from '@jora/lora'
import { jsonLines, makeFolder, writeJsonAtomic, writeLinesAtomic } from '@jora/tensor/files'
import { Interrupted } from '../errors'
import { defineCommand, type CommandContext } from '../flags/define-command'
import { choice, grouped, text, withDefault, type ValuesOf } from '../flags/flag'
import { interruptible } from '../interrupt'
import type { Session } from '../io'
import { deviceFlags, deviceTitle, openDeviceFor } from '../open-device'
import { openAsked, type Asked } from '../open-asked'
import { count, duration, percent, plural, short } from '../ui/format'
import { program, shellPath } from '../ui/next-command'
import { bar } from '../ui/status-line'
import { styleFor } from '../ui/style'
import { columns, factLine } from '../ui/table'
import { TrainDisplay } from '../ui/train-display'
import { countParameters, savingOf } from './train-report'

const asset = (name: string): string => fileURLToPath(new URL(`../assets/${name}`, import.meta.url))

const flags = {
  outputDir: withDefault(text('where everything goes', 'DIR'), 'jora-quickstart'),
  ...grouped('Device:', {
    ...deviceFlags,
    // A model this small leaves a GPU idle between the dispatches.
    device: withDefault(choice('where to compute; auto is a GPU if there is one', ['auto', 'cpu', 'webgpu']), 'cpu'),
  }),
}

/** Short enough for a coffee, long enough to learn: every linear layer, three times over the training contexts. */
const settings = {
  targetModules: 'all-linear',
  loraR: 32,
  loraAlpha: 32,
  loraDropout: 0,
  learningRate: 8e-3,
  warmupSteps: 20,
  epochs: 3,
  batchSize: 8,
  gradientAccumulationSteps: 1,
  maxSeqLength: 1024,
  saveEvery: 150,
} as const

/** Documents beside the one that answers, which every context has: a model this small is not asked to do without. */
const retrieval = { distractors: 2, goldenProbability: 1 } as const

/** More than the longest answer has. */
const answerTokens = 64

/** Rows that the documents become, in the output directory. */
const rowsFile = 'raft.jsonl'

export function registerQuickstart(parent: Command, io: Session): void {
  defineCommand(parent, io, {
    name: 'quickstart',
    flags,
    examples: ['quickstart', 'quickstart --output-dir my-first-adapter'],
    run: quickstart,
  })
}

/** What a quickstart leaves in its directory. */
const outputs = [
  rowsFile,
  'run.json',
  'metrics.jsonl',
  'quickstart.json',
  'prompt.json',
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
    throw new ConfigError(`${outputDir} has another run or other files (${present[0]}); choose another --output-dir`)
  for (const name of present) await rm(join(outputDir, name), { recursive: true, force: true })
}

/** The step an unfinished quickstart of this directory can go on from. */
async function stepToGoOnFrom(outputDir: string): Promise<number | undefined> {
  if (existsSync(join(outputDir, 'quickstart.json')) || !(await isQuickstart(join(outputDir, 'run.json'))))
    return undefined
  const checkpoint = (await listCheckpoints(outputDir)).at(-1)
  return checkpoint === undefined ? undefined : Number(/\d+$/.exec(checkpoint)?.[0])
}

async function isQuickstart(runFile: string): Promise<boolean> {
  try {
    const run = JSON.parse(await readFile(runFile, 'utf8')) as {
      settings?: { modelPath?: string }
      dataset?: { path?: string }
    }
    // The command may have been moved since, its clone renamed.
    const isBundled = /[/\\]assets[/\\]tiny-llama$/.test(run.settings?.modelPath ?? '')
    return isBundled && basename(run.dataset?.path ?? '') === rowsFile
  } catch {
    return false
  }
}

const countWeights = (config: DecoderConfig): number =>
  [...weightShapes(config).values()].reduce((sum, shape) => sum + shape.reduce((n, d) => n * d, 1), 0)

/** Retrieves a context for the questions on each document, and writes them as rows. */
async function writeRows(file: string, tokenizer: Tokenizer): Promise<ReturnType<typeof buildRaft>['statistics']> {
  const [documents, questions] = [
    await readDocuments(asset('countries/documents.jsonl')),
    await readQuestions(asset('countries/questions.jsonl')),
  ]
  const { rows, statistics } = buildRaft(documents, questions, {
    tokenizer,
    ...retrieval,
  })
  await writeLinesAtomic(file, jsonLines(rows))
  return statistics
}

async function quickstart(
  { outputDir, ...where }: ValuesOf<typeof flags>,
  { io, json }: CommandContext<typeof flags>,
): Promise<void> {
  const started = performance.now()
  const [modelDir, rowsPath] = [asset('tiny-llama'), join(outputDir, rowsFile)]
  const device = await openDeviceFor(where, io)
  const earlierStep = await stepToGoOnFrom(outputDir)
  if (earlierStep === undefined) await clear(outputDir)
  await makeFolder(outputDir)
  const style = styleFor(io.stderr, io.env)
  const display = new TrainDisplay(io)
  const heading = (n: number, what: string) => display.log(`\n${style.bold(`${n}  ${what}`)}`)
  const { signal, release } = interruptible(io, () => display.log(style.yellow('stopping')))

  try {
    const config = new JoraConfig({ modelPath: modelDir, device: where.device, dtype: where.dtype, ...settings })
    const base = await openAsked({ model: modelDir, adapter: undefined, device, dtype: where.dtype }, io)
    const sizes = [
      `${short(countWeights(base.base.config))}-parameter Llama`,
      `adapter ${short(countParameters(base.base.config, config))}`,
    ]
    display.log(factLine([style.bold('JORA quickstart'), ...sizes, deviceTitle(device)], io.stderr, style))

    heading(1, 'Retrieving documents for the questions')
    const { documents, train, test } = await writeRows(rowsPath, base.tokenizer)
    const dataset = await generateAlpacaDataset(rowsPath, 'train', config, base.model)
    const rows = await loadRows(rowsPath)
    display.log(
      `${plural(documents, 'document')} about countries; the questions about each get it and ${retrieval.distractors} others as their context`,
    )
    display.log(
      `${plural(train.questions, 'question')} to train on, ${count(test.questions)} held out, about ${plural(test.contexts, 'document')} that training never sees`,
    )

    const held = rows.filter(({ split }) => split === 'test')
    const template = dataset.prompt ?? base.prompt
    const asked = held.flatMap((row) => questionsOf(row, base.tokenizer, { template }))
    const answers = (model: Asked, what: string) =>
      answerQuestions(model.answerer, asked, {
        maxNewTokens: answerTokens,
        batchSize: 40,
        signal,
        onProgress: (done, total) =>
          display.status(`${bar(done / total, 24, style)}  ${what} ${count(done)}/${count(total)}`),
      })
    const summaryOf = (list: readonly AnsweredQuestion[]) =>
      summarizeAnswers(list.map(({ score }) => score)) as Required<Pick<AnswerSummary, 'exactMatch' | 'f1'>>

    heading(2, `The base model answers the ${plural(asked.length, 'held-out question')}`)
    const before = await answers(base, 'base model')
    const baseScores = summaryOf(before)
    display.log(`exact match  ${percent(baseScores.exactMatch)}`)

    heading(3, 'Training a LoRA adapter to answer by quoting the documents')
    if (dataset.packing === 'tree') display.log(savingOf(dataset.statistics.train))
    // Compilation, evaluations and checkpoints included.
    const trainStart = performance.now()
    const totalSteps = stepsOfRun(config, dataset)
    display.begin(totalSteps)
    const onEvent = (event: TrainEvent) => display.show(event)
    const trainFrom = (resume?: 'auto') => trainLora(config, dataset, outputDir, { signal, device, onEvent, resume })
    if (earlierStep !== undefined) display.log(`going on from the checkpoint of step ${count(earlierStep)}`)
    const { finished, steps } =
      earlierStep === undefined
        ? await trainFrom()
        : await trainFrom('auto').catch(async (error: unknown) => {
            if (!(error instanceof ConfigError)) throw error
            display.log('it is of another version: training begins anew')
            await clear(outputDir)
            await writeRows(rowsPath, base.tokenizer)
            return trainFrom()
          })
    const trainSeconds = (performance.now() - trainStart) / 1000
    display.close()
    if (!finished) {
      display.log(
        `stopped after step ${steps} of ${totalSteps}; quickstart continues from there with the same --output-dir`,
      )
      throw new Interrupted('stopped')
    }
    display.log(`${plural(totalSteps, 'step')} in ${duration(trainSeconds)}`)

    heading(4, 'The tuned model answers the same questions')
    const tuned = await openAsked({ model: modelDir, adapter: outputDir, device, dtype: where.dtype }, io)
    const after = await answers(tuned, 'tuned model')
    display.close()
    const tunedScores = summaryOf(after)
    const line = (label: string, key: 'exactMatch' | 'f1') => [
      label,
      percent(baseScores[key]).padStart(6),
      style.green(percent(tunedScores[key]).padStart(6)),
    ]
    const table = columns([['', '  base', ' tuned'], line('exact match', 'exactMatch'), line('F1', 'f1')])
    for (const row of table) display.log(row)

    heading(5, 'One that it gets right')
    const index = Math.max(
      0,
      after.findIndex(({ score }) => score.exactMatch),
    )
    const example = asked[index]
    for (const text of base.tokenizer
      .decode([...example!.context], { skipSpecialTokens: true })
      .trim()
      .split('\n'))
      display.log(style.dim(`  ${text}`))
    display.log(style.cyan(`  ${example!.text}`))
    display.log(`  base   ${JSON.stringify(before[index]!.prediction)}`)
    display.log(`  tuned  ${style.green(JSON.stringify(after[index]!.prediction))}`)

    await mergeAdapter({ modelDir, adapterDir: outputDir, outputDir: join(outputDir, 'merged') })
    const totalSeconds = (performance.now() - started) / 1000
    const result = {
      exactMatch: { base: baseScores.exactMatch, tuned: tunedScores.exactMatch },
      f1: { base: baseScores.f1, tuned: tunedScores.f1 },
      heldOutRows: asked.length,
      trainSeconds,
      totalSeconds,
    }
    await writeJsonAtomic(join(outputDir, 'quickstart.json'), result)
    if (json) io.stdout.write(`${JSON.stringify(result)}\n`)

    const merged = join(outputDir, 'merged')
    display.log(
      `\nAll in ${duration(totalSeconds)}. The adapter is in ${style.bold(outputDir)}, the merged model in ${style.bold(merged)}, the rows in ${style.bold(rowsPath)}. Next:`,
    )
    const [model, data, own] = [modelDir, rowsPath, asset('countries')].map(shellPath)
    for (const next of [
      `data preview --model ${model} --dataset ${data}`,
      `eval --model ${model} --adapter ${shellPath(outputDir)} --dataset ${data} --split 0.8 --max-new-tokens ${answerTokens}`,
      `data raft --model ${model} --documents ${own}/documents.jsonl --questions ${own}/questions.jsonl --output rows.jsonl`,
      'train --help',
    ]) {
      display.log(`  ${style.cyan(`${program(io)} ${next}`)}`)
    }
  } catch (error) {
    throw signal.aborted ? new Interrupted('stopped') : error
  } finally {
    release()
    display.close()
  }
}
