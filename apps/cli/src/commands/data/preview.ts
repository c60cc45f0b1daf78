// jora data preview: a sample as the model is trained on it, figures of the whole file, and what training on it takes.
import type { Command } from 'commander'
import {
  countSamples,
  countTargets,
  describeTokens,
  prepareDataset,
  unusedKeysNote,
  type Sample,
  type TokenDescription,
  type TokenPart,
} from '@jora/data'
import type { DecoderConfig } from '@jora/llama'
import { columnsOf, countSteps, JoraConfig, multipliedWeights } from '@jora/lora'
import { setDefaultDevice } from '@jora/tensor'
import { openCpuDevice } from '@jora/tensor/onnx'
import { checkDataset, datasetFlag, readDataset, rowFlags } from '../../dataset-file'
import { UsageError } from '../../errors'
import { defineCommand, type CommandContext } from '../../flags/define-command'
import { grouped, integer, onUnless, withDefault, type ValuesOf } from '../../flags/flag'
import type { Session } from '../../io'
import { squareProduct } from '../../measure/ceilings'
import { modelFlag } from '../../flags/model-flags'
import { describeBase } from '../../open-base'
import { count, duration, percent, plural, short } from '../../ui/format'
import { histogram } from '../../ui/histogram'
import { styleFor, type Style } from '../../ui/style'
import { columns } from '../../ui/table'
import { trainFlags } from '../train-settings'

const { split, numEpochs, maxSteps, batchSize, gradientAccumulationSteps, shuffle, lengthCurriculum, seed } = trainFlags

const flags = {
  model: modelFlag,
  dataset: datasetFlag,
  index: withDefault(integer('which sample, or context with its questions, counted from 0', 0), 0),
  ...rowFlags,
  ...grouped('The run it is a preview of:', {
    split,
    numEpochs,
    maxSteps,
    batchSize,
    gradientAccumulationSteps,
    shuffle,
    lengthCurriculum,
    seed,
    estimateTime: onUnless('do not measure this machine for the time'),
  }),
}
type Values = ValuesOf<typeof flags>

export function registerDataPreview(data: Command, io: Session): void {
  defineCommand(data, io, {
    name: 'preview',
    flags,
    examples: ['data preview --model models/llama --dataset rows.json --index 3'],
    run: preview,
  })
}

const painters: Readonly<Record<TokenPart, (style: Style) => (text: string) => string>> = {
  prompt: (style) => style.dim,
  context: (style) => style.dim,
  question: (style) => style.cyan,
  answer: (style) => style.green,
  end: (style) => (text) => style.inverse(style.green(text || '<eos>')),
}

/** The text in runs of one colour; brackets around what is learned stand for colours where there are none. */
function paint(tokens: readonly TokenDescription[], style: Style): string {
  const runs: { text: string; part: TokenPart; learned: boolean }[] = []
  for (const { text, part, learned } of tokens) {
    const last = runs.at(-1)
    if (last?.part === part) last.text += text
    else runs.push({ text, part, learned })
  }
  if (!style.colours) {
    return runs
      .map(({ text, part, learned }, i) => {
        const shown = text || (part === 'end' ? '<eos>' : '')
        const opens = learned && !runs[i - 1]?.learned ? '⟦' : ''
        return `${opens}${shown}${learned && !runs[i + 1]?.learned ? '⟧' : ''}`
      })
      .join('')
  }
  // Line by line: pagers forget a colour at the end of a line.
  return runs.map(({ text, part }) => text.split('\n').map(painters[part](style)).join('\n')).join('')
}

