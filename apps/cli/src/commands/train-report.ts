// What `jora train` says before the first step and after the last.
import { basename, resolve } from 'node:path'
import { figuresOf, type DatasetStatistics } from '@jora/data'
import type { DecoderConfig, ModelRef } from '@jora/llama'
import {
  checkPatterns,
  listCheckpoints,
  methodName,
  scoreLabels,
  scoreOf,
  trainedNumbers,
  type DoneEvent,
  type JoraConfig,
  type JoraDataset,
  type SampleList,
  type LoraConfig,
  type MethodName,
  type WatchMetric,
  type WatchRule,
} from '@jora/lora'
import { count, plural, shellWord, short } from '../ui/format'
import { asUsageError, trainFlags, type TrainValues } from './train-settings'

/** Parameters of the adapter. @throws UsageError for --target-modules the model does not have */
export function countParameters(model: DecoderConfig, { settings, train: { lora } }: JoraConfig): number {
  try {
    if (settings.initAdapter === undefined) checkPatterns(model, lora)
    return trainedNumbers(model, lora)
  } catch (error) {
    throw asUsageError(error)
  }
}

/** What a method is called by its papers. */
const methodTitles: Readonly<Record<MethodName, string>> = {
  lora: 'LoRA',
  dora: 'DoRA',
  pissa: 'PiSSA',
  olora: 'OLoRA',
  loftq: 'LoftQ',
}

/** What is trained beside the linear layers. */
function beside({ modulesToSave = [], trainableTokenIndices: tokens = [] }: LoraConfig): string {
  const rows = new Set(Object.values(tokens).flat()).size
  const whole = modulesToSave.length > 0 ? `, whole ${modulesToSave.join(' and ')}` : ''
  return rows > 0 ? `${whole}, ${plural(rows, 'token')}` : whole
}

/** What is trained: an adapter, or weights of the model itself. */
function trained(config: LoraConfig): string {
  const { r, targetModules, whole } = config
  if (!whole) return `${methodTitles[methodName(config)]} r ${r} on ${[targetModules].flat().join(',')}`
  const { layers, modules } = whole
  if (layers === undefined) return 'all weights'
  const which =
    typeof layers === 'number'
      ? `the ${layers > 0 ? 'last' : 'first'} ${plural(Math.abs(layers), 'layer')}`
      : `layers ${layers.join(',')}`
  return `${modules === undefined ? '' : `${[modules].flat().join(',')} of `}${which}`
}

/** Model, adapter, samples, tokens and steps, in that order. */
export function runFacts(
  config: JoraConfig,
  dataset: JoraDataset<SampleList>,
  run: { readonly model: ModelRef; readonly parameters: number; readonly totalSteps: number },
): string[] {
  const { modelPath } = config.settings
  const { samples, tokens, contexts } = dataset.statistics.train
  const held = dataset.statistics.heldOut.samples
  const heldOut = held > 0 ? ` (${count(held)} held out)` : ''
  const shared = dataset.packing === 'tree' ? ` on ${plural(contexts, 'context')}` : ''
  return [
    run.model.id ?? basename(resolve(modelPath)),
    `${trained(config.train.lora)}${beside(config.train.lora)} (${short(run.parameters)} parameters)`,
    `${plural(samples, 'sample')}${shared}${heldOut}`,
    `${short(tokens)} tokens an epoch`,
    plural(run.totalSteps, 'step'),
  ]
}

/** What context trees spare. */
export const savingOf = ({ separateTokens, tokens }: DatasetStatistics): string =>
  `context trees: ${short(separateTokens)} → ${short(tokens)} tokens (${(separateTokens / tokens).toFixed(1)}× fewer), each context computed once for its questions`

