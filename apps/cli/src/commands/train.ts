// jora train: rows and a model in, a LoRA adapter out; stops and resumes where it was.
import { stat } from 'node:fs/promises'
import { join, basename } from 'node:path'
import type { Command } from 'commander'
import { loadConfig } from '@jora/llama'
import {
  adaptedModules,
  ConfigError,
  generateAlpacaDataset,
  listCheckpoints,
  openDevice,
  trainLora,
  type JoraConfig,
  type JoraDataset,
  type TrainSummary,
} from '@jora/lora'
import { checkDatasetFile } from '../dataset-file'
import { Interrupted } from '../errors'
import { defineCommand, type CommandContext } from '../flags/define-command'
import { interruptible } from '../interrupt'
import type { Session } from '../io'
import { openFolder } from '../open-model'
import { count, duration, plural, shellWord, short } from '../ui/format'
import { styleFor } from '../ui/style'
import { TrainDisplay } from '../ui/train-display'
import { asUsageError, trainFlags, trainSettings, type TrainValues } from './train-flags'

export function registerTrain(program: Command, io: Session): void {
  defineCommand(program, io, {
    name: 'train',
    summary: 'fine-tune a LoRA adapter on rows of instructions and answers',
    flags: trainFlags,
    examples: [
      'train --model models/llama --dataset rows.json --output-dir out --lora-r 8 --num-epochs 3',
      'train --config run.yaml --lr 2e-4',
      'train --config run.yaml --resume',
    ],
    run: train,
  })
}

/** `llama-2-7b` for a folder, `org/name` for a Hub id. */
const modelName = (path: string, id: string | undefined): string => id ?? basename(path.replace(/[/\\]+$/, ''))

async function train(values: TrainValues, { io, given, json }: CommandContext<typeof trainFlags>): Promise<void> {
  const config = await trainSettings(values, given)
  const { outputDir, resume } = values
  await checkDatasetFile(values.dataset)
  if (values.alpacaMixFile !== undefined) await checkDatasetFile(values.alpacaMixFile, '--alpaca-mix-file')
  if (resume === undefined && (await stat(join(outputDir, 'metrics.jsonl')).catch(() => undefined))) {
    throw new ConfigError(`${outputDir} already holds a run; continue it with --resume or choose another --output-dir`)
  }
  const { dir, id } = await openFolder(values.model, io)
  const parameters = await countParameters(dir, config)
  const dataset = await generateAlpacaDataset(values.dataset, 'train', config)
  const device = await openDevice(values.device)

  const style = styleFor(io.stderr, io.env)
  const display = new TrainDisplay(io)
  const { signal, release } = interruptible(io, () => {
    display.log(style.yellow('stopping after this step (once more to stop at once, without a checkpoint)'))
  })
  const run = trainLora(config, dataset, outputDir, { resume, signal, device })
  const { settings } = config
  const { train: rows } = dataset.statistics
  const facts = [
    style.bold(modelName(values.model, id)),
    `LoRA r ${settings.loraR} on ${[settings.targetModules].flat().join(',')} (${short(parameters)} parameters)`,
    `${plural(rows.samples, 'sample')}${dataset.heldOut.length > 0 ? ` (${count(dataset.heldOut.length)} held out)` : ''}`,
    `${short(rows.tokens)} tokens an epoch`,
    plural(run.totalSteps, 'step'),
    device.name,
  ]
  display.log(facts.join(style.dim(' · ')))
  for (const line of await notes(dataset, outputDir, resume)) display.log(style.yellow(line))

  const started = performance.now()
  let seconds: number | undefined
  let evalLoss: number | undefined
  let summary: TrainSummary
  try {
    display.begin(run.totalSteps)
    for await (const event of run) {
      display.show(event)
      if (event.type === 'eval') evalLoss = event.loss
      if (event.type === 'done') ({ seconds } = event)
    }
    summary = await run
  } finally {
    release()
    display.close()
  }
  const { steps, finished, finalLoss } = summary
  seconds ??= (performance.now() - started) / 1000
  if (json) {
    const result = {
      outputDir,
      steps,
      finished,
      finalLoss: finalLoss ?? null,
      ...(evalLoss === undefined ? {} : { evalLoss }),
      seconds,
    }
    io.stdout.write(`${JSON.stringify(result)}\n`)
  }
  if (!finished) {
    const again = io.argv.some((word) => word === '--resume' || word.startsWith('--resume='))
      ? io.argv
      : [...io.argv, '--resume']
    display.log(
      `stopped after step ${steps} of ${run.totalSteps}; the checkpoint is in ${join(outputDir, 'checkpoints')}. Continue with:`,
    )
    display.log(`  ${style.cyan(`jora ${again.map(shellWord).join(' ')}`)}`)
    throw new Interrupted('stopped')
  }
  const losses = [
    finalLoss === undefined ? '' : `loss ${finalLoss.toFixed(4)}`,
    evalLoss === undefined ? '' : `held-out loss ${evalLoss.toFixed(4)}`,
  ].filter(Boolean)
  display.log(`${style.green('done')}   ${plural(steps, 'step')} in ${duration(seconds)}  ${losses.join('  ')}`)
  display.log(`\nThe adapter is in ${style.bold(outputDir)}. Next:`)
  for (const line of nextCommands(values)) display.log(`  ${style.cyan(line)}`)
}

/** Parameters of the adapter. @throws UsageError for --target-modules the model does not have */
async function countParameters(dir: string, { train: { lora } }: JoraConfig): Promise<number> {
  const model = await loadConfig(dir)
  try {
    return adaptedModules(model, lora).reduce(
      (sum, { inFeatures, outFeatures }) => sum + lora.r * (inFeatures + outFeatures),
      0,
    )
  } catch (error) {
    throw asUsageError(error)
  }
}

async function notes(dataset: JoraDataset, outputDir: string, resume: string | undefined): Promise<string[]> {
  const { dropped, truncated } = dataset.statistics
  const lines: string[] = []
  if (dropped > 0) lines.push(`note: ${plural(dropped, 'row')} left out, longer than --max-seq-length`)
  if (truncated > 0) lines.push(`note: ${plural(truncated, 'sample')} cut to --max-seq-length`)
  if (resume !== undefined) {
    const from = resume === 'auto' ? (await listCheckpoints(outputDir)).at(-1) : resume
    lines.push(
      from === undefined
        ? `note: no checkpoint in ${outputDir} yet; starting at the beginning`
        : `resuming from ${from}`,
    )
  }
  return lines
}

function nextCommands({ model, dataset, outputDir, promptTemplate, split, seed }: TrainValues): string[] {
  const both = `--model ${shellWord(model)} --adapter ${shellWord(outputDir)}`
  const heldOut = split < 1 ? ` --split ${split}${seed === trainFlags.seed.fallback ? '' : ` --seed ${seed}`}` : ''
  return [
    `jora generate ${both} ${promptTemplate === 'alpaca' ? '--instruction' : '--prompt'} "…"`,
    `jora eval ${both} --dataset ${shellWord(dataset)}${heldOut}`,
    `jora merge ${both} --output-dir ${shellWord(`${outputDir.replace(/[/\\]+$/, '')}-merged`)}`,
  ]
}