/** A context, and under it its questions as branches. */
function drawTree(tokens: readonly TokenDescription[], style: Style): string {
  const last = tokens.at(-1)?.branch ?? 0
  const lines = [
    paint(
      tokens.filter(({ branch }) => branch === undefined),
      style,
    ).trimEnd(),
  ]
  for (let branch = 0; branch <= last; branch++) {
    const own = tokens.filter((token) => token.branch === branch)
    // Blank lines before the question are drawn as the tree's own.
    const begin = own.findIndex(({ text }) => text.trim() !== '')
    const [first = '', ...rest] = paint(own.slice(Math.max(0, begin)), style).split('\n')
    const [corner, bar] = branch === last ? ['└─ ', '   '] : ['├─ ', '│  ']
    lines.push(style.dim('│'), `${style.dim(corner)}${first}`, ...rest.map((line) => `${style.dim(bar)}${line}`))
  }
  return lines.join('\n')
}

/** Steps of the run, and the floating-point operations of all its epochs. */
function planRun(samples: readonly Sample[], config: JoraConfig, model: DecoderConfig) {
  const { train } = config
  const steps = countSteps(samples, train, config.settings.maxSeqLength)
  const perEpoch = countSteps(samples, { ...train, epochs: 1, maxSteps: undefined }, config.settings.maxSeqLength)
  const attention = 6 * model.layers * model.heads * model.headDim
  const flops = samples.reduce(
    (n, { ids }) => n + 4 * multipliedWeights(model) * ids.length + attention * ids.length ** 2,
    0,
  )
  return { steps, stepsPerEpoch: perEpoch, flops: (flops * steps) / perEpoch }
}

/** Operations a second that this CPU reaches in a matrix product. */
async function cpuRate(): Promise<number> {
  const device = await openCpuDevice()
  setDefaultDevice(device)
  try {
    return (await squareProduct(device, 'f32')).flopPerSecond
  } finally {
    await device.close()
  }
}

async function preview(values: Values, { io, json }: CommandContext<typeof flags>): Promise<void> {
  await checkDataset(values.dataset)
  const { config: model, tokenizer } = await describeBase(values.model, io)
  const unused = new Set<string>()
  const reading = { onUnusedKey: (key: string) => void unused.add(key), columns: columnsOf(values.columns) }
  const rows = await readDataset(values.dataset, io, reading, ['train'])
  const { promptTemplate: template, contextTemplate, maxSeqLength, packing, onOverflow, index } = values
  const options = { rows, tokenizer, template, contextTemplate, maxSeqLength, packing, vocabSize: model.vocabSize }
  // What would stop a run is told in figures here.
  const policy = onOverflow === 'error' ? 'drop' : onOverflow
  const { split: share, seed: splitSeed } = values
  const prepared = prepareDataset({ ...options, onOverflow: policy, split: share, seed: splitSeed })
  const { statistics } = prepared
  const samples = [...prepared.train, ...prepared.heldOut].sort(
    (a, b) => a.row - b.row || (a.question ?? 0) - (b.question ?? 0),
  )
  const sample = samples[index]
  if (!sample)
    throw new UsageError(
      `--index: got ${index}, expected 0 to ${samples.length - 1}: ${values.dataset} has ${plural(samples.length, 'sample')}`,
    )
  const tokens = describeTokens(sample, tokenizer)
  const config = new JoraConfig({
    modelPath: values.model,
    maxSeqLength,
    epochs: values.numEpochs,
    maxSteps: values.maxSteps,
    batchSize: values.batchSize,
    gradientAccumulationSteps: values.gradientAccumulationSteps,
    shuffle: values.shuffle,
    lengthCurriculum: values.lengthCurriculum,
    seed: splitSeed,
  })
  const run = planRun(prepared.train, config, model)
  const seconds = values.estimateTime ? run.flops / (await cpuRate()) : undefined
  const lengths = samples.map(({ ids }) => ids.length)
  const notes = [...prepared.notes, ...unusedKeysNote(unused)]
  if (json) {
    const shown = {
      index,
      row: sample.row,
      tokens: tokens.map(({ text }) => text),
      ids: [...sample.ids],
      labels: [...sample.labels],
      learned: tokens.map((token) => token.learned),
      parts: tokens.map(({ part }) => part),
      ...(sample.branches ? { branches: sample.branches } : {}),
      packing: prepared.packing,
      statistics,
      notes,
      lengths: { ...summary(lengths), histogram: histogram(lengths).bins },
      plan: {
        stepsPerEpoch: run.stepsPerEpoch,
        steps: run.steps,
        ...(seconds === undefined ? {} : { cpuSeconds: seconds }),
      },
    }
    io.stdout.write(`${JSON.stringify(shown)}\n`)
    return
  }
  const style = styleFor(io.stdout, io.env)
  const legend = style.colours
    ? [style.dim('context'), style.cyan('question'), style.green('learned')].join(' ')
    : '⟦learned⟧ masked'
  const apart = sample.branches?.reduce((n, { contextLength }) => n + contextLength, 0) ?? 0
  const contextTokens = sample.branches?.[0]?.start ?? 0
  const shared = sample.branches
    ? `, ${plural(countSamples(sample), 'question')} on ${plural(contextTokens, 'token')} of context (${count(tokens.length - contextTokens + apart)} apart)`
    : ''
  const lines = [
    `${style.bold(`row ${sample.row}`)} of ${count(rows.length)}  ${plural(tokens.length, 'token')}${shared}, ${count(countTargets(sample))} learned  ${legend}`,
    '',
    sample.branches ? drawTree(tokens, style) : paint(tokens, style),
    '',
    ...columns(figuresOf(values, { prepared, lengths, rows: rows.length, run, seconds }, style)),
    ...notes.map((note) => style.yellow(`note: ${note}`)),
  ]
  io.stdout.write(`${lines.join('\n')}\n`)
}

