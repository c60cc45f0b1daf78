// Contexts for the questions, after RAFT: the document that answers among others that do not.
import {
  buildRaftWith,
  DatasetError,
  fileDigest,
  openBm25,
  openRaftWork,
  readQuestions,
  readText,
  type RaftDocument,
  type RaftRunOptions,
  type RefusedQuestion,
} from '@jora/data'
import { jsonLines, writeLinesAtomic } from '@jora/tensor/files'
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

/**
 * Builds the contexts; what a call that was stopped built is gone on with.
 * @throws DatasetError when no question is left; the signal's reason
 */
export async function contextStage(context: StageContext): Promise<ContextFigures> {
  const { path, model, config, raft = {}, retriever, signal, onProgress } = context
  const { seed, split } = config.settings
  const documents = await readDocumentRows(path('read'))
  const unread: RefusedQuestion[] = []
  const questions = await readQuestions(path('draft'), {
    onRefused: ({ origin, key, reason }) => {
      const problem = `row ${origin.row}${key === undefined ? '' : `, "${key}"`}: ${reason}`
      unread.push({ question: { question: '', answer: '', origin }, reason: problem })
    },
  })
  const work = await openRaftWork(path('contexts'), {
    documents: await fileDigest(path('read')),
    questions: await fileDigest(path('draft')),
    tokenizer: model.tokenizer,
    options: { ...raft, seed, split, retriever: retriever?.name },
  })
  const options: RaftRunOptions = {
    ...raft,
    tokenizer: model.tokenizer,
    seed,
    split,
    unread,
    kept: work,
    signal,
    onProgress: (done, total, what, earlier) => onProgress?.(done, total, what, earlier),
  }
  try {
    const { rows, refused, statistics } =
      retriever === undefined
        ? await buildRaftWith(openBm25, documents, questions, options)
        : await retriever.use(({ open }) => buildRaftWith(open, documents, questions, options))
    if (rows.length === 0)
      throw new DatasetError({
        file: path('draft'),
        problem:
          refused[0] === undefined
            ? 'no question was accepted'
            : `no question is left, the first one for: ${refused[0].reason}`,
      })
    await writeLinesAtomic(path('contexts'), jsonLines(rows))
    await work.remove()
    const told = refused.slice(0, mostTold).map(({ question: { question }, reason }) => ({ question, reason }))
    return { ...statistics, refused: told }
  } finally {
    work.close()
  }
}
