// The keys of a file's first rows, with values that show what each of them holds.

/** Rows that are looked at, values that are kept of a column, columns, and characters of a value. */
const [mostRows, mostExamples, mostColumns, longest] = [20, 3, 80, 160]

const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/** A value in a line; empty where it says nothing. */
function textOf(value: unknown): string {
  const text = typeof value === 'string' ? value : value === null || value === undefined ? '' : JSON.stringify(value)
  const line = text.replace(/\s+/g, ' ').trim()
  return line.length <= longest ? line : `${line.slice(0, longest - 2)} …`
}

/** Columns in the order in which rows bring them; what is inside of objects, and of a list's first entry, by its path. */
export class ColumnExamples {
  readonly #columns = new Map<string, string[]>()
  #rows = 0

  take(row: unknown): void {
    if (isRecord(row) && ++this.#rows <= mostRows)
      for (const [key, value] of Object.entries(row)) this.#note(key, value, 2)
  }

  #note(path: string, value: unknown, depth: number): void {
    const known = this.#columns.get(path)
    if (known === undefined && this.#columns.size >= mostColumns) return
    const examples = known ?? []
    this.#columns.set(path, examples)
    const text = textOf(value)
    if (text !== '' && examples.length < mostExamples && !examples.includes(text)) examples.push(text)
    if (depth === 0) return
    const [inside, at] = Array.isArray(value) ? [(value as unknown[])[0], `${path}.0`] : [value, path]
    if (isRecord(inside)) for (const [key, each] of Object.entries(inside)) this.#note(`${at}.${key}`, each, depth - 1)
  }

  get columns(): { name: string; examples: string[] }[] {
    return Array.from(this.#columns, ([name, examples]) => ({ name, examples }))
  }
}
