// jora data import: published formats as rows that train and eval read.
import { stat } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'
import type { Command } from 'commander'
import {
  countQuestions,
  DatasetError,
  importDataset,
  importFormats,
  tableFormats,
  type ImportColumns,
  type Imported,
  type ImportFormat,
  type ImportFormatName,
  type ImportOptions,
  type Refusal,
} from '@jora/data'
import { isSameFile, makeFolder, writeLinesAtomic } from '@jora/tensor/files'
import { UsageError } from '../errors'
import { defineCommand, type CommandContext } from '../flags/define-command'
import {
  choice,
  expected,
  flagName,
  grouped,
  integer,
  onUnless,
  required,
  text,
  toggle,
  type Flag,
  type ValuesOf,
} from '../flags/flag'
import { nearest } from '../flags/suggest'
import type { Session } from '../io'
import { count, plural, shellWord } from '../ui/format'
import { styleFor } from '../ui/style'

const formatNames = Object.keys(importFormats) as ImportFormatName[]

const formatFlag: Flag<ImportFormatName | undefined> = {
  help: 'what the input is, see below',
  placeholder: 'FORMAT',
  parse(value) {
    const known = formatNames.find((name) => name === value)
    if (known !== undefined) return known
    const near = nearest(value, formatNames)
    throw expected(
      near === undefined
        ? `${formatNames.slice(0, -1).join(', ')} or ${formatNames.at(-1)}`
        : `a format (did you mean ${near}?)`,
    )
  },
}

const columnNames = ['question', 'answer', 'context', 'input', 'id'] as const satisfies (keyof ImportColumns)[]

const columnsFlag: Flag<ImportColumns | undefined> = {
  help: 'jsonl: the keys of question and answer, and of context or input, and id; instances.0.output reaches inside',
  placeholder: 'question=Q,answer=A,…',
  parse(value) {
    const columns: Partial<ImportColumns> = {}
    for (const part of value.split(',')) {
      const [, name, key] = /^\s*(\w+)\s*=\s*(.*\S)\s*$/.exec(part) ?? []
      const known = columnNames.find((column) => column === name)
      if (known === undefined || key === undefined || columns[known] !== undefined)
        throw expected('question=Q,answer=A and perhaps context=C, input=I, id=D, each once')
      columns[known] = key
    }
    const { question, answer, context, input } = columns
    if (question === undefined || answer === undefined) throw expected('both question=Q and answer=A')
    if (context !== undefined && input !== undefined) throw expected('context=C or input=I, not both')
    return { ...columns, question, answer }
  },
}

/** What only some formats can be told. */
const optionFlags = grouped('For some formats:', {
  splitFile: text('wikitablequestions: the questions to read', 'FILE', { shown: 'the only file of data/' }),
  tableFormat: choice('wikitablequestions: how a table is written', tableFormats, { shown: 'markdown' }),
  noAnswer: text('squad: the answer where the paragraph has none', 'TEXT', { shown: 'unanswerable' }),
  window: integer('threads: how many posts before it a post may answer', 1, { shown: '50' }),
  includeStarts: onUnless('threads: do not ask about posts that start a conversation'),
  columns: columnsFlag,
} satisfies { readonly [K in keyof ImportOptions]-?: Flag<ImportOptions[K] | undefined> })

const flags = {
  format: required(formatFlag),
  input: required(text('file or folder to read', 'DIR|FILE')),
  output: text('where the rows go, as JSONL', 'FILE', { shown: 'stdout' }),
  strict: toggle('fail, and write nothing, when a question or record is refused'),
  ...optionFlags,
}

export function registerDataImport(data: Command, io: Session): void {
  const formats = Object.entries<ImportFormat>(importFormats).map(
    ([name, { summary, input, holds }]) =>
      `  ${name.padEnd(20)}${summary} (${input}${holds === undefined ? '' : `: ${holds}`})\n`,
  )
  defineCommand(data, io, {
    name: 'import',
    summary: 'turn published formats into rows',
    flags,
    examples: [
      'data import --format squad --input train-v2.0.json --output squad.jsonl',
      'data import --format wikitablequestions --input WikiTableQuestions --split-file data/training.tsv --output wtq.jsonl',
      'data import --format threads --input irc/train --window 100 --output irc.jsonl',
      'data import --format jsonl --input gsm8k.jsonl --columns question=question,answer=answer --output gsm8k-rows.jsonl',
    ],
    run: importRows,
  }).addHelpText('after', `\nFormats:\n${formats.join('')}`)
}

