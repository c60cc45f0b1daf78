// jora data raft: documents and questions as contexts to train on, after RAFT.
import { dirname, resolve } from 'node:path'
import type { Command } from 'commander'
import {
  buildRaft,
  buildRaftWith,
  DatasetError,
  DEFAULT_REFUSAL,
  readDocuments,
  readQuestions,
  type RaftData,
  type RaftDocument,
  type RaftQuestion,
  type RaftStatistics,
  type RefusedQuestion,
  type SkippedDocument,
} from '@jora/data'
import { columnsOf } from '@jora/lora'
import { makeFolder, writeLinesAtomic } from '@jora/tensor/files'
import { UsageError } from '../../errors'
import { checkOutputFile, overwriteFlag } from '../../output-file'
import { defineCommand, type CommandContext } from '../../flags/define-command'
import { choice, grouped, integer, number, required, text, toggle, withDefault, type ValuesOf } from '../../flags/flag'
import { settingFlags } from '../../flags/setting-flags'
import type { Io, Session } from '../../io'
import { modelFlag } from '../../flags/model-flags'
import { describeBase } from '../../open-base'
import { count, percent, plural, shellWord } from '../../ui/format'
import { chunkFlags, stageProgress, tellSkipped } from '../../reading'
import { retrieverFlags, withRetriever } from '../../retrieval'
import { program } from '../../ui/next-command'
import { StatusLine } from '../../ui/status-line'
import { styleFor, type Style } from '../../ui/style'
import { columns } from '../../ui/table'

const share = (help: string) => number(help, 'from 0 to 1', (value) => value >= 0 && value <= 1)

const flags = {
  documents: required(
    text('what contexts are made of: a folder of PDF, Word, HTML, Markdown, text, tables, …, or one such file', 'PATH'),
  ),
  questions: required(text('JSON or JSONL of question, answer, and perhaps document (its id), quote, id', 'FILE')),
  columns: settingFlags.columns,
  model: {
    ...modelFlag,
    help: 'the model to be trained, whose tokens are counted: a folder, a GGUF file, or a Hub id',
  },
  output: required(text('where the contexts go, as JSONL', 'FILE')),
  overwrite: overwriteFlag,
  strict: toggle('fail, and write nothing, when a question is refused'),
  seed: withDefault(integer('decides split, order, and which questions go without their document', 0), 420),
  ...chunkFlags,
  ...grouped('Documents:', {
    split: withDefault(share("share of the documents to train on; a document's own split overrides it"), 0.8),
  }),
  ...grouped('Contexts:', {
    distractors: withDefault(integer('documents beside the golden one', 0), 4),
    ...retrieverFlags,
    goldenProbability: withDefault(share('share of training questions that see their golden document'), 0.8),
    withoutGolden: withDefault(
      choice('what is learned without it: the answer or a refusal', ['keep', 'refuse']),
      'keep',
    ),
    refusal: text('what a refusal says', 'TEXT', { shown: JSON.stringify(DEFAULT_REFUSAL) }),
    allowAbstractive: toggle(
      'keep answers that are not in their document word for word, with the most similar part of it',
    ),
  }),
}

type Values = ValuesOf<typeof flags>

export function registerDataRaft(data: Command, io: Session): void {
  defineCommand(data, io, {
    name: 'raft',
    flags,
    examples: [
      'data raft --documents handbook --questions questions.jsonl --model models/llama --output raft.jsonl',
      'data raft --documents handbook --questions q.jsonl --model models/llama --output raft.jsonl --retriever hybrid',
      'data raft --documents docs.jsonl --questions q.jsonl --model models/llama --output raft.jsonl --without-golden refuse',
    ],
    run: raft,
  })
}

async function raft(values: Values, { io, given, json }: CommandContext<typeof flags>): Promise<void> {
  const replaced = await checkValues(values, given)
  const {
    documents,
    questions,
    output,
    strict,
    overwrite: _overwrite,
    chunkOverlap: overlapTokens,
    refusal,
    columns: named,
    retriever,
    embedder,
    indexDir,
    ...options
  } = values
  const style = styleFor(io.stderr, io.env)
  const line = new StatusLine(io.stderr)
  const skipped: SkippedDocument[] = []
  const unread: RefusedQuestion[] = []
  const progress = stageProgress(line, style)
  let sources: RaftDocument[]
  let asked: RaftQuestion[]
  try {
    sources = await readDocuments(documents, {
      onSkipped: (each) => void skipped.push(each),
      onProgress: (done, total) => progress(done, total, 'file'),
    })
    asked = await readQuestions(questions, {
      columns: columnsOf(named),
      onRefused: ({ origin, id, reason }) =>
        void unread.push({
          question: { question: '', answer: '', origin, ...(id === undefined ? {} : { id }) },
          reason,
        }),
    })
  } finally {
    line.clear()
  }
  tellSkipped(skipped, io)
  const firstSkippedRow = skipped.find(({ row, refused }) => row !== undefined || refused)
  if (strict && firstSkippedRow !== undefined)
    throw new DatasetError({
      file: firstSkippedRow.file,
      row: firstSkippedRow.row,
      problem: `--strict: ${firstSkippedRow.reason}`,
    })
  const { tokenizer } = await describeBase(values.model, io)
  let built: RaftData
  try {
    const raftOptions = { ...options, tokenizer, overlapTokens, unread, onProgress: progress }
    const whole = refusal === undefined ? raftOptions : { ...raftOptions, refusal }
    built =
      retriever === 'bm25'
        ? buildRaft(sources, asked, whole)
        : await withRetriever({ retriever, embedder, indexDir }, documents, io, ({ open }) =>
            buildRaftWith(open, sources, asked, whole),
          )
  } finally {
    line.clear()
  }
  const { rows, refused, statistics } = built
  tellRefused(refused, statistics, io)
  checkRefused(built, questions, strict)
  await makeFolder(dirname(resolve(output)))
  await writeLinesAtomic(
    output,
    rows.map((row) => `${JSON.stringify(row)}\n`),
  )
  io.stderr.write(`${summary(statistics, style).join('\n')}\n`)
  if (json) io.stdout.write(`${JSON.stringify({ output, statistics, refused: refused.map(flat), skipped })}\n`)
  else
    io.stderr.write(
      `\nThe contexts are in ${style.bold(output)}${replaced ? ', replacing an earlier file' : ''}. Next:\n  ${style.cyan(`${program(io)} data preview --model ${shellWord(values.model)} --dataset ${shellWord(output)}`)}\n`,
    )
}

