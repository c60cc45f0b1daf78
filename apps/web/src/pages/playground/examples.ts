// Questions to try, from the rows of a dataset: of any format that has a question and an answer.

export interface Example {
  readonly question: string
  /** What an instruction is about, where its row keeps that apart. */
  readonly input: string
  readonly documents: readonly string[]
  readonly expected: string
  /** Whether its row says that it is held out; rows that say nothing may have been learned. */
  readonly heldOut: boolean
}

const text = (value: unknown): string | undefined => (typeof value === 'string' && value !== '' ? value : undefined)

const record = (value: unknown): Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {}

/** A context's documents: one text, or a list of texts or of objects with one. */
function documentsOf(context: unknown): string[] {
  const parts = Array.isArray(context) ? (context as unknown[]) : [context]
  return parts.flatMap((part) => text(part) ?? text(record(part).text) ?? text(record(part).content) ?? [])
}

/** Held-out rows first; at most `most`, and one of each context so that they differ. */
export function examplesOf(rows: readonly unknown[], most: number): Example[] {
  const found = rows.flatMap((value): Example[] => {
    const row = record(value)
    const heldOut = row.split === 'test'
    if (Array.isArray(row.questions)) {
      const documents = documentsOf(row.context)
      const pairs = (row.questions as unknown[]).flatMap((part) => {
        const [question, expected] = [text(record(part).question), text(record(part).answer)]
        return question !== undefined && expected !== undefined
          ? [{ question, input: '', documents, expected, heldOut }]
          : []
      })
      return pairs.slice(0, 1)
    }
    const question = text(row.instruction) ?? text(row.prompt)
    const expected = text(row.output) ?? text(row.completion)
    return question !== undefined && expected !== undefined
      ? [{ question, input: text(row.input) ?? '', documents: [], expected, heldOut }]
      : []
  })
  return [...found.filter(({ heldOut }) => heldOut), ...found.filter(({ heldOut }) => !heldOut)].slice(0, most)
}

/** A line that tells an example from the others: its question, or the end of its input, where that is what differs. */
export function nameOf({ question, input }: Pick<Example, 'question' | 'input'>, longest = 80): string {
  if (input === '') return question.length > longest ? `${question.slice(0, longest - 2)} …` : question
  const lines = input.trim().split('\n')
  const last = lines.at(-1)!
  if (lines.length > 1 && last.length <= longest) return last
  const line = lines.join(' ').replace(/\s+/g, ' ')
  // From the start of a word on.
  return line.length > longest ? `… ${line.slice(2 - longest).replace(/^\S* /, '')}` : line
}

/** Where a run's rows are: as asked for, or as run.json has it. */
export function datasetOf(settings: unknown, recorded: unknown): string | undefined {
  const dataset = record(recorded).dataset
  return text(record(settings).dataset) ?? text(record(dataset).path) ?? text(dataset)
}