async function importRows(
  values: ValuesOf<typeof flags>,
  { io, given, json }: CommandContext<typeof flags>,
): Promise<void> {
  const { format, input, output, strict } = values
  const options = optionsOf(values, given)
  if (json && output === undefined) throw new UsageError('--json needs --output FILE for the rows')
  if (output !== undefined) await checkOutput(output, input)
  const imported = await importDataset(format, input, options)
  const { rows, refused, read } = imported
  const style = styleFor(io.stderr, io.env)
  const [questions, contexts] = [countQuestions(rows), rows.filter((row) => 'context' in row).length]
  const unit = contexts > 0 ? 'question' : 'record'
  if (refused.length > 0)
    io.stderr.write(`${style.yellow('refused')} ${count(refused.length)} of ${plural(read, unit)}\n${reasons(refused)}`)
  checkImported(imported, input, strict)
  const lines = rows.map((row) => `${JSON.stringify(row)}\n`)
  if (output === undefined) for (const line of lines) io.stdout.write(line)
  else {
    await makeFolder(dirname(resolve(output)))
    await writeLinesAtomic(output, lines)
  }
  const on = contexts > 0 ? ` on ${plural(contexts, 'context')}` : ''
  io.stderr.write(
    `${style.green('done')}    ${plural(read, unit)} read, ${plural(rows.length, 'row')} written: ${plural(questions, unit)}${on}\n`,
  )
  if (json) io.stdout.write(`${JSON.stringify({ format, read, rows: rows.length, questions, contexts, refused })}\n`)
  else if (output !== undefined)
    io.stderr.write(
      `\nThe rows are in ${style.bold(output)}. Next:\n  ${style.cyan(`jora data preview --model DIR --dataset ${shellWord(output)}`)}\n`,
    )
}

/** @throws UsageError for a flag that says nothing to this format */
function optionsOf(values: ValuesOf<typeof flags>, given: ReadonlySet<keyof typeof flags>): ImportOptions {
  const { format } = values
  const options: Record<string, unknown> = {}
  for (const key of Object.keys(optionFlags) as (keyof ImportOptions)[]) {
    if (!given.has(key)) continue
    const fitting = formatNames.filter((name) => (importFormats[name] as ImportFormat).options.includes(key))
    if (!fitting.includes(format))
      throw new UsageError(`${flagName(key, flags[key])} is for --format ${fitting.join(', ')}, not for ${format}`)
    options[key] = values[key]
  }
  if (format === 'jsonl' && options.columns === undefined)
    throw new UsageError(`--format jsonl needs --columns ${columnsFlag.placeholder}`)
  return options
}

async function checkOutput(output: string, input: string): Promise<void> {
  if (isSameFile(output, input)) throw new UsageError(`--output: ${output} is the input`)
  const found = await stat(output).catch(() => undefined)
  if (found?.isDirectory()) throw new UsageError(`--output: ${output} is a folder, expected a file`)
}

/** @throws DatasetError when there is nothing to write, or more refused than is wanted */
function checkImported({ rows, refused, read }: Imported, input: string, strict: boolean): void {
  const [first] = refused
  const why = first === undefined ? 'it holds no questions or records' : `${placeOf(first)}: ${first.reason}`
  if (rows.length === 0) throw new DatasetError({ file: input, problem: `nothing to import: ${why}` })
  if (strict && first !== undefined)
    throw new DatasetError({ problem: `--strict: ${count(refused.length)} of ${count(read)} refused, first ${why}` })
}

const placeOf = ({ file, row, id }: Refusal): string => `${file}: row ${row}${id === undefined ? '' : ` (${id})`}`

/** Refusals by kind, which is what stands before the first colon, each with the first few of it. */
function reasons(refused: readonly Refusal[]): string {
  const kinds = new Map<string, Refusal[]>()
  for (const refusal of refused) {
    const kind = (refusal.reason.split(': ', 1)[0] ?? '').replace(/\d+/g, 'N')
    const all = kinds.get(kind) ?? []
    kinds.set(kind, all)
    all.push(refusal)
  }
  return [...kinds]
    .sort(([, a], [, b]) => b.length - a.length)
    .map(([kind, all]) => {
      const shown = all.slice(0, 3).map((refusal) => `    ${placeOf(refusal)}: ${refusal.reason}\n`)
      const more = all.length > shown.length ? `    and ${count(all.length - shown.length)} more\n` : ''
      return `  ${count(all.length)} × ${kind}\n${shown.join('')}${more}`
    })
    .join('')
}
