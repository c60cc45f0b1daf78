// jora eval: loss, perplexity and scored answers of a model, with or without an adapter, on rows of a file.
import type { Command } from 'commander'
import {
  prepareDataset,
  questionsOf,
  splitRows,
  summarizeAnswers,
  type AnswerSummary,
  type Row,
  type Sample,
} from '@jora/data'
import { writeLinesAtomic } from '@jora/tensor/files'
import {
  answerQuestions,
  columnsOf,
  dataGroups,
  defaultJoraSettings,
  evalSplits,
  Evaluator,
  writesFiles,
  type AnsweredQuestion,
} from '@jora/lora'
import { checkOutputFile, overwriteFlag } from '../output-file'
import { checkDataset, datasetFlag, readDataset, rowFlags } from '../dataset-file'
import { Interrupted, UsageError } from '../errors'
import { defineCommand, type CommandContext } from '../flags/define-command'
import { grouped, integer, number, onUnless, text, toggle, withDefault, type ValuesOf } from '../flags/flag'
import { interruptible } from '../interrupt'
import type { Session } from '../io'
import { weightFlags, deviceTitle, leave, meshFlags, speaking } from '../open-device'
import { adapterFlag, baseFlag } from '../flags/model-flags'
import { openAsked } from '../open-asked'
import { count, duration, percent, plural } from '../ui/format'
import { bar, StatusLine } from '../ui/status-line'
import { styleFor } from '../ui/style'
import { columns } from '../ui/table'

const flags = {
  model: baseFlag,
  adapter: adapterFlag,
  dataset: datasetFlag,
  ...rowFlags,
  all: toggle('all rows of the file, even where it marks some as test'),
  split: number(
    'only the rows that training with this --split and --seed held out (default: those that the file itself marks as test, or all)',
    'over 0 and below 1',
    (v) => v > 0 && v < 1,
  ),
  seed: withDefault(integer('the seed of that training', 0), defaultJoraSettings.seed),
  limit: integer('only the first N questions of them', 1),
  exactMatch: onUnless('loss and perplexity only, no answers'),
  maxNewTokens: withDefault(integer('longest answer, in tokens', 1), 64),
  batchSize: withDefault(integer('samples computed together', 1), 8),
  output: text('every question with its answer and scores, as JSONL', 'FILE'),
  overwrite: overwriteFlag,
  ...grouped('Device:', { ...weightFlags, ...meshFlags }),
}

type Values = ValuesOf<typeof flags>

export function registerEval(program: Command, io: Session): void {
  defineCommand(program, io, {
    name: 'eval',
    flags,
    examples: [
      'eval --model models/llama --adapter out --dataset rows.json --split 0.8',
      'eval --model models/llama --dataset test.jsonl --limit 100 --output answers.jsonl --json',
    ],
    run: evaluate,
  })
}

/** The first `limit` questions, in rows that keep no more of them than that. */
function firstQuestions(rows: readonly Row[], limit: number): Row[] {
  const kept: Row[] = []
  let left = limit
  for (const row of rows) {
    if (left <= 0) break
    kept.push('questions' in row ? { ...row, questions: row.questions.slice(0, left) } : row)
    left -= 'questions' in row ? row.questions.length : 1
  }
  return kept
}

/** What is evaluated, and which rows of the file that is; their own split is done with. */
function chosenRows(rows: readonly Row[], { split, seed, limit, all }: Values): { rows: Row[]; which: string } {
  const isMarked = rows.some((row) => row.split === 'test')
  const chosen =
    split !== undefined
      ? splitRows(rows, split, seed).heldOut
      : isMarked && !all
        ? rows.filter((row) => row.split === 'test')
        : rows
  const which =
    split !== undefined
      ? `, the ${plural(chosen.length, 'row')} that --split ${split} holds out`
      : chosen.length < rows.length
        ? `, the ${plural(chosen.length, 'row')} that it marks as test (--all uses all ${count(rows.length)})`
        : ''
  const limited = limit === undefined ? [...chosen] : firstQuestions(chosen, limit)
  return { rows: limited.map(({ split: _split, ...row }) => row), which }
}

/** How each score is called. */
const names: readonly (readonly [key: Exclude<keyof AnswerSummary, 'answers'>, label: string])[] = [
  ['exactMatch', 'exact match'],
  ['f1', 'F1'],
  ['denotation', 'denotation'],
  ['target', 'target'],
  ['reply', 'reply'],
  ['replyGivenTarget', 'p(reply | target)'],
  ['refusal', 'unanswerable ones refused'],
  ['faithful', 'stands in its context'],
]

const lineOf = ({ asked, prediction, score, finishReason }: AnsweredQuestion): string => {
  const { row, question, id, text: asks, answers } = asked
  return `${JSON.stringify({ row, question, id, asked: asks, answers, prediction, ...score, finishReason })}\n`
}

