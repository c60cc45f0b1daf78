// Drafted questions as rows of a file that people read and edit: what is asked, what it rests on, who decided about it.

import { DatasetError, describeValue } from '../errors'
import { isRecord } from '../records/json'
import { optionalText, parseJsonRows, recordOf, textAt } from '../raft/json-rows'

/** Kinds of questions: on what a passage says, on a cell of its tables, and such as it does not answer. */
export const draftKinds = ['fact', 'table', 'unanswerable'] as const
/** A name of {@link draftKinds}. */
export type DraftKind = (typeof draftKinds)[number]

/** A question that a model wrote on a passage. */
export interface Draft {
  /** The same for the same question on the same passage. */
  id: string
  kind: DraftKind
  question: string
  /** Absent where the passage does not answer it: there the answer is a refusal. */
  answer?: string
  /** Words of the passage that hold the answer, as it spells them. */
  quote?: string
  /** Id of the document, and of the passage in it. */
  document: string
  chunk: string
  /** Whether it is asked. */
  decision: 'accepted' | 'rejected'
  /** Who decided last. */
  by: 'checks' | 'reviewer'
  /** Why it is rejected. */
  reason?: string
  /** The model that wrote it. */
  drafter: string
}

/** A draft as the line of a file. */
export const draftLine = ({
  id,
  kind,
  question,
  answer,
  quote,
  decision,
  by,
  reason,
  document,
  chunk,
  drafter,
}: Draft): string => {
  const unanswerable = kind === 'unanswerable' ? { unanswerable: true } : {}
  return `${JSON.stringify({ id, kind, question, answer, ...unanswerable, quote, decision, by, reason, document, chunk, drafter })}\n`
}

/**
 * Reads drafts as a person may have left them.
 *
 * @throws DatasetError naming row and key
 */
export function parseDrafts(text: string, file: string): Draft[] {
  return parseJsonRows(text, file, 'drafts').map(({ value, origin }) => {
    const row = recordOf(value, origin)
    const oneOf = <T extends string>(key: string, values: readonly T[]): T => {
      const found = values.find((each) => each === row[key])
      if (found !== undefined) return found
      throw new DatasetError({
        ...origin,
        key,
        problem: `got ${describeValue(row[key])}; expected ${values.join(' or ')}`,
      })
    }
    const kind = oneOf('kind', draftKinds)
    const draft: Draft = {
      id: textAt(row, 'id', origin),
      kind,
      question: textAt(row, 'question', origin),
      document: textAt(row, 'document', origin),
      chunk: textAt(row, 'chunk', origin),
      decision: oneOf('decision', ['accepted', 'rejected']),
      by: oneOf('by', ['checks', 'reviewer']),
      drafter: textAt(row, 'drafter', origin),
    }
    if (kind !== 'unanswerable') draft.answer = textAt(row, 'answer', origin)
    for (const key of ['quote', 'reason'] as const) {
      const given = optionalText(row, key, origin)
      if (given !== undefined) draft[key] = given
    }
    return draft
  })
}

/** Whether a row is a draft that is not asked. */
export const isRejected = (row: unknown): boolean => isRecord(row) && row.decision === 'rejected' && 'by' in row

/** What a reviewer decided about drafts that were made again; theirs stays, and so does what they wrote. */
export function withReviews(drafts: readonly Draft[], earlier: readonly Draft[]): Draft[] {
  const reviewed = new Map(earlier.filter(({ by }) => by === 'reviewer').map((draft) => [draft.id, draft]))
  const kept = drafts.map((draft) => {
    const review = reviewed.get(draft.id)
    reviewed.delete(draft.id)
    return review ?? draft
  })
  return [...kept, ...reviewed.values()]
}
