// jora train: rows and a model in, a LoRA adapter out; stops and resumes where it was.
import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import type { Command } from 'commander'
import {
  bestCheckpoint,
  checkDataParallel,
  ConfigError,
  JoraConfig,
  listCheckpoints,
  rankNote,
  recomputedLayers,
  stepsOfRun,
  streamDataset,
  templateOfRun,
  trainLora,
  trainingDType,
  type DoneEvent,
  type TrainEvent,
} from '@jora/lora'
import type { Device } from '@jora/tensor'
import { MeshDevice, parseMesh } from '@jora/shard'
import { oursOf } from '../config-import/translate'
import { checkDataset, checkFile, whilePreparing } from '../dataset-file'
import { Interrupted } from '../errors'
import { defineCommand, type CommandContext } from '../flags/define-command'
import { interruptible } from '../interrupt'
import type { Session } from '../io'
import { explainTo } from '../explain'
import { deviceTitle, leave, openRunDevice, speaking } from '../open-device'
import { checkSplit, openBase } from '../open-base'
import { duration, plural, shellWord } from '../ui/format'
import { program } from '../ui/next-command'
import { styleFor } from '../ui/style'
import { factLine } from '../ui/table'
import { TrainDisplay } from '../ui/train-display'
import { asUsageError, trainFlags, trainSettings, withPositions, withRecipe, type TrainValues } from './train-settings'
import { countParameters, endNotes, nextCommands, runFacts, runNotes } from './train-report'

export function registerTrain(parent: Command, io: Session): void {
  defineCommand(parent, io, {
    name: 'train',
    flags: trainFlags,
    readConfig: (file, path, given, { stderr }) => oursOf(file, path, given, (text) => stderr.write(`note: ${text}\n`)),
    examples: [
      'train --model models/llama --dataset rows.json --output-dir out --lora-r 8 --num-epochs 3',
      'train --model models/llama --dataset tatsu-lab/alpaca --dataset rows.jsonl --dataset-weights 0.2,1 --output-dir out',
      'train --config run.yaml --lr 2e-4',
      'train --config run.yaml --resume',
    ],
    run: train,
  })
}

