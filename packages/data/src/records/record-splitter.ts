// A JSON array, or JSONL, cut into the texts of its records as the file comes in.

/** The text of one record, before it is parsed. */
export interface RecordText {
  source: string
  /** Line of the file it begins at, from 1. */
  line: number
  /** Not a record: what an array that never closes ends in, or what comes after its end. */
  broken?: 'cut' | 'stray'
}

/** Longest string that JavaScript can have, with room for what is put before it. */
const MOST_CHARACTERS = 2 ** 29 - 1024

const LINE_END = /\r\n?|\n/g

/**
 * Takes a file's text piece by piece. Its first character tells an array, whose elements are the records, from lines, of
 * which those that are not blank are.
 */
export class RecordSplitter {
  layout: 'array' | 'lines' | undefined
  /** What of an array has been seen: nothing, its `[`, or its `]`. */
  #array: 'before' | 'within' | 'after' = 'before'
  #begun = false
  /** The record so far, and the line it begins at. */
  #open = ''
  #openLine = 1
  #line = 1
  #depth = 0
  #inString = false
  #escaped = false
  #elements = 0
  /** What was last taken, and where in it the record that was last given ended. */
  #chunk = ''
  #end = 0

  /** What follows the record that was last given, as far as it is known: for the error when something is missing. */
  get following(): string {
    return this.#chunk.slice(this.#end, this.#end + 20)
  }

  /** The records that `chunk` completes. @throws RangeError when one is longer than a string can be */
  *push(chunk: string): Generator<RecordText> {
    let text = chunk
    if (!this.#begun) {
      if (text === '') return
      this.#begun = true
      if (text.startsWith('\uFEFF')) text = text.slice(1)
    }
    if (this.layout === undefined) {
      const first = /\S/.exec(text)
      if (first !== null) this.layout = first[0] === '[' ? 'array' : 'lines'
    }
    if (this.#open.length + text.length > MOST_CHARACTERS)
      throw new RangeError('one row or document is longer than the 512 MB that a text can have; expected JSONL')
    this.#chunk = text
    if (this.layout === 'array') yield* this.#takeArray(text)
    else yield* this.#takeLines(text)
  }

  /** The record that the end of the file completes, if any. */
  *end(): Generator<RecordText> {
    this.#chunk = ''
    this.#end = 0
    if (this.layout === 'array') {
      // Without its closing bracket the array is broken, whatever its last element is.
      if (this.#array === 'within') yield { source: this.#open, line: this.#openLine, broken: 'cut' }
    } else if (this.#open.trim() !== '') yield { source: this.#open.replace(/\r$/, ''), line: this.#openLine }
  }

  *#takeLines(chunk: string): Generator<RecordText> {
    let text = chunk
    let from = 0
    // The line feed of a carriage return may come with the next piece.
    if (this.#open.endsWith('\r')) {
      text = `\r${text}`
      this.#open = this.#open.slice(0, -1)
      this.#chunk = text
    }
    LINE_END.lastIndex = 0
    const ends: (readonly [number, number])[] = []
    for (let found = LINE_END.exec(text); found !== null; found = LINE_END.exec(text)) {
      if (found[0] === '\r' && found.index === text.length - 1) break
      ends.push([found.index, found.index + found[0].length])
    }
    for (const [end, next] of ends) {
      const source = this.#open + text.slice(from, end)
      const line = this.#line
      this.#open = ''
      this.#line++
      this.#end = end
      from = next
      if (source.trim() !== '') yield { source, line }
    }
    this.#openLine = this.#line
    this.#open += text.slice(from)
  }

  *#takeArray(text: string): Generator<RecordText> {
    let from = 0
    for (let i = 0; i < text.length; i++) {
      const code = text.charCodeAt(i)
      if (code === 0x0a) this.#line++
      if (this.#inString) {
        if (this.#escaped) this.#escaped = false
        else if (code === 0x5c) this.#escaped = true
        else if (code === 0x22) this.#inString = false
        continue
      }
      if (this.#array === 'before') {
        if (code !== 0x5b) continue
        this.#array = 'within'
        from = i + 1
        this.#openLine = this.#line
        continue
      }
      if (this.#array === 'after') {
        if (code === 0x20 || (code >= 0x09 && code <= 0x0d)) continue
        this.#end = i + 20
        yield { source: text.slice(i, i + 20), line: this.#line, broken: 'stray' }
        return
      }
      if (code === 0x22) this.#inString = true
      else if (code === 0x5b || code === 0x7b) this.#depth++
      else if (this.#depth > 0 && (code === 0x5d || code === 0x7d)) this.#depth--
      else if (this.#depth === 0 && (code === 0x2c || code === 0x5d)) {
        const source = this.#open + text.slice(from, i)
        const line = this.#openLine
        this.#open = ''
        this.#end = i
        from = i + 1
        this.#openLine = this.#line
        if (code === 0x5d) this.#array = 'after'
        this.#elements++
        // `[]` has no elements; `[1,]` has a second one, which is broken.
        if (source.trim() !== '' || code === 0x2c || this.#elements > 1) yield { source, line }
      }
    }
    if (this.#array === 'within') this.#open += text.slice(from)
  }
}
