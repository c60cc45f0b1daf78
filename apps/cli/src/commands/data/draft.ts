// jora data draft: questions on documents, written by a model, checked, in a file to read and edit.
import { readFile } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import type { Command } from 'commander'
import {
  chunkDocuments,
  draftLine,
  draftQuestions,
  openReplyCache,
  parseDrafts,
  readDocuments,
  withReviews,
  type Draft,
  type Drafted,
  type SkippedDocument,
} from '@jora/data'
import { makeFolder, writeLinesAtomic } from '@jora/tensor/files'
import { drafterFlags, openDrafter } from '../../drafter'
import { Interrupted, UsageError } from '../../errors'
import { defineCommand, type CommandContext } from '../../flags/define-command'
import { integer, required, text, withDefault, type ValuesOf } from '../../flags/flag'
import { interruptible } from '../../interrupt'
import type { Session } from '../../io'
import { modelFlag } from '../../flags/model-flags'
import { describeBase } from '../../open-base'
import { checkOutputFile, overwriteFlag } from '../../output-file'
import { chunkFlags, stageProgress, tellSkipped } from '../../reading'
import { count, plural, shellWord } from '../../ui/format'
import { program } from '../../ui/next-command'
import { StatusLine } from '../../ui/status-line'
import { styleFor } from '../../ui/style'

const flags = {
  documents: required(text('what is asked about: a folder of documents, or one file', 'PATH')),
  model: { ...modelFlag, help: 'the model to be trained, whose tokens are counted: a folder, or a Hub id' },
  output: required(text('where the questions go, as JSONL', 'FILE')),
  overwrite: overwriteFlag,
  cache: text('where replies are kept, so that none is paid twice', 'FILE', {
    shown: '.jora-drafts.jsonl beside the output',
  }),
  seed: withDefault(integer('decides which passages are asked about', 0), 420),
  ...drafterFlags,
  ...chunkFlags,
}

type Values = ValuesOf<typeof flags>

export function registerDataDraft(data: Command, io: Session): void {
  defineCommand(data, io, {
    name: 'draft',
    flags,
    examples: [
      'data draft --documents handbook --model models/llama --drafter-url http://127.0.0.1:8000/v1 --drafter-model qwen3 --output questions.jsonl',
      'data draft --documents handbook --model models/llama --drafter-model models/llama --max-questions 50 --output questions.jsonl',
    ],
    run: draft,
  })
}

/** Drafts of an earlier run, whose reviews stay; none where the file is another's. */
const earlierDrafts = async (file: string): Promise<Draft[]> => {
  const source = await readFile(file, 'utf8').catch(() => '')
  return source.trim() === '' ? [] : parseDrafts(source, file)
}

async function draft(values: Values, { io, json }: CommandContext<typeof flags>): Promise<void> {
  const { documents, model, output, overwrite, chunkTokens, chunkOverlap: overlapTokens, tableFormat } = values
  if (overlapTokens >= chunkTokens)
    throw new UsageError(
      `--chunk-overlap: got ${overlapTokens}, expected less than the ${chunkTokens} of --chunk-tokens`,
    )
  await checkOutputFile(output, { overwrite, inputs: { documents }, keys: ['drafter'] })
  const earlier = overwrite ? [] : await earlierDrafts(output)
  const style = styleFor(io.stderr, io.env)
  const line = new StatusLine(io.stderr)
  const progress = stageProgress(line, style)
  const { signal, release } = interruptible(io, () => line.log(style.yellow('stopping; what was replied is kept')))
  const opened = await openDrafter(values, io, line)
  try {
    const skipped: SkippedDocument[] = []
    const read = await readDocuments(documents, {
      onSkipped: (each) => void skipped.push(each),
      signal,
      onProgress: (done, total) => progress(done, total, 'file'),
    })
    line.clear()
    tellSkipped(skipped, io)
    const { tokenizer } = await describeBase(model, io)
    const cut = { tokenizer, chunkTokens, overlapTokens, tableFormat, signal, onProgress: progress }
    const chunks = await chunkDocuments(read, cut)
    const drafted = await draftQuestions(chunks, opened.drafter, {
      name: opened.name,
      perChunk: values.perPassage,
      maxQuestions: values.maxQuestions,
      unanswerable: values.unanswerable,
      check: values.draftCheck,
      concurrency: values.concurrency,
      seed: values.seed,
      cache: await openReplyCache(values.cache ?? join(dirname(resolve(output)), '.jora-drafts.jsonl')),
      signal,
      onProgress: (done, total) => progress(done, total, 'passage'),
    })
    line.clear()
    const drafts = withReviews(drafted.drafts, earlier)
    await makeFolder(dirname(resolve(output)))
    await writeLinesAtomic(output, drafts.map(draftLine))
    for (const each of draftSummary({ ...drafted, drafts })) line.log(each)
    line.log(style.dim(opened.used()))
    if (json) {
      const { passages, nonsense, cached, stopped } = drafted
      io.stdout.write(
        `${JSON.stringify({ output, passages, nonsense, cached, stopped, ...countDrafts(drafts), skipped })}\n`,
      )
    } else
      line.log(
        `\nThe questions are in ${style.bold(output)}. Next:\n  ${style.cyan(`${program(io)} data review --questions ${shellWord(output)}`)}\n  ${style.cyan(`${program(io)} data raft --documents ${shellWord(documents)} --questions ${shellWord(output)} --model ${shellWord(model)} --output contexts.jsonl`)}`,
      )
  } catch (error) {
    throw signal.aborted ? new Interrupted('stopped') : error
  } finally {
    release()
    line.clear()
    await opened.dispose()
  }
}

const countDrafts = (drafts: readonly Draft[]) => ({
  accepted: drafts.filter(({ decision }) => decision === 'accepted').length,
  rejected: drafts.filter(({ decision }) => decision === 'rejected').length,
  reviewed: drafts.filter(({ by }) => by === 'reviewer').length,
})

/** What came of drafting, in lines: how many were accepted, and why others were not. */
function draftSummary({ drafts, passages, nonsense, cached, stopped }: Drafted): string[] {
  const { accepted, rejected, reviewed } = countDrafts(drafts)
  const reasons = new Map<string, number>()
  for (const { reason, decision } of drafts)
    if (decision === 'rejected')
      reasons.set(
        reason?.split(': ', 1)[0] ?? 'no reason given',
        (reasons.get(reason?.split(': ', 1)[0] ?? 'no reason given') ?? 0) + 1,
      )
  return [
    `${plural(accepted, 'question')} accepted on ${plural(passages, 'passage')}, ${count(rejected)} rejected; ${reviewed === 0 ? 'nobody has reviewed them' : `${count(reviewed)} reviewed`}`,
    ...[...reasons].sort(([, a], [, b]) => b - a).map(([reason, n]) => `  ${count(n)} × ${reason}`),
    ...(nonsense > 0 ? [`  ${plural(nonsense, 'reply', 'replies')} without a question`] : []),
    ...(cached > 0 ? [`  ${plural(cached, 'reply', 'replies')} of an earlier run`] : []),
    ...(stopped === undefined ? [] : [`  stopped: ${stopped}; with more, the same command goes on`]),
  ]
}
