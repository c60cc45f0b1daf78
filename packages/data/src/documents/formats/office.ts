// What the zip archives of Office have in common: parts that name other parts.

import { DatasetError } from '../../errors'
import { elementsOf, firstNamed, foldSpace, parseMarkup, textOf, type Document } from './markup'
import { openZip, type Zip } from './zip'

/** An open Office file. */
export interface Package {
  readonly zip: Zip
  /** A part as XML; undefined where it is absent. */
  part(name: string): Promise<Document | undefined>
  /** Parts that a part names, by their ids there. */
  links(name: string): Promise<Map<string, { target: string; type: string }>>
  title(): Promise<string | undefined>
}

export async function openPackage(chunks: AsyncIterable<Uint8Array>, file: string): Promise<Package> {
  const zip = await openZip(chunks, file)
  const part = async (name: string): Promise<Document | undefined> => {
    const text = await zip.text(name)
    return text === undefined ? undefined : parseMarkup(text, 'xml', file)
  }
  return {
    zip,
    part,
    async links(name) {
      const at = name.lastIndexOf('/') + 1
      const found = await part(`${name.slice(0, at)}_rels/${name.slice(at)}.rels`)
      const links = new Map<string, { target: string; type: string }>()
      const root = found && firstNamed(found, 'Relationships')
      for (const { attribs } of root === undefined ? [] : elementsOf(root)) {
        // What is elsewhere is not fetched.
        if (attribs.TargetMode === 'External' || attribs.Id === undefined) continue
        links.set(attribs.Id, { target: resolvePart(name, attribs.Target ?? ''), type: attribs.Type ?? '' })
      }
      return links
    },
    async title() {
      const core = await part('docProps/core.xml')
      const title = core && firstNamed(core, 'dc:title')
      return (title && foldSpace(textOf(title))) || undefined
    },
  }
}

/** A part's name, from where another names it. */
export function resolvePart(from: string, target: string): string {
  const parts = target.startsWith('/') ? [] : from.split('/').slice(0, -1)
  for (const piece of target.split('/')) {
    if (piece === '..') parts.pop()
    else if (piece !== '.' && piece !== '') parts.push(piece)
  }
  return parts.join('/')
}

/** @throws DatasetError when the archive is of something else */
export async function requiredPart({ part }: Package, name: string, file: string, what: string): Promise<Document> {
  const found = await part(name)
  if (found === undefined) throw new DatasetError({ file, problem: `is not a ${what}: it holds no ${name}` })
  return found
}