async function evaluate(values: Values, { io: session, given, json }: CommandContext<typeof flags>): Promise<void> {
  if (values.all && values.split !== undefined) throw new UsageError('--all and --split exclude each other')
  const started = performance.now()
  await checkDataset(values.dataset)
  if (values.output !== undefined)
    await checkOutputFile(values.output, {
      overwrite: values.overwrite,
      inputs: { dataset: values.dataset },
      keys: ['prediction'],
    })
  const { contextTemplate, ...rest } = values
  const { maxSeqLength, onOverflow, packing, batchSize, maxNewTokens } = values
  const all = await readDataset(values.dataset, session, { columns: columnsOf(values.columns) }, evalSplits)
  const { rows, which } = chosenRows(all, values)
  if (rows.length === 0) throw new UsageError(`--split ${values.split} holds out no row of ${values.dataset}`)
  const written = given.has('contextTemplate') ? { contextTemplate } : {}
  const model = await openAsked({ ...rest, ...written, rows }, session)
  const { tokenizer } = model
  const io = speaking(model.device, session)
  const { vocabSize } = model.base.config
  const rules = { template: model.prompt, vocabSize }
  const prepared = prepareDataset({ rows, tokenizer, ...rules, maxSeqLength, onOverflow, packing, seed: values.seed })
  const { train: samples, statistics } = prepared
  // Samples that are left out are asked for neither.
  const kept = new Set(samples.flatMap(questionKeys))
  const asked = values.exactMatch
    ? rows.flatMap((row) => questionsOf(row, tokenizer, rules)).filter((q) => kept.has(`${q.row}.${q.question}`))
    : []

  const style = styleFor(io.stderr, io.env)
  const line = new StatusLine(io.stderr)
  const step = (what: string) => (done: number, total: number) => {
    const at = `${what} ${count(done)}/${count(total)}`
    line.show(`${bar(done / total, 24, style)}  ${at}`, at)
  }
  const shared = prepared.packing === 'tree' ? ` on ${plural(statistics.contexts, 'context')}` : ''
  line.log(
    `${style.bold(values.model ?? model.model.ref.name)}${values.adapter === undefined ? ' without an adapter' : ` with ${style.bold(values.adapter)}`} on ${plural(statistics.samples, 'sample')}${shared} of ${values.dataset}${which}, ${deviceTitle(model.device)}`,
  )
  const { signal, release } = interruptible(io)
  const evaluator = new Evaluator(model.base, model.lora, model.device)
  try {
    const { samples: _, ...loss } = await evaluator.run(samples, model.adapter, {
      batchSize,
      padId: tokenizer.padId ?? tokenizer.eosId ?? 0,
      groups: dataGroups(model.device),
      signal,
      onProgress: step('loss'),
    })
    const asking = { maxNewTokens, batchSize, signal, onProgress: step('answers') }
    const answers = await answerQuestions(model.answerer, asked, asking)
    line.clear()
    const cut = answers.filter(({ finishReason }) => finishReason === 'length').length
    if (cut > 0) {
      const note = `${plural(cut, 'answer')} cut at --max-new-tokens ${maxNewTokens}`
      line.log(style.yellow(`note: ${note}`))
    }
    const { answers: answered, ...scores } = summarizeAnswers(answers.map(({ score }) => score))
    if (values.output !== undefined && writesFiles(model.device))
      await writeLinesAtomic(values.output, answers.map(lineOf))
    const seconds = (performance.now() - started) / 1000
    if (json) {
      const rowsAnswered = answered > 0 ? { exactMatchRows: answered } : {}
      io.stdout.write(
        `${JSON.stringify({ ...loss, ...scores, ...rowsAnswered, samples: statistics.samples, seconds })}\n`,
      )
      return await leave(model.device)
    }
    const { bold } = styleFor(io.stdout, io.env)
    const table = columns([
      ['loss', bold(loss.loss.toFixed(4))],
      ['perplexity', bold(loss.perplexity.toFixed(2))],
      ...names.flatMap(([key, label]) => (scores[key] === undefined ? [] : [[label, bold(percent(scores[key]))]])),
    ])
    io.stdout.write(table.map((row) => `${row}\n`).join(''))
    const into = values.output === undefined ? '' : `; every answer in ${values.output}`
    line.log(
      style.dim(
        `${count(loss.targetTokens)} labelled tokens${answered > 0 ? `, ${plural(answered, 'answer')}` : ''} in ${duration(seconds)}${into}`,
      ),
    )
    await leave(model.device)
  } catch (error) {
    throw signal.aborted ? new Interrupted('stopped') : error
  } finally {
    release()
    evaluator.dispose()
    line.clear()
  }
}

/** `row.question` of what a sample holds. */
const questionKeys = ({ row, question = 0, branches }: Sample): string[] =>
  branches ? branches.map((branch) => `${row}.${branch.question}`) : [`${row}.${question}`]