async function train(
  typed: TrainValues,
  { io: session, given, json }: CommandContext<typeof trainFlags>,
): Promise<void> {
  const values = withRecipe(typed, given)
  let config = await trainSettings(values, given)
  checkSteps(values)
  const { outputDir, resume } = values
  // A run goes on as it was begun, whatever `auto` would come to today.
  const begun = resume !== undefined && values.promptTemplate === 'auto' ? await templateOfRun(outputDir) : undefined
  if (begun !== undefined) config = new JoraConfig({ ...config.settings, promptTemplate: begun })
  await checkDataset(values.dataset)
  if (values.evalDataset !== undefined) await checkDataset(values.evalDataset, '--eval-dataset')
  if (values.alpacaMixFile !== undefined) await checkFile(values.alpacaMixFile, '--alpaca-mix-file')
  if (resume === undefined && (await stat(join(outputDir, 'metrics.jsonl')).catch(() => undefined))) {
    throw new ConfigError(`${outputDir} already has a run; continue it with --resume or choose another --output-dir`)
  }
  await using model = await openBase(values.model, session, values.quantize)
  const parameters = countParameters(model.config, config)
  const stretched = withPositions(model, config)
  checkSplit(model.config, values.mesh)
  const device = await openRunDevice(values, session)
  const io = speaking(device, session)
  const explained = values.explain ? explainTo(device, io) : () => {}
  using dataset = await whilePreparing(io, (told) => streamDataset(values.dataset, 'train', config, model, told))

  const style = styleFor(io.stderr, io.env)
  const display = new TrainDisplay(io)
  const dtype = trainingDType(values.dtype, device, model.config, config.train)
  const recomputed = await recomputedLayers(model, device, dataset, config)
  const { signal, release } = interruptible(io, () => {
    display.log(style.yellow('stopping after this step (once more to stop at once, without a checkpoint)'))
  })
  const totalSteps = stepsOfRun(config, dataset)
  try {
    const [name = '', ...facts] = runFacts(config, dataset, { model: model.ref, parameters, totalSteps })
    display.log(factLine([style.bold(name), ...facts, deviceTitle(device)], io.stderr, style))
    const rank = rankNote(model.config, config.train.lora)
    if (rank !== undefined) display.log(style.yellow(`note: ${rank}`))
    for (const line of await runNotes(dataset, stretched.config, values)) display.log(style.yellow(line))
    if (dtype !== values.dtype) display.log(style.dim('products are in 8 bits; --dtype f32 computes exactly'))
    if (recomputed) {
      const { layers } = model.config
      const which = recomputed === layers ? 'layers' : `${recomputed} of ${layers} layers`
      display.log(style.dim(`${which} are checkpointed, to save memory; --gradient-checkpointing off keeps all`))
    }
    display.begin(totalSteps)
    const { onEvent, outcome } = follow(display, explained)
    const {
      steps,
      finished,
      finalLoss = null,
      best,
    } = await trainLora(config, dataset, outputDir, {
      resume,
      signal,
      device,
      model,
      checkpointLayers: recomputed,
      onEvent,
      onNote: (text) => display.log(style.yellow(`note: ${text}`)),
    })
    display.close()
    const { evalLoss, seconds, newSteps, done: end } = outcome()
    if (json) {
      const heldOut = evalLoss === undefined ? {} : { evalLoss }
      io.stdout.write(`${JSON.stringify({ outputDir, steps, finished, finalLoss, ...heldOut, best, seconds })}\n`)
    }
    if (!finished) {
      const resumes = io.argv.some((word) => word === '--resume' || word.startsWith('--resume='))
      const words = [...io.argv, ...(resumes ? [] : ['--resume'])].map(shellWord)
      const again = [startedBy(device), program(io), ...words].join(' ').trimStart()
      const place = join(outputDir, 'checkpoints')
      display.log(`stopped after step ${steps} of ${totalSteps}; the checkpoint is in ${place}. Continue with:`)
      display.log(`  ${style.cyan(again)}`)
      await leave(device)
      throw new Interrupted('stopped')
    }
    const losses = [
      finalLoss === null ? '' : `  loss ${finalLoss.toFixed(4)}`,
      evalLoss === undefined ? '' : `  held-out loss ${evalLoss.toFixed(4)}`,
    ]
    const done = newSteps === 0 ? 'already done' : 'done  '
    display.log(`${style.green(done)} ${plural(steps, 'step')} in ${duration(seconds)}${losses.join('')}`)
    for (const line of endNotes(config.watch, end, totalSteps)) display.log(style.dim(line))
    const lowest = end?.kept ? undefined : await bestCheckpoint(outputDir)
    if (lowest !== undefined && lowest.step < steps && evalLoss !== undefined && lowest.loss < evalLoss)
      display.log(
        style.dim(`the held-out loss was lowest, ${lowest.loss.toFixed(4)}, after step ${lowest.step}: ${lowest.path}`),
      )
    display.log(`\nThe ${config.train.lora.whole ? 'model' : 'adapter'} is in ${style.bold(outputDir)}. Next:`)
    for (const line of nextCommands(values, dataset)) display.log(`  ${style.cyan(`${program(io)} ${line}`)}`)
    await leave(device)
  } catch (error) {
    const kept = (await listCheckpoints(outputDir)).at(-1)
    if (kept !== undefined && !(error instanceof Interrupted || error instanceof ConfigError))
      display.log(`the last checkpoint is ${kept}; --resume continues from it, on another device too`)
    throw error
  } finally {
    release()
    display.close()
  }
}

/** @throws UsageError when a step's rows cannot be split over the mesh */
function checkSteps({ mesh, batchSize, gradientAccumulationSteps, objective }: TrainValues): void {
  try {
    checkDataParallel(parseMesh(mesh).along('data'), batchSize, gradientAccumulationSteps, objective)
  } catch (error) {
    throw asUsageError(error)
  }
}

/** What a command of several processes begins with; its options are the user's. */
const startedBy = (device: Device): string => (device instanceof MeshDevice && device.transport ? 'mpirun …' : '')

/** Shows every event, and keeps what is said at the end; seconds are those of the whole run, earlier parts of a resumed one included. */
function follow(display: TrainDisplay, onFirstStep: () => void) {
  const started = performance.now()
  let seconds: number | undefined
  let evalLoss: number | undefined
  let newSteps = 0
  let done: DoneEvent | undefined
  const onEvent = (event: TrainEvent): void => {
    display.show(event)
    if (event.type === 'step' && ++newSteps === 1) onFirstStep()
    if (event.type === 'eval') evalLoss = event.loss
    if (event.type === 'done') {
      done = event
      ;({ seconds } = event)
    }
  }
  const outcome = () => ({ evalLoss, newSteps, done, seconds: seconds ?? (performance.now() - started) / 1000 })
  return { onEvent, outcome }
}
