// HTML and Markdown as blocks.

import { expect, test } from 'vitest'
import { allOf } from '../../../test/archives'
import { htmlReader } from './html'
import { markdownReader } from './markdown'
import type { Reader } from './reader'

async function* bytesOf(text: string) {
  yield new TextEncoder().encode(text)
}

const read = async (reader: Reader, text: string) => (await allOf(reader.read(bytesOf(text), 'x.html')))[0]

test('html: the main text with lists, code and tables; what surrounds it goes', async () => {
  const page = `<!doctype html><head><title> A
    guide </title><style>p{}</style></head><body><nav><a href="/">Home</a></nav><header>Site</header><main>
    <h2 id=i>Install <code>it</code></h2><p>Run<br>this &amp; <b>that</b>.<script>evil()</script>
    <ul><li>one<li>two <ol><li>inner</ol></ul>
    <pre>  npm i\n  npm test</pre>
    <table><caption>Sizes</caption><tr><th>a<th>b<th>c</tr><tr><td rowspan=2>1<td colspan=2>2</tr><tr><td>3<td>4</tr></table>
    <div hidden>no</div><dl><dt>term<dd>meaning</dl>loose</main><footer>end</footer>`
  expect(await read(htmlReader, page)).toEqual({
    title: 'A guide',
    blocks: [
      { kind: 'heading', level: 2, text: 'Install it' },
      { kind: 'text', text: 'Run\nthis & that.' },
      { kind: 'text', text: '- one\n- two\n  1. inner' },
      { kind: 'code', text: '  npm i\n  npm test' },
      { kind: 'text', text: 'Sizes' },
      {
        kind: 'table',
        table: {
          header: ['a', 'b', 'c'],
          rows: [
            ['1', '2', ''],
            ['1', '3', '4'],
          ],
        },
      },
      { kind: 'text', text: 'term:' },
      { kind: 'text', text: 'meaning' },
      { kind: 'text', text: 'loose' },
    ],
  })
})

test('html: a list of links is a menu, one that says something is not', async () => {
  const links = (after: string) =>
    `<ul>${'abcd'
      .split('')
      .map((name) => `<li><a href="#${name}">chapter ${name}</a>${after}`)
      .join('')}</ul>`
  expect(await read(htmlReader, `${links('')}<p>text`)).toEqual({ blocks: [{ kind: 'text', text: 'text' }] })
  expect(await read(htmlReader, links(' tells all there is to know of it'))).toMatchObject({
    blocks: [{ kind: 'text' }],
  })
})

test('markdown: front matter off, headings of both kinds, code, tables, comments', async () => {
  const text = `---\ntitle: "The guide"\ntags: [a]\n---\n# One \`x\` [y](z) #\nsome\ntext\n\nTwo\n---\n<!-- not\nthis -->\n\`\`\`sh\n# no heading\n\`\`\`\n| a | b\\|c |\n|---|:-:|\n| 1 | 2 |\n\n- item\n- item\n\n---\nlast`
  expect(await read(markdownReader, text)).toEqual({
    title: 'The guide',
    blocks: [
      { kind: 'heading', level: 1, text: 'One x y' },
      { kind: 'text', text: 'some\ntext' },
      { kind: 'heading', level: 2, text: 'Two' },
      { kind: 'code', text: '# no heading' },
      { kind: 'table', table: { header: ['a', 'b|c'], rows: [['1', '2']] } },
      { kind: 'text', text: '- item\n- item' },
      { kind: 'text', text: 'last' },
    ],
  })
  expect(await read(markdownReader, '---\nno front matter\n---\n')).toEqual({
    blocks: [{ kind: 'heading', level: 2, text: 'no front matter' }],
  })
})
