// Documents as one file of rows: what was read, what not, and why.
import { listDocuments, readDocuments, type RaftDocument, type SkippedDocument } from '@jora/data'
import { writeLinesAtomic } from '@jora/tensor/files'
import { keyOf, type LearnStage } from './journal'
import type { DocumentFigures, LearnOptions, StageContext } from './options'

/** Runs a stage, or gives what it came to before. */
export type RunStage = <T>(name: LearnStage, key: string, run: () => Promise<T>) => Promise<T>

/** Reads documents and counts them. @throws DatasetError when there are none */
export async function readWithFigures({
  documents: path,
  onProgress,
}: Pick<LearnOptions, 'documents' | 'onProgress'>): Promise<{ documents: RaftDocument[]; figures: DocumentFigures }> {
  const skipped: SkippedDocument[] = []
  const documents = await readDocuments(path, {
    onSkipped: (each) => void skipped.push(each),
    onProgress: (done, total) => onProgress?.(done, total, 'file'),
  })
  const byKind: Record<string, number> = {}
  for (const { origin } of documents) {
    const kind = /\.([^./\\]+)$/.exec(origin?.file ?? '')?.[1]?.toLowerCase() ?? 'other'
    byKind[kind] = (byKind[kind] ?? 0) + 1
  }
  return { documents, figures: { documents: documents.length, byKind, skipped } }
}

/** Reads the documents anew only where a file changed. */
export async function readStage(context: StageContext, stage: RunStage): Promise<DocumentFigures> {
  return stage('read', keyOf(await listDocuments(context.documents)), async () => {
    const { documents, figures } = await readWithFigures(context)
    await writeLinesAtomic(
      context.path('read'),
      documents.map((document) => `${JSON.stringify(document)}\n`),
    )
    return figures
  })
}