/** @returns whether a file is replaced */
async function checkValues(values: Values, given: ReadonlySet<keyof Values>): Promise<boolean> {
  const { documents, questions, output, overwrite, chunkTokens, chunkOverlap, withoutGolden } = values
  if (chunkOverlap >= chunkTokens)
    throw new UsageError(
      `--chunk-overlap: got ${chunkOverlap}, expected less than the ${chunkTokens} of --chunk-tokens`,
    )
  if (given.has('refusal') && withoutGolden === 'keep')
    throw new UsageError('--refusal goes with --without-golden refuse')
  return checkOutputFile(output, { overwrite, inputs: { documents, questions }, keys: ['questions'] })
}

const placeOf = ({ question: { origin, id } }: RefusedQuestion): string =>
  `${origin?.file}: row ${origin?.row}${id === undefined ? '' : ` (${id})`}`

/** As JSON tells it. */
const flat = ({ question: { origin, id, question }, reason }: RefusedQuestion) => ({
  file: origin?.file,
  row: origin?.row,
  ...(id === undefined ? {} : { id }),
  question,
  reason,
})

const MOST_SHOWN = 20

function tellRefused(refused: readonly RefusedQuestion[], { questions }: RaftStatistics, io: Io): void {
  if (refused.length === 0) return
  const { yellow } = styleFor(io.stderr, io.env)
  const shown = refused.slice(0, MOST_SHOWN).map((each) => `  ${placeOf(each)}: ${each.reason}\n`)
  const more = refused.length - shown.length
  if (more > 0) shown.push(`  and ${count(more)} more, which --json lists\n`)
  io.stderr.write(
    `${yellow('refused')} ${count(refused.length)} of ${plural(questions.read, 'question')}\n${shown.join('')}`,
  )
}

/** @throws DatasetError when nothing is left, or more is refused than is wanted */
function checkRefused({ rows, refused, statistics }: RaftData, file: string, strict: boolean): void {
  const [first] = refused
  if (first === undefined) return
  const why = `${placeOf(first)}: ${first.reason}`
  if (rows.length === 0) throw new DatasetError({ file, problem: `no question is left, nothing written: ${why}` })
  if (!strict) return
  const how = `${count(refused.length)} of ${plural(statistics.questions.read, 'question')} refused`
  throw new DatasetError({ problem: `--strict: ${how}, nothing written: ${why}` })
}

function summary(statistics: RaftStatistics, style: Style): string[] {
  const { documents, emptyDocuments, chunks, chunkTokens, questions, contexts, train, test, golden } = statistics
  const { shortContexts, borrowingContexts } = statistics
  const side = ({ contexts: n, questions: asked, documents: of }: RaftStatistics['train']) =>
    `${plural(asked, 'question')} on ${plural(n, 'context')}, ${plural(of, 'document')}`
  const notes = [
    shortContexts > 0 ? `${plural(shortContexts, 'context')} with fewer distractors: there are no more` : '',
    test.questions === 0
      ? 'nothing is held out: all questions are about documents to train on, so no evaluation can distinguish what was learned from what the model knew'
      : '',
    borrowingContexts > 0
      ? `${plural(borrowingContexts, 'held-out context')} with distractors from training documents: too few held-out ones fit`
      : '',
  ].filter(Boolean)
  return columns([
    [
      style.bold('documents'),
      `${count(documents)}${emptyDocuments > 0 ? `, ${count(emptyDocuments)} of them empty and skipped` : ''}`,
    ],
    [
      style.bold('chunks'),
      `${count(chunks)} of ${count(chunkTokens.least)} to ${count(chunkTokens.most)} tokens, ${count(Math.round(chunkTokens.mean))} on average`,
    ],
    [
      style.bold('questions'),
      `${count(questions.read)} read, ${count(questions.kept)} kept, ${count(questions.refused)} refused`,
    ],
    [style.bold('contexts'), `${count(contexts)}, ${(questions.kept / contexts).toFixed(1)} questions each`],
    [style.bold('train'), side(train)],
    [style.bold('golden'), `${count(golden.questions)} of them see their golden document: ${percent(golden.share)}`],
    [style.bold('test'), side(test)],
    ...notes.map((note) => [style.yellow('note'), note]),
  ])
}
