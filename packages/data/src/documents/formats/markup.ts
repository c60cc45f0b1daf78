// XML and HTML as trees. Nothing outside the file is ever fetched, and entities that a file declares stay unread.

import type { Document, Element, Text } from 'domhandler'
import { DatasetError } from '../../errors'

export type { Document, Element } from 'domhandler'

/** Deeper ones are made to break readers. */
const deepest = 2_000

/**
 * Parses markup into a tree.
 *
 * @param kind `xhtml` is HTML whose elements may close themselves
 * @throws DatasetError when it declares entities of its own, or nests too deep
 */
export async function parseMarkup(text: string, kind: 'xml' | 'html' | 'xhtml', file: string): Promise<Document> {
  if (kind !== 'html' && /<!ENTITY\s/.test(text))
    throw new DatasetError({
      file,
      problem: 'declares entities of its own, which may refer to other files and are not read',
    })
  const { parseDocument } = await import('htmlparser2')
  const document = parseDocument(text, kind === 'xml' ? { xmlMode: true } : { recognizeSelfClosing: kind === 'xhtml' })
  if (isTooDeep(document)) throw new DatasetError({ file, problem: `its elements are nested deeper than ${deepest}` })
  return document
}

/** By hand: what is asked is whether recursion may be. */
function isTooDeep(document: Document): boolean {
  const waiting: { node: Document | Element; depth: number }[] = [{ node: document, depth: 0 }]
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    if (next.depth > deepest) return true
    for (const child of elementsOf(next.node)) waiting.push({ node: child, depth: next.depth + 1 })
  }
  return false
}

export const isElement = (node: { type: string }): node is Element =>
  node.type === 'tag' || node.type === 'script' || node.type === 'style'

export const isText = (node: { type: string }): node is Text => node.type === 'text'

export const elementsOf = (node: { children: Document['children'] }): Element[] => node.children.filter(isElement)

/** Elements below a node, in the order of the file, that have this name. */
export function* named(node: Document | Element, name: string): Generator<Element> {
  for (const child of elementsOf(node)) {
    if (child.name === name) yield child
    yield* named(child, name)
  }
}

export const firstNamed = (node: Document | Element, name: string): Element | undefined => {
  for (const found of named(node, name)) return found
  return undefined
}

export const childNamed = (node: Document | Element | undefined, name: string): Element | undefined =>
  node && elementsOf(node).find((child) => child.name === name)

/** All text below a node, as it is. */
export function textOf(node: Document | Element): string {
  let text = ''
  for (const child of node.children) {
    if (isText(child) || child.type === 'cdata')
      text += isText(child) ? child.data : textOf(child as unknown as Element)
    else if (isElement(child)) text += textOf(child)
  }
  return text
}

export const foldSpace = (text: string): string => text.replace(/\s+/g, ' ').trim()
