// The one reader of JSON and JSONL: records one by one, each with its place, or what is wrong with it.

import { DatasetError, type RowOrigin } from '../errors'
import { JsonTextError, lineOf, parseJson, type ParseJsonOptions } from './json-text'
import { RecordSplitter, type RecordText } from './record-splitter'
import { findUnfit, maySpellUnfit } from './unfit-text'

/** A record: an element of an array, a line of JSONL, or the one value over several lines that a file is. */
export type RecordItem =
  | { origin: RowOrigin; value: unknown; /** The file is this one value, over several lines. */ whole?: true }
  | { origin: RowOrigin; error: DatasetError }

/**
 * Reads records from JSON or JSONL text that comes in pieces, holding one record in memory at a time. Broken JSON
 * becomes an item of its own: JSONL is read on after it, an array is not. The same holds for a record with a key twice
 * in one object, NUL, or half a surrogate pair.
 */
export class RecordReader {
  readonly #file: string
  readonly #options: ParseJsonOptions
  readonly #splitter = new RecordSplitter()
  #row = 0
  /** The text so far of a file that may be one value over several lines. */
  #whole: string | undefined
  #ended = false

  /** @param file what errors call it */
  constructor(file: string, options: ParseJsonOptions = {}) {
    this.#file = file
    this.#options = options
  }

  /** How the records are laid out, once the first is known. */
  get layout(): 'array' | 'lines' | undefined {
    return this.#splitter.layout
  }

  /** The records that a piece of text completes. @throws DatasetError when one is longer than a string can be */
  *push(text: string): Generator<RecordItem> {
    try {
      for (const record of this.#splitter.push(text)) yield* this.#take(record)
    } catch (error) {
      if (error instanceof RangeError) throw new DatasetError({ file: this.#file, problem: error.message })
      throw error
    }
  }

  /** The records that the end of the text completes. */
  *end(): Generator<RecordItem> {
    for (const record of this.#splitter.end()) yield* this.#take(record)
    if (this.#whole === undefined) return
    const [text, origin] = [this.#whole, { file: this.#file, row: 1 }]
    try {
      yield { ...this.#checked(text, origin), whole: true }
    } catch (error) {
      yield { origin: { ...origin, line: 1 }, error: this.#problemOf(error, { source: text, line: 1 }, origin, '') }
    }
  }

  *#take(record: RecordText): Generator<RecordItem> {
    if (this.#ended) return
    if (this.#whole !== undefined) {
      this.#whole += `\n${record.source}`
      return
    }
    const row = ++this.#row
    const lines = this.layout === 'lines'
    const origin: RowOrigin = { file: this.#file, row, ...(lines ? { line: record.line } : {}) }
    try {
      if (record.broken === 'stray') throw new JsonTextError(0)
      const item = this.#checked(record.source, origin)
      if (record.broken === 'cut') throw new JsonTextError(record.source.length)
      yield item
    } catch (error) {
      const isBroken = error instanceof JsonTextError && error.repeated === undefined
      const isCut = isBroken && error.offset >= record.source.trimEnd().length
      if (lines && row === 1 && isCut) {
        // One value over many lines, as likely as broken JSONL: the whole text will tell.
        this.#whole = '\n'.repeat(record.line - 1) + record.source
        return
      }
      this.#ended = isBroken && !lines
      yield { origin, error: this.#problemOf(error, record, origin, lines ? '' : this.#splitter.following) }
    }
  }

  #checked(source: string, origin: RowOrigin): { origin: RowOrigin; value: unknown } {
    const value = parseJson(source, this.#options)
    const unfit = maySpellUnfit(source) ? findUnfit(value) : undefined
    if (unfit !== undefined) throw new DatasetError({ ...origin, key: unfit.path || undefined, problem: unfit.problem })
    return { origin, value }
  }

  #problemOf(error: unknown, { source, line }: RecordText, origin: RowOrigin, following: string): DatasetError {
    if (error instanceof DatasetError) return error
    if (!(error instanceof JsonTextError)) throw error
    return jsonProblem(error, { source, line }, origin, following)
  }
}

/** The records of a whole text, one by one. */
export function* itemsOf(text: string, file: string, options?: ParseJsonOptions): Generator<RecordItem> {
  const reader = new RecordReader(file, options)
  yield* reader.push(text)
  yield* reader.end()
}

/** The records of a text that comes in pieces. */
export async function* readItems(
  chunks: AsyncIterable<string>,
  file: string,
  options?: ParseJsonOptions,
): AsyncGenerator<RecordItem> {
  const reader = new RecordReader(file, options)
  for await (const chunk of chunks) yield* reader.push(chunk)
  yield* reader.end()
}

/** A record as its value and place. @throws DatasetError what is wrong with it */
export function valueOf(item: RecordItem): { value: unknown; origin: RowOrigin } {
  if ('error' in item) throw item.error
  return item
}

/** The one value of a JSON text, as of a file that is one document. @throws DatasetError naming line or key */
export function parseDocument(text: string, file: string, options?: ParseJsonOptions): unknown {
  const content = text.startsWith('\uFEFF') ? text.slice(1) : text
  try {
    const value = parseJson(content, options)
    const unfit = maySpellUnfit(content) ? findUnfit(value) : undefined
    if (unfit === undefined) return value
    throw new DatasetError({ file, key: unfit.path || undefined, problem: unfit.problem })
  } catch (error) {
    if (!(error instanceof JsonTextError)) throw error
    throw jsonProblem(error, { source: content, line: 1 }, { file })
  }
}

function jsonProblem(
  { offset, repeated }: JsonTextError,
  { source, line }: Pick<RecordText, 'source' | 'line'>,
  place: { file: string; row?: number; line?: number },
  following = '',
): DatasetError {
  if (repeated !== undefined)
    return new DatasetError({ ...place, key: repeated, problem: 'occurs twice in one object; expected it once' })
  const text = source + following
  const found =
    offset >= text.trimEnd().length
      ? 'it ends too early'
      : text[offset] === '\0'
        ? 'the character NUL: the file is binary, or UTF-16 without its byte order mark'
        : `unexpected ${JSON.stringify(text.slice(offset, offset + 20).trim())}`
  return new DatasetError({
    file: place.file,
    line: lineOf(source, offset) + line - 1,
    problem: `broken JSON: ${found}`,
  })
}