function summary(lengths: readonly number[]): { shortest: number; median: number; longest: number } {
  const sorted = [...lengths].sort((a, b) => a - b)
  return { shortest: sorted[0] ?? 0, median: sorted[Math.floor(sorted.length / 2)] ?? 0, longest: sorted.at(-1) ?? 0 }
}

/** `67 GFLOP` */
const flop = (n: number): string => `${short(n).replace(/[kMG]?$/, ' $&')}FLOP`

interface Facts {
  readonly prepared: ReturnType<typeof prepareDataset>
  readonly lengths: readonly number[]
  readonly rows: number
  readonly run: ReturnType<typeof planRun>
  readonly seconds: number | undefined
}

function figuresOf(values: Values, { prepared, lengths, rows, run, seconds }: Facts, style: Style): string[][] {
  const { statistics, packing } = prepared
  const { samples, contexts, tokens, separateTokens, targetTokens, dropped, truncated } = statistics
  const { shortest, median, longest } = summary(lengths)
  const trees =
    packing === 'tree'
      ? ` as context trees, ${count(separateTokens)} apart (${(separateTokens / tokens).toFixed(1)}×)`
      : separateTokens > 0 && contexts < samples
        ? ', every sample on its own'
        : ''
  const over = dropped + truncated
  const stops = values.onOverflow === 'error' ? 'training stops at them (--on-overflow drop or truncate continues)' : ''
  const policy =
    over === 0 ? 'none' : `${count(over)}: ${stops || `${count(dropped)} dropped, ${count(truncated)} cut`}`
  const heldOut = statistics.heldOut.samples
  return [
    [style.bold(values.dataset)],
    [
      'rows',
      `${count(rows)}, ${plural(samples, 'sample')} on ${plural(contexts, 'context')}, ${count(heldOut)} held out`,
    ],
    ['tokens', `${plural(tokens, 'token')}${trees}`],
    ['learned', `${plural(targetTokens, 'token')}, ${percent(targetTokens / tokens)}`],
    ['lengths', `${shortest} ${histogram(lengths).text} ${longest}, median ${median}`],
    [`over ${count(values.maxSeqLength)}`, policy],
    [
      'training',
      `${plural(run.stepsPerEpoch, 'step')} an epoch, ${plural(run.steps, 'step')} in all, ${flop(run.flops)}` +
        (seconds === undefined ? '' : `: on this CPU at least ${duration(seconds)}`),
    ],
  ]
}
