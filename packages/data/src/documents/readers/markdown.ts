// Markdown: headings, code and tables told from text; the front matter is taken off.

import { decodeWhole } from '../../records/decode'
import { frontMatter, markdownBlocks } from '../formats/markdown-blocks'
import type { Reader } from './reader'

export const markdownReader = {
  summary: 'Markdown',
  extensions: ['.md', '.markdown', '.mdx'],
  async *read(bytes, file) {
    const { title, body } = frontMatter(await decodeWhole(bytes, file))
    yield { ...(title === undefined ? {} : { title }), blocks: markdownBlocks(body) }
  },
} as const satisfies Reader
