// EPUB: the chapters of a book in the order that it is read.

import { DatasetError } from '../../errors'
import type { Block } from '../blocks'
import { markupBlocks } from '../formats/html-blocks'
import { firstNamed, foldSpace, named, parseMarkup, textOf } from '../formats/markup'
import { resolvePart } from '../formats/office'
import { openZip } from '../formats/zip'
import type { Reader } from './reader'

export const epubReader = {
  summary: 'books',
  extensions: ['.epub'],
  async *read(bytes, file) {
    const zip = await openZip(bytes, file)
    const container = await zip.text('META-INF/container.xml')
    const root = container && firstNamed(await parseMarkup(container, 'xml', file), 'rootfile')?.attribs['full-path']
    const listing = root ? await zip.text(root) : undefined
    if (!root || listing === undefined)
      throw new DatasetError({ file, problem: 'is not an EPUB: META-INF/container.xml names no book in it' })
    const book = await parseMarkup(listing, 'xml', file)
    const parts = new Map([...named(book, 'item')].map(({ attribs }) => [attribs.id, attribs] as const))
    const locked = lockedParts(await zip.text('META-INF/encryption.xml'))
    const blocks: Block[] = []
    for (const { attribs } of named(book, 'itemref')) {
      const { href = '', properties = '' } = parts.get(attribs.idref ?? '') ?? {}
      if (href === '' || /\bnav\b/.test(properties)) continue
      const name = resolvePart(root, decodeURIComponent(href.split('#', 1)[0]!))
      if (locked.has(name))
        throw new DatasetError({ file, problem: 'is encrypted by its seller; such a book is not read' })
      const chapter = await zip.text(name)
      if (chapter === undefined) continue
      const document = await parseMarkup(chapter.replace(/<!DOCTYPE[^>[]*(\[[^\]]*\])?[^>]*>/i, ''), 'xhtml', file)
      blocks.push(...markupBlocks(firstNamed(document, 'body') ?? document))
    }
    const title = firstNamed(book, 'dc:title')
    yield { ...(title === undefined ? {} : { title: foldSpace(textOf(title)) }), blocks }
  },
} as const satisfies Reader

/** What is encrypted; fonts often are, and are not read. */
const lockedParts = (encryption: string | undefined): Set<string> =>
  new Set(
    [...(encryption ?? '').matchAll(/CipherReference\s+URI="([^"]+)"/g)].map(([, uri = '']) => decodeURIComponent(uri)),
  )
