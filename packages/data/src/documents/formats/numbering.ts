// The marks of a Word document's lists: numbers and letters, counted as Word does; a dash where there is a bullet.

import { childNamed, named, type Document, type Element } from './markup'

interface Level {
  readonly format: string
  readonly start: number
}

interface List {
  /** Lists of one kind go on counting where the one before ended, */
  readonly kind: string
  /** but for those that start anew: their numbers by level. */
  readonly starts: ReadonlyMap<number, number>
}

const valueOf = (parent: Element | undefined, name: string): string | undefined =>
  childNamed(parent, name)?.attribs['w:val']

/** Counts the items of lists in the order in which they stand. */
export class Numbering {
  readonly #kinds = new Map<string, ReadonlyMap<number, Level>>()
  readonly #lists = new Map<string, List>()
  /** By kind, the last number of each level. */
  readonly #counts = new Map<string, number[]>()
  readonly #begun = new Set<string>()

  /** @param part `word/numbering.xml`, where there is one */
  constructor(part: Document | undefined) {
    for (const kind of part ? named(part, 'w:abstractNum') : []) {
      const levels = [...named(kind, 'w:lvl')].map((level): [number, Level] => [
        Number(level.attribs['w:ilvl'] ?? 0),
        { format: valueOf(level, 'w:numFmt') ?? 'decimal', start: Number(valueOf(level, 'w:start') ?? 1) },
      ])
      this.#kinds.set(kind.attribs['w:abstractNumId'] ?? '', new Map(levels))
    }
    for (const list of part ? named(part, 'w:num') : []) {
      const starts = [...named(list, 'w:lvlOverride')].flatMap((over): [number, number][] => {
        const start = valueOf(over, 'w:startOverride')
        return start === undefined ? [] : [[Number(over.attribs['w:ilvl'] ?? 0), Number(start)]]
      })
      const kind = valueOf(list, 'w:abstractNumId') ?? ''
      this.#lists.set(list.attribs['w:numId'] ?? '', { kind, starts: new Map(starts) })
    }
  }

  /** The mark of the next item of a list: `3.`, `b.` or `-`. */
  next(listId: string, level: number): string {
    const list = this.#lists.get(listId)
    const { format, start } = this.#kinds.get(list?.kind ?? '')?.get(level) ?? { format: 'bullet', start: 1 }
    if (list === undefined || format === 'bullet' || format === 'none') return '-'
    const counts = this.#counts.get(list.kind) ?? []
    this.#counts.set(list.kind, counts)
    const anew = this.#begun.has(`${listId} ${level}`) ? undefined : list.starts.get(level)
    this.#begun.add(`${listId} ${level}`)
    const number = anew ?? (counts[level] === undefined ? start : counts[level] + 1)
    counts.length = level
    counts[level] = number
    if (!format.endsWith('Letter') || number < 1 || number > 26) return `${number}.`
    return `${String.fromCharCode((format.startsWith('upper') ? 64 : 96) + number)}.`
  }
}
