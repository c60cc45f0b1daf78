// Questions on the documents: those that there are, or drafts.
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import {
  chunkDocuments,
  draftLine,
  draftQuestions,
  isTableFile,
  openReplyCache,
  parseDrafts,
  questionRecords,
  readQuestions,
  withReviews,
  type Chunk,
  type Columns,
} from '@jora/data'
import { makeFolder, writeFileAtomic, writeLinesAtomic } from '@jora/tensor/files'
import { ConfigError } from '../settings/config-error'
import { readDocumentRows } from './contexts'
import type { QuestionFigures, StageContext } from './options'

/** The passages that questions are drafted on. */
async function passagesOf({ path, model, raft = {}, signal, onProgress }: StageContext): Promise<Chunk[]> {
  const { chunkTokens = 256, overlapTokens = 0, tableFormat = 'markdown' } = raft
  const options = { tokenizer: model.tokenizer, chunkTokens, overlapTokens, tableFormat, signal }
  return chunkDocuments(await readDocumentRows(path('read')), { ...options, ...(onProgress && { onProgress }) })
}

/** Questions as the later stages read them: JSON as it is, a table or other columns as JSON lines. @throws DatasetError */
async function copyQuestions(file: string, to: string, columns: Columns | undefined): Promise<void> {
  if (columns === undefined && !isTableFile(file)) return writeFileAtomic(to, await readFile(file))
  const lines: string[] = []
  for await (const record of questionRecords(file, columns)) lines.push(`${JSON.stringify(record)}\n`)
  await writeLinesAtomic(to, lines)
}

/** Takes the questions of a file, or drafts them. @throws ConfigError when there is neither file nor drafter */
export async function draftStage(context: StageContext): Promise<QuestionFigures> {
  const { questions, columns, openDrafter, path, outputDir, drafting = {}, signal, onProgress } = context
  if (questions !== undefined) {
    await copyQuestions(questions, path('draft'), columns)
    const asked = await readQuestions(path('draft'), { onRefused: () => {} })
    return { accepted: asked.length, rejected: 0 }
  }
  if (openDrafter === undefined)
    throw new ConfigError('there are not questions yet: give a file of them, or a model that drafts some')
  const chunks = await passagesOf(context)
  const drafter = await openDrafter()
  try {
    await makeFolder(outputDir)
    const drafted = await draftQuestions(chunks, drafter.drafter, {
      ...drafting,
      name: drafter.name,
      seed: context.config.settings.seed,
      cache: await openReplyCache(join(outputDir, 'replies.jsonl')),
      signal,
      onProgress: (done, total) => onProgress?.(done, total, 'passage'),
    })
    const earlier = await readFile(path('draft'), 'utf8').catch(() => '')
    const drafts = withReviews(
      drafted.drafts,
      earlier.includes('"by":"reviewer"') ? parseDrafts(earlier, path('draft')) : [],
    )
    await writeLinesAtomic(path('draft'), drafts.map(draftLine))
    const accepted = drafts.filter(({ decision }) => decision === 'accepted').length
    const { passages, stopped } = drafted
    return {
      accepted,
      rejected: drafts.length - accepted,
      drafter: drafter.name,
      passages,
      ...(stopped === undefined ? {} : { stopped }),
    }
  } finally {
    await drafter.dispose()
  }
}
