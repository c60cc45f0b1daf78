// JSON and JSONL whose rows are documents.

import { DatasetError } from '../../errors'
import { documentOf } from '../../raft/documents'
import { decodeText } from '../../records/decode'
import { readItems, valueOf } from '../../records/records'
import type { Reader } from './reader'

export const jsonReader = {
  summary: 'rows of text, id, title',
  extensions: ['.json', '.jsonl', '.ndjson'],
  async *read(bytes, file) {
    for await (const item of readItems(decodeText(bytes, file), file)) {
      const { row } = item.origin
      try {
        yield { row, ...documentOf(valueOf(item)) }
      } catch (error) {
        if (!(error instanceof DatasetError)) throw error
        yield { row, problem: error.problem }
      }
    }
  },
} as const satisfies Reader
