// What building RAFT data came to, in figures.

import type { ContextDocument, ContextRow } from '../rows/row-formats'
import type { Corpus } from './corpus'
import type { Side } from './split-documents'

/** What the training rows, or the held-out ones, are made of. */
export interface SideStatistics {
  /** Source documents of the side, whether or not a question is about them; empty ones left out. */
  documents: number
  contexts: number
  questions: number
}

/** What {@link buildRaft} read, cut and made. */
export interface RaftStatistics {
  documents: number
  /** Skipped, for there is nothing in them. */
  emptyDocuments: number
  chunks: number
  /** Tokens of a chunk. */
  chunkTokens: { least: number; mean: number; most: number }
  /** `read` = `kept` + `refused`. */
  questions: { read: number; kept: number; refused: number }
  contexts: number
  train: SideStatistics
  test: SideStatistics
  /** Training questions that have their golden document in the context, and their share. */
  golden: { questions: number; share: number }
  /** Contexts with fewer documents than asked for: there are no more that would distract. */
  shortContexts: number
  /** Held-out contexts that took distractors from training documents. */
  borrowingContexts: number
}

interface Built {
  corpus: Corpus
  sides: ReadonlyMap<string, Side>
  rows: readonly ContextRow[]
  refused: number
  distractors: number
}

const sumOf = <T>(items: readonly T[], value: (item: T) => number): number =>
  items.reduce((sum, item) => sum + value(item), 0)

export function statisticsOf({
  corpus: { chunks, documents, documentOf },
  sides,
  rows,
  refused,
  distractors,
}: Built): RaftStatistics {
  const tokens = { least: Infinity, sum: 0, most: 0 }
  for (let chunk = 0; chunk < chunks.length; chunk++) {
    const count = chunks.tokensOf(chunk)
    tokens.least = Math.min(tokens.least, count)
    tokens.sum += count
    tokens.most = Math.max(tokens.most, count)
  }
  const filled = [...documents.values()].filter(({ count }) => count > 0)
  const contextOf = (row: ContextRow) => row.context as readonly ContextDocument[]
  const questionsOf = (some: readonly ContextRow[]) => sumOf(some, (row) => row.questions.length)
  const onSide = (side: Side) => rows.filter((row) => row.split === side)
  const figures = (side: Side): SideStatistics => ({
    documents: filled.filter(({ id }) => sides.get(id) === side).length,
    contexts: onSide(side).length,
    questions: questionsOf(onSide(side)),
  })
  const hasGolden = ({ context, questions }: ContextRow) => {
    const golden = questions.find((each) => each.golden!.length > 0)?.golden![0]
    return golden === undefined || (context as readonly ContextDocument[]).some(({ id }) => id === golden)
  }
  const golden = questionsOf(onSide('train').filter(hasGolden))
  const kept = questionsOf(rows)
  const sideOf = (id: string | undefined) => sides.get(documentOf(id!)!.id)
  return {
    documents: documents.size,
    emptyDocuments: documents.size - filled.length,
    chunks: chunks.length,
    chunkTokens: { least: tokens.least, mean: tokens.sum / chunks.length, most: tokens.most },
    questions: { read: kept + refused, kept, refused },
    contexts: rows.length,
    train: figures('train'),
    test: figures('test'),
    golden: { questions: golden, share: golden / Math.max(1, figures('train').questions) },
    shortContexts: rows.filter((row) => contextOf(row).length < distractors + 1).length,
    borrowingContexts: onSide('test').filter((row) => contextOf(row).some(({ id }) => sideOf(id) === 'train')).length,
  }
}
