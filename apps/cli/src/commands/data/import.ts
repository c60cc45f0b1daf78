// jora data import: published formats as rows that train and eval read.
import { dirname, resolve } from 'node:path'
import type { Command } from 'commander'
import {
  columnsExpected,
  countQuestions,
  DatasetError,
  importDataset,
  importFormats,
  parseColumns,
  tableFormats,
  type ImportColumns,
  type Imported,
  type ImportFormat,
  type ImportFormatName,
  type ImportOptions,
  type Refusal,
  unusedKeysNote,
} from '@jora/data'
import { makeFolder, writeStreamAtomic } from '@jora/tensor/files'
import { UsageError } from '../../errors'
import { checkOutputFile, overwriteFlag } from '../../output-file'
import { defineCommand, type CommandContext } from '../../flags/define-command'
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
} from '../../flags/flag'
import { nearest } from '../../flags/suggest'
import type { Session } from '../../io'
import { program } from '../../ui/next-command'
import { count, plural, shellWord } from '../../ui/format'
import { styleFor } from '../../ui/style'

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

const columnsFlag: Flag<ImportColumns | undefined> = {
  help: 'jsonl: the keys of question and answer, and of context or input, and id; instances.0.output reaches inside',
  placeholder: 'question=Q,answer=A,…',
  parse(value) {
    const columns = parseColumns(value)
    if (columns === undefined) throw expected(columnsExpected)
    return columns
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
  overwrite: overwriteFlag,
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
  const { format, input, output, strict, overwrite } = values
  const options = optionsOf(values, given)
  if (json && output === undefined) throw new UsageError('--json needs --output FILE for the rows')
  const replaced =
    output !== undefined && (await checkOutputFile(output, { overwrite, inputs: { input }, keys: rowKeys }))
  const style = styleFor(io.stderr, io.env)
  const unused = new Set<string>()
  const written = { rows: 0, questions: 0, contexts: 0 }
  /** Imports into `write`, a row at a time, and checks what came of it while there is a way back. */
  const importInto = async (write: (line: string) => void | Promise<void>): Promise<Imported> => {
    const imported = await importDataset(format, input, {
      ...options,
      onUnusedKey: (key) => void unused.add(key),
      onRow(row) {
        written.rows++
        written.questions += countQuestions([row])
        written.contexts += Number('context' in row)
        return write(`${JSON.stringify(row)}\n`)
      },
    })
    const { refused, read } = imported
    if (refused.length > 0)
      io.stderr.write(
        `${style.yellow('refused')} ${count(refused.length)} of ${plural(read, unitOf(written))}\n${reasons(refused)}`,
      )
    checkImported(imported, written.rows, input, strict)
    return imported
  }
  const { refused, read } = await (output === undefined
    ? importToStdout(importInto, io, strict)
    : makeFolder(dirname(resolve(output))).then(() =>
        writeStreamAtomic(output, async (sink) => {
          let text = ''
          const flush = async () => {
            await sink.write(Buffer.from(text, 'utf8'))
            text = ''
          }
          const imported = await importInto((line) => {
            text += line
            return text.length < chunkCharacters ? undefined : flush()
          })
          await flush()
          return imported
        }),
      ))
  const { rows, questions, contexts } = written
  const on = contexts > 0 ? ` on ${plural(contexts, 'context')}` : ''
  io.stderr.write(
    `${style.green('done')}    ${plural(read, unitOf(written))} read, ${plural(rows, 'row')} written: ${plural(questions, unitOf(written))}${on}\n`,
  )
  for (const note of unusedKeysNote(unused)) io.stderr.write(`${style.yellow('note')}    ${note}\n`)
  if (json) io.stdout.write(`${JSON.stringify({ format, read, rows, questions, contexts, refused })}\n`)
  else if (output !== undefined)
    io.stderr.write(
      `\nThe rows are in ${style.bold(output)}${replaced ? ', replacing an earlier file' : ''}. Next:\n  ${style.cyan(`${program(io)} data preview --model DIR --dataset ${shellWord(output)}`)}\n`,
    )
}

/** How much text is written at once. */
const chunkCharacters = 2 ** 20

const unitOf = ({ contexts }: { contexts: number }): string => (contexts > 0 ? 'question' : 'record')

/** What is written to stdout cannot be taken back: with --strict it waits until all is read. */
async function importToStdout(
  importInto: (write: (line: string) => void) => Promise<Imported>,
  io: Session,
  strict: boolean,
): Promise<Imported> {
  const held: string[] = []
  const imported = await importInto((line) => void (strict ? held.push(line) : io.stdout.write(line)))
  for (const line of held) io.stdout.write(line)
  return imported
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

/** Of which every row that is written has one. */
const rowKeys = ['questions', 'messages', 'instruction', 'prompt', 'input_ids']

/** @throws DatasetError when there is nothing to write, or more refused than is wanted */
function checkImported({ refused, read }: Imported, rows: number, input: string, strict: boolean): void {
  const [first] = refused
  const why = first === undefined ? 'it has no questions or records' : `${placeOf(first)}: ${first.reason}`
  if (rows === 0) throw new DatasetError({ file: input, problem: `nothing to import: ${why}` })
  if (strict && first !== undefined)
    throw new DatasetError({ problem: `--strict: ${count(refused.length)} of ${count(read)} refused, first ${why}` })
}

const placeOf = ({ file, row, id }: Refusal): string => `${file}: row ${row}${id === undefined ? '' : ` (${id})`}`

/** Refusals by kind, which is what is before the first colon, each with the first few of it. */
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