/** What is worth knowing before it starts. */
export async function runNotes(
  dataset: JoraDataset<SampleList>,
  { maxPositions, ropeScaling }: Pick<DecoderConfig, 'maxPositions' | 'ropeScaling'>,
  { outputDir, resume }: TrainValues,
): Promise<string[]> {
  const { dropped, truncated } = dataset.statistics
  const lines: string[] = []
  if (dataset.packing === 'tree') lines.push(savingOf(dataset.statistics.train))
  for (const note of dataset.notes ?? []) lines.push(`note: ${note}`)
  if (dropped > 0) lines.push(`note: ${plural(dropped, 'sample')} left out, longer than --max-seq-length`)
  if (truncated > 0) lines.push(`note: ${plural(truncated, 'sample')} cut to --max-seq-length`)
  // Rotary positions go on past what the model was trained for, so this is a note and no error, as in transformers.
  const figures = figuresOf(dataset.samples)
  let long = 0
  for (let i = 0; i < figures.length; i++) if (figures.reachOf(i) > maxPositions) long++
  if (long > 0) {
    // A model whose positions are stretched already is not stretched again.
    const advice = ropeScaling.type === 'default' ? '; --rope-scaling yarn stretches them' : ''
    lines.push(
      `note: ${plural(long, 'sample')} longer than the ${maxPositions} positions the model was made for${advice}`,
    )
  }
  if (resume === undefined) return lines
  const from = resume === 'auto' ? (await listCheckpoints(outputDir)).at(-1) : resume
  if (from === undefined) return [...lines, `note: no checkpoint in ${outputDir} yet, starting at the beginning`]
  return [...lines, `resuming from ${from}`]
}

/** Why a run ended before its last step, and whose adapter it left. */
export function endNotes({ patience, metric }: WatchRule, end: DoneEvent | undefined, totalSteps: number): string[] {
  const { stoppedEarly, kept, steps } = end ?? {}
  return [
    ...(stoppedEarly
      ? [
          `ended after step ${steps} of ${totalSteps}: ${plural(patience ?? 0, 'evaluation')} without a better ${metricLabel(metric)}`,
        ]
      : []),
    ...(kept
      ? [
          `the adapter is that of step ${kept.step}, whose ${metricLabel(metric)} was the best: ${kept.value.toFixed(4)}`,
        ]
      : []),
  ]
}

const metricLabel = (metric: WatchMetric): string =>
  metric === 'loss' ? 'held-out loss' : scoreLabels[scoreOf[metric]]

/** Commands that use the new adapter, without the program's name. */
export function nextCommands(values: TrainValues, { packing, prompt }: JoraDataset<SampleList>): string[] {
  const { model, dataset, outputDir, split, seed, mesh } = values
  // Weights that were trained themselves are a model.
  const isModel = (values.finetuningType ?? 'lora') !== 'lora'
  const adapter = `--${isModel ? 'model' : 'adapter'} ${shellWord(outputDir)}`
  const both = `--model ${shellWord(model)} ${adapter}`
  const sameSeed = seed === trainFlags.seed.fallback ? '' : ` --seed ${seed}`
  const heldOut = split < 1 ? ` --split ${split}${sameSeed}` : ''
  const isPreference = (values.objective ?? 'sft') !== 'sft'
  const asks =
    packing === 'tree' && !isPreference
      ? '--document FILE --question'
      : prompt?.name === 'none'
        ? '--prompt'
        : '--instruction'
  // What only fits when it is split is used split.
  const where = mesh === trainFlags.mesh.fallback ? '' : ` --mesh ${mesh}`
  return [
    `generate ${adapter}${where} ${asks} "…"`,
    ...(isPreference ? [] : [`eval ${adapter} --dataset ${shellWord(dataset)}${heldOut}${where}`]),
    isModel
      ? `export --format gguf ${adapter} --output ${shellWord(`${outputDir.replace(/[/\\]+$/, '')}.gguf`)}`
      : // A GGUF file is not merged: llama.cpp lays the adapter over it.
        /\.gguf$/i.test(model)
        ? `export --format gguf-lora ${both} --output ${shellWord(`${outputDir.replace(/[/\\]+$/, '')}.gguf`)}`
        : `merge ${both} --output-dir ${shellWord(`${outputDir.replace(/[/\\]+$/, '')}-merged`)}`,
  ]
}
