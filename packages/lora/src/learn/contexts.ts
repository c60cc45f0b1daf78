// Contexts for the questions, after RAFT: the document that answers among others that do not.
import {
  buildRaft,
  buildRaftWith,
  DatasetError,
  readQuestions,
  readText,
  type RaftDocument,
  type RaftOptions,
  type RefusedQuestion,
} from '@jora/data'
import { writeLinesAtomic } from '@jora/tensor/files'
import type { ContextFigures, StageContext } from './options'

/** Refused questions that are told one by one. */
const mostTold = 100

/** The documents of the first stage, as it, or whoever edited its file, left them. @throws DatasetError naming the line */
export async function readDocumentRows(file: string): Promise<RaftDocument[]> {
  const lines = (await readText(file)).split('\n')
  return lines.flatMap((line, i) => {
    if (line.trim() === '') return []
    try {
      const document = JSON.parse(line) as RaftDocument
      if (typeof document.id === 'string' && ['text', 'table', 'blocks'].some((key) => key in document))
        return [document]
    } catch {
      // Told below.
    }
    throw new DatasetError({
      file,
      line: i + 1,
      problem: 'is no document: expected an object with id, and text, table or blocks',
    })
  })
}

/** @throws DatasetError when no question is left */
export async function contextStage({
  path,
  model,
  config,
  raft,
  retriever,
  onProgress,
}: StageContext): Promise<ContextFigures> {
  const { seed, split } = config.settings
  const documents = await readDocumentRows(path('read'))
  const unread: RefusedQuestion[] = []
  const questions = await readQuestions(path('draft'), {
    onRefused: ({ origin, key, reason }) => {
      const problem = `row ${origin.row}${key === undefined ? '' : `, "${key}"`}: ${reason}`
      unread.push({ question: { question: '', answer: '', origin }, reason: problem })
    },
  })
  const options: RaftOptions = {
    ...raft,
    tokenizer: model.tokenizer,
    seed,
    split,
    unread,
    onProgress: (done, total, what) => onProgress?.(done, total, what),
  }
  const { rows, refused, statistics } = retriever
    ? await retriever.use(({ open }) => buildRaftWith(open, documents, questions, options))
    : buildRaft(documents, questions, options)
  if (rows.length === 0)
    throw new DatasetError({
      file: path('draft'),
      problem:
        refused[0] === undefined
          ? 'no question was accepted'
          : `no question is left, the first one for: ${refused[0].reason}`,
    })
  await writeLinesAtomic(
    path('contexts'),
    rows.map((row) => `${JSON.stringify(row)}\n`),
  )
  const told = refused.slice(0, mostTold).map(({ question: { question }, reason }) => ({ question, reason }))
  return { ...statistics, refused: told }
}
