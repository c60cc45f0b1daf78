// The process that reads a document, so that no page waits for another's: `node read-worker.js FILE` prints JSON.
import { blocksText, readDocuments, type RaftDocument } from '@jora/data'
import type { ReadDocument } from '../api'
import { longestDocument, mostDocuments } from './limits'

const [file = ''] = process.argv.slice(2)

/** Tables and headings as Markdown has them. */
function textOf(document: RaftDocument): string {
  if ('text' in document) return document.text
  return blocksText('blocks' in document ? document.blocks : [{ kind: 'table', table: document.table }])
}

try {
  const skipped: string[] = []
  const documents = await readDocuments(file, {
    onSkipped: ({ row, reason }) => void skipped.push(row === undefined ? reason : `row ${row}: ${reason}`),
  })
  const read = documents.slice(0, mostDocuments).map((document): ReadDocument => {
    const text = textOf(document)
    const title = document.title ?? (documents.length === 1 ? null : document.id)
    return { title, text: text.slice(0, longestDocument), characters: text.length }
  })
  process.stdout.write(JSON.stringify({ documents: read, total: documents.length, skipped: skipped.slice(0, 100) }))
} catch (error) {
  process.stderr.write(`error: ${(error as Error).message}\n`)
  process.exitCode = 1
}
