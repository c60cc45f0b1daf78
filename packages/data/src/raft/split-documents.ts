// Which documents are trained on and which are held out: whole ones, so that no chunk of one tells of another.

import { deriveSeed, shuffle } from '../random'

export type Side = 'train' | 'test'

/** What a document's side is decided by. */
interface SplitDocument {
  readonly id: string
  readonly split?: Side
}

export interface SplitOptions<D> {
  /** Share of the documents that is trained on, in [0, 1]. */
  split: number
  seed: number
  /** Whether a document answers a question. Those that do are drawn on their own, so that both sides get some. */
  isAsked: (id: string) => boolean
  /** What is the same for documents that must not be parted, such as copies. */
  contentOf: (document: D) => string
}

/**
 * Gives each document a side, by id. A document's own `split` wins, for its copies too. Unless `split` is 0 or 1, at least
 * one of several documents goes to each side.
 */
export function splitDocuments<D extends SplitDocument>(
  documents: readonly D[],
  options: SplitOptions<D>,
): Map<string, Side> {
  const { split, seed, isAsked, contentOf } = options
  const units = new Map<string, D[]>()
  for (const document of documents) {
    const content = contentOf(document)
    const unit = units.get(content)
    if (unit) unit.push(document)
    else units.set(content, [document])
  }
  const sides = new Map<string, Side>()
  const [asked, others]: [D[][], D[][]] = [[], []]
  for (const unit of units.values()) {
    const fixed = unit.find((document) => document.split !== undefined)?.split
    if (fixed === undefined) (unit.some(({ id }) => isAsked(id)) ? asked : others).push(unit)
    else for (const { id, split: own = fixed } of unit) sides.set(id, own)
  }
  const least = Number(split > 0 && asked.length > 1)
  const most = asked.length - Number(split < 1 && asked.length > 1)
  const trained = Math.min(Math.max(Math.round(split * asked.length), least), most)
  const rest = Math.round(split * (asked.length + others.length)) - trained
  const draw = (name: string, drawn: readonly D[][], train: number) => {
    for (const [i, unit] of shuffle(drawn, deriveSeed(seed, 'split', name)).entries())
      for (const { id } of unit) sides.set(id, i < train ? 'train' : 'test')
  }
  draw('asked', asked, trained)
  draw('others', others, rest)
  return sides
}
