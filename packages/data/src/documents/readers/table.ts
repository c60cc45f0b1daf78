// Tables of cells with something between them.

import { parseTable } from '../../raft/table'
import { decodeWhole } from '../../records/decode'
import type { Reader } from './reader'

export const tableReader = {
  summary: 'tables',
  extensions: ['.csv', '.tsv', '.tab'],
  async *read(bytes, file) {
    yield { table: parseTable(await decodeWhole(bytes, file), file) }
  },
} as const satisfies Reader
