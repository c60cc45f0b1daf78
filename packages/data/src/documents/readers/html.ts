// HTML: the main text with its headings, lists, code and tables; what surrounds it on a page is left out.

import { decodeWhole } from '../../records/decode'
import { mainContent, markupBlocks, pageTitle } from '../formats/html-blocks'
import { parseMarkup } from '../formats/markup'
import type { Reader } from './reader'

export const htmlReader = {
  summary: 'the main text of pages',
  extensions: ['.html', '.htm', '.xhtml'],
  async *read(bytes, file) {
    const kind = /\.xhtml$/i.test(file) ? 'xhtml' : 'html'
    const document = await parseMarkup(await decodeWhole(bytes, file), kind, file)
    const title = pageTitle(document)
    yield { ...(title === undefined ? {} : { title }), blocks: markupBlocks(mainContent(document)) }
  },
} as const satisfies Reader
