// Plain text, and Markdown and the like as the text they are.

import { decodeWhole } from '../../records/decode'
import type { Reader } from './reader'

export const textReader = {
  summary: 'text',
  extensions: ['.txt', '.md', '.markdown', '.rst', '.text'],
  async *read(bytes, file) {
    yield { text: await decodeWhole(bytes, file) }
  },
} as const satisfies Reader
