// jora eval: loss, perplexity and exact match of a model, with or without an adapter, on rows of a file.
import type { Command } from 'commander'
import { loadRows, prepareDataset } from '@jora/data'
import { defaultJoraSettings } from '@jora/lora'
import { checkDatasetFile, datasetFlag, rowFlags } from '../dataset-file'
import { Interrupted, UsageError } from '../errors'
import { exactMatch } from '../exact-match'
import { defineCommand, type CommandContext } from '../flags/define-command'
import { grouped, integer, number, onUnless, toggle, withDefault, type ValuesOf } from '../flags/flag'
import { interruptible } from '../interrupt'
import type { Session } from '../io'
import { meanLoss } from '../mean-loss'
import { deviceFlags, deviceTitle, leave, meshFlags, speaking } from '../open-device'
import { adapterFlag, modelFlag, openModel } from '../open-model'
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
  ...grouped('Device:', { ...deviceFlags, ...meshFlags }),
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

async function evaluate(values: Values, { io: session, json }: CommandContext<typeof flags>): Promise<void> {
  if (values.all && values.split !== undefined) throw new UsageError('--all and --split exclude each other')
  const started = performance.now()
  await checkDatasetFile(values.dataset)
  const rows = await loadRows(values.dataset)
  const model = await openModel(values, session)
  const io = speaking(model.device, session)
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
  const step = (what: string) => (done: number, total: number) => {
    const at = `${what} ${count(done)}/${count(total)}`
    line.show(`${bar(done / total, 24, style)}  ${at}`, at)
  }
  line.log(
    `${style.bold(values.model)}${values.adapter === undefined ? ' without an adapter' : ` with ${style.bold(values.adapter)}`} on ${plural(samples.length, 'row')} of ${values.dataset}, ${deviceTitle(model.device)}`,
  )
  const { signal, release } = interruptible(io)
  try {
    const loss = await meanLoss(model, samples, { batchSize, signal, onProgress: step('loss') })
    // Samples count their file's rows from 1.
    const asked = samples.map(({ row }) => rows[row - 1]!)
    const answers = values.exactMatch
      ? await exactMatch(model, asked, { template, maxNewTokens, batchSize, signal, onProgress: step('answers') })
      : undefined
    line.clear()
    if (answers && answers.tooLong > 0) {
      const note = `${plural(answers.tooLong, 'answer')} longer than --max-new-tokens ${maxNewTokens} cannot match`
      line.log(style.yellow(`note: ${note}`))
    }
    const seconds = (performance.now() - started) / 1000
    const matched = answers && answers.rows > 0 ? answers : undefined
    if (json) {
      const share = matched && { exactMatch: matched.matched / matched.rows, exactMatchRows: matched.rows }
      io.stdout.write(`${JSON.stringify({ ...loss, ...share, samples: samples.length, seconds })}\n`)
      return await leave(model.device)
    }
    const { bold } = styleFor(io.stdout, io.env)
    io.stdout.write(`loss         ${bold(loss.loss.toFixed(4))}\n`)
    io.stdout.write(`perplexity   ${bold(loss.perplexity.toFixed(2))}\n`)
    if (matched) {
      const share = bold(percent(matched.matched / matched.rows))
      io.stdout.write(`exact match  ${share} (${count(matched.matched)} of ${count(matched.rows)})\n`)
    }
    line.log(style.dim(`${count(loss.targetTokens)} labelled tokens in ${duration(seconds)}`))
    await leave(model.device)
  } catch (error) {
    throw signal.aborted ? new Interrupted('stopped') : error
  } finally {
    release()
    line.clear()
  }
}
