// jora eval: loss, perplexity and exact match of a model, with or without an adapter, on rows of a file.
import type { Command } from 'commander'
import { loadRows, prepareDataset, type Sample } from '@jora/data'
import { defaultJoraSettings, Evaluator } from '@jora/lora'
import { checkDatasetFile, datasetFlag, rowFlags } from '../dataset-file'
import { UsageError } from '../errors'
import { exactMatch } from '../exact-match'
import { defineCommand, type CommandContext } from '../flags/define-command'
import { integer, number, onUnless, toggle, withDefault, type ValuesOf } from '../flags/flag'
import type { Session } from '../io'
import { adapterFlag, deviceFlag, modelFlag, openModel, type OpenModel } from '../open-model'
import { count, duration, percent, plural } from '../ui/format'
import { bar, StatusLine } from '../ui/status-line'
import { styleFor } from '../ui/style'

const { packing: _packing, ...textFlags } = rowFlags

const flags = {
  model: modelFlag,
  adapter: adapterFlag,
  dataset: datasetFlag,
  ...textFlags,
  all: toggle('all rows of the file (the default)'),
  split: number(
    'only the rows that training with this --split and --seed held out',
    'over 0 and below 1',
    (v) => v > 0 && v < 1,
  ),
  seed: withDefault(integer('the seed of that training', 0), defaultJoraSettings.seed),
  limit: integer('only the first N of them', 1),
  exactMatch: onUnless('loss and perplexity only, no answers'),
  maxNewTokens: withDefault(integer('longest answer, in tokens', 1), 64),
  batchSize: withDefault(integer('rows computed together', 1), 8),
  device: deviceFlag,
}

type Values = ValuesOf<typeof flags>

export function registerEval(program: Command, io: Session): void {
  defineCommand(program, io, {
    name: 'eval',
    summary: 'loss, perplexity and exact match on rows of a file',
    flags,
    examples: [
      'eval --model models/llama --adapter out --dataset rows.json --split 0.8',
      'eval --model models/llama --dataset test.jsonl --limit 100 --json',
    ],
    run: evaluate,
  })
}

/** Batches whose losses are summed before the progress moves. */
const chunkBatches = 4

/** Loss and perplexity over `samples`, telling how far it is. */
async function lossOf(
  model: OpenModel,
  samples: readonly Sample[],
  batchSize: number,
  onProgress: (done: number) => void,
) {
  const evaluator = new Evaluator(model.base, model.lora, model.device)
  const padId = model.tokenizer.padId ?? model.tokenizer.eosId ?? 0
  // Neighbours of similar length share a batch, so chunks are cut from the sorted list.
  const sorted = [...samples].sort((a, b) => a.ids.length - b.ids.length)
  let [total, targetTokens] = [0, 0]
  try {
    for (let start = 0; start < sorted.length; start += chunkBatches * batchSize) {
      const part = await evaluator.run(sorted.slice(start, start + chunkBatches * batchSize), model.adapter, {
        batchSize,
        padId,
      })
      total += part.loss * part.targetTokens
      targetTokens += part.targetTokens
      onProgress(Math.min(samples.length, start + chunkBatches * batchSize))
    }
  } finally {
    evaluator.dispose()
  }
  const loss = total / targetTokens
  return { loss, perplexity: Math.exp(loss), targetTokens }
}

async function evaluate(values: Values, { io, json }: CommandContext<typeof flags>): Promise<void> {
  if (values.all && values.split !== undefined) throw new UsageError('--all and --split exclude each other')
  const started = performance.now()
  await checkDatasetFile(values.dataset)
  const rows = await loadRows(values.dataset)
  const model = await openModel(values, io)
  const { promptTemplate: template, maxSeqLength, onOverflow, split = 1, seed, limit, batchSize, maxNewTokens } = values
  const vocabSize = model.base.config.vocabSize
  const prepared = prepareDataset({
    rows,
    tokenizer: model.tokenizer,
    template,
    maxSeqLength,
    onOverflow,
    split,
    seed,
    vocabSize,
  })
  const samples = (split < 1 ? prepared.heldOut : prepared.train).slice(0, limit)
  if (samples.length === 0) throw new UsageError(`--split ${split} holds out no row of ${values.dataset}`)

  const style = styleFor(io.stderr, io.env)
  const line = new StatusLine(io.stderr)
  const step = (what: string) => (done: number, total: number) =>
    line.show(`${bar(done / total, 24, style)}  ${what} ${count(done)}/${count(total)}`)
  line.log(
    `${style.bold(values.model)}${values.adapter === undefined ? ' without an adapter' : ` with ${style.bold(values.adapter)}`} on ${plural(samples.length, 'row')} of ${values.dataset}`,
  )
  try {
    const loss = await lossOf(model, samples, batchSize, (done) => step('loss')(done, samples.length))
    // Samples count their file's rows from 1.
    const asked = samples.map(({ row }) => rows[row - 1]!)
    const answers = values.exactMatch
      ? await exactMatch(model, asked, { template, maxNewTokens, batchSize, onProgress: step('answers') })
      : undefined
    line.clear()
    const answered =
      answers !== undefined && answers.rows > 0
        ? { exactMatch: answers.matched / answers.rows, exactMatchRows: answers.rows }
        : undefined
    const seconds = (performance.now() - started) / 1000
    if (answers !== undefined && answers.tooLong > 0)
      line.log(
        style.yellow(
          `note: ${plural(answers.tooLong, 'answer')} longer than --max-new-tokens ${maxNewTokens} cannot match`,
        ),
      )
    if (json) {
      io.stdout.write(`${JSON.stringify({ ...loss, ...answered, samples: samples.length, seconds })}\n`)
      return
    }
    const out = styleFor(io.stdout, io.env)
    const facts: [string, string][] = [
      ['loss', loss.loss.toFixed(4)],
      ['perplexity', loss.perplexity.toFixed(2)],
      ...(answered && answers
        ? [
            [
              'exact match',
              `${percent(answered.exactMatch)} (${count(answers.matched)} of ${count(answers.rows)})`,
            ] satisfies [string, string],
          ]
        : []),
    ]
    for (const [name, value] of facts) io.stdout.write(`${name.padEnd(12)} ${out.bold(value)}\n`)
    line.log(style.dim(`${count(loss.targetTokens)} labelled tokens in ${duration(seconds)}`))
  } finally {
    line.clear()
  }
}
