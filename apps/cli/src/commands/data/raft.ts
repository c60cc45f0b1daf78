// jora data raft: documents and questions as contexts to train on, after RAFT.
import { dirname, resolve } from 'node:path'
import type { Command } from 'commander'
import {
  buildRaftWith,
  DatasetError,
  DEFAULT_REFUSAL,
  documentsDigest,
  fileDigest,
  keepDocuments,
  openBm25,
  openRaftWork,
  readDocuments,
  readQuestions,
  type KeptRaftWork,
  type RaftData,
  type RaftInputs,
  type RaftRunOptions,
  type RaftStatistics,
  type ReadDocumentsOptions,
  type RefusedQuestion,
  type SkippedDocument,
} from '@jora/data'
import { columnsOf } from '@jora/lora'
import { isStream, jsonLines, makeFolder, writeLinesAtomic } from '@jora/tensor/files'
import { Interrupted, UsageError } from '../../errors'
import { checkOutputFile, overwriteFlag } from '../../output-file'
import { defineCommand, type CommandContext } from '../../flags/define-command'
import { choice, grouped, integer, number, required, text, toggle, withDefault, type ValuesOf } from '../../flags/flag'
import { settingFlags } from '../../flags/setting-flags'
import { interruptible } from '../../interrupt'
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
    model,
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
  const progress = stageProgress(line, style)
  const skipped: SkippedDocument[] = []
  const unread: RefusedQuestion[] = []
  const { tokenizer } = await describeBase(model, io)
  const { signal, release } = interruptible(io, () => line.log(style.yellow('stopping; what is done is kept')))
  let work: KeptRaftWork | undefined
  let built: RaftData
  try {
    // What comes through a pipe can be read once only, and what goes into one cannot be replaced.
    if (![output, documents, questions].some(isStream))
      work = await openWork(output, line, async () => ({
        documents: await documentsDigest(documents, signal),
        questions: await fileDigest(questions),
        tokenizer,
        options: { ...options, overlapTokens, refusal, named, retriever, embedder, documents, questions },
      }))
    const reading: ReadDocumentsOptions = {
      onSkipped: (each) => void skipped.push(each),
      signal,
      onProgress: (done, total, earlier) => progress(done, total, 'file', earlier),
    }
    const sources = await (work === undefined
      ? readDocuments(documents, reading)
      : keepDocuments(documents, work.read, reading))
    const asked = await readQuestions(questions, {
      columns: columnsOf(named),
      onRefused: ({ origin, id, reason }) =>
        void unread.push({
          question: { question: '', answer: '', origin, ...(id === undefined ? {} : { id }) },
          reason,
        }),
    })
    line.clear()
    tellSkipped(skipped, io)
    checkSkipped(skipped, strict)
    const raftOptions: RaftRunOptions = {
      ...options,
      ...(refusal === undefined ? {} : { refusal }),
      ...(work === undefined ? {} : { kept: work }),
      tokenizer,
      overlapTokens,
      unread,
      signal,
      onProgress: progress,
    }
    built =
      retriever === 'bm25'
        ? await buildRaftWith(openBm25, sources, asked, raftOptions)
        : await withRetriever({ retriever, embedder, indexDir, signal }, documents, io, ({ open }) =>
            buildRaftWith(open, sources, asked, raftOptions),
          )
    line.clear()
    tellRefused(built.refused, built.statistics, io)
    checkRefused(built, questions, strict)
    await makeFolder(dirname(resolve(output)))
    await writeLinesAtomic(output, jsonLines(built.rows))
    await work?.remove()
  } catch (error) {
    line.clear()
    if (signal.aborted) {
      line.log('stopped; the same command goes on from there')
      throw new Interrupted('stopped')
    }
    // What is wrong with the input is changed before there is another call.
    if (error instanceof DatasetError) await work?.remove()
    throw error
  } finally {
    release()
    line.clear()
    work?.close()
  }
  const { refused, statistics } = built
  io.stderr.write(`${summary(statistics, style).join('\n')}\n`)
  if (json) io.stdout.write(`${JSON.stringify({ output, statistics, refused: refused.map(flat), skipped })}\n`)
  else
    io.stderr.write(
      `\nThe contexts are in ${style.bold(output)}${replaced ? ', replacing an earlier file' : ''}. Next:\n  ${style.cyan(`${program(io)} data preview --model ${shellWord(model)} --dataset ${shellWord(output)}`)}\n`,
    )
}

/** Opens what a call before did of the work. Where nothing can be kept, that is told. */
async function openWork(
  output: string,
  line: StatusLine,
  inputs: () => Promise<RaftInputs>,
): Promise<KeptRaftWork | undefined> {
  const from = await inputs()
  try {
    const work = await openRaftWork(output, from)
    if (work.found === 'same') line.log('going on where the call before was stopped')
    if (work.found === 'other')
      line.log('the call before, which was stopped, had other documents, questions or settings: beginning anew')
    return work
  } catch (error) {
    line.log(`what is done cannot be kept for another call: ${(error as Error).message}`)
    return undefined
  }
}

/** @throws DatasetError when something was skipped that --strict asks for */
function checkSkipped(skipped: readonly SkippedDocument[], strict: boolean): void {
  const first = skipped.find(({ row, refused }) => row !== undefined || refused)
  if (strict && first !== undefined)
    throw new DatasetError({ file: first.file, row: first.row, problem: `--strict: ${first.reason}` })
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
