// Plain text, and what is near to it as the text it is.

import { decodeWhole } from '../../records/decode'
import type { Reader } from './reader'

export const textReader = {
  summary: 'text',
  extensions: ['.txt', '.text', '.rst', '.adoc', '.org'],
  async *read(bytes, file) {
    yield { text: await decodeWhole(bytes, file) }
  },
} as const satisfies Reader
