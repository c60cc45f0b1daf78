// Documents as one file of rows: what was read, what not, and why.
import {
  keepDocuments,
  listDocuments,
  readDocuments,
  WorkFolder,
  type KeptDocuments,
  type List,
  type RaftDocument,
  type ReadDocumentsOptions,
  type SkippedDocument,
} from '@jora/data'
import { jsonLines, writeLinesAtomic } from '@jora/tensor/files'
import { keyOf, type LearnStage } from './journal'
import type { DocumentFigures, LearnOptions, StageContext } from './options'

/** Runs a stage, or gives what it came to before. */
export type RunStage = <T>(name: LearnStage, key: string, run: () => Promise<T>) => Promise<T>

/** Reads documents and counts them. @throws DatasetError when there are none */
export async function readWithFigures(
  { documents: path, signal, onProgress }: Pick<LearnOptions, 'documents' | 'signal' | 'onProgress'>,
  kept?: KeptDocuments,
): Promise<{ documents: List<RaftDocument>; figures: DocumentFigures }> {
  const skipped: SkippedDocument[] = []
  const reading: ReadDocumentsOptions = {
    onSkipped: (each) => void skipped.push(each),
    signal,
    onProgress: (done, total, earlier) => onProgress?.(done, total, 'file', earlier),
  }
  const documents = await (kept === undefined ? readDocuments(path, reading) : keepDocuments(path, kept, reading))
  const byKind: Record<string, number> = {}
  for (const { origin } of documents) {
    const kind = /\.([^./\\]+)$/.exec(origin?.file ?? '')?.[1]?.toLowerCase() ?? 'other'
    byKind[kind] = (byKind[kind] ?? 0) + 1
  }
  return { documents, figures: { documents: documents.length, byKind, skipped } }
}

/** Reads the documents anew only where a file changed; what a call that was stopped read is gone on with. */
export async function readStage(context: StageContext, stage: RunStage): Promise<DocumentFigures> {
  const key = keyOf(await listDocuments(context.documents))
  return stage('read', key, async () => {
    const work = await WorkFolder.open(context.path('read'), key)
    try {
      const { documents, figures } = await readWithFigures(context, work.documents())
      await writeLinesAtomic(context.path('read'), jsonLines(documents))
      await work.remove()
      return figures
    } finally {
      work.close()
    }
  })
}
