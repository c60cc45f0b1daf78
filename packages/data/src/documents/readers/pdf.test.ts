// PDFs: order of columns, broken words, running heads, code, pages; what is not text is named.

import { createCipheriv, createHash } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { allOf, lines, pdfOf } from '../../../test/archives'
import { blocksText, type Block } from '../blocks'
import { pdfReader } from './pdf'

async function* bytesOf(file: Uint8Array) {
  yield file.subarray(0, 100)
  yield file.subarray(100)
}

async function read(file: Uint8Array): Promise<readonly Block[]> {
  const [content] = await allOf(pdfReader.read(bytesOf(file), 'x.pdf'))
  if (content === undefined || !('blocks' in content)) throw new Error('no blocks')
  return content.blocks
}

const left = [
  'The left column tells of the first',
  'matter and of nothing else, in so',
  'many lines that nobody would take',
  'them for cells of a table, and it',
  'goes on for a while in the same',
  'way until it ends with a well-',
  'known word that a line has broken',
  'as type-',
  'setters do.',
]
const right = [
  'The right column is drawn before',
  'the left one, as some programs do',
  'it, and has to be read after it all',
  'the same, whatever the order of',
  'the drawing was, and it goes on',
  'until it has as many lines as are',
  'needed to be a column of prose.',
]

describe('pdf', () => {
  test('two columns are read one after the other below what spans both, whatever order they are drawn in', async () => {
    const title = { text: 'A title that runs across both of the columns of the page', x: 72, y: 720, size: 18 }
    const blocks = await read(pdfOf([[...lines(right, 330, 690), ...lines(left, 72, 690), title]]))
    expect(blocks[0]).toMatchObject({ kind: 'heading', level: 1, text: title.text, page: 1 })
    const text = blocksText(blocks)
    expect(text.indexOf('The left column')).toBeLessThan(text.indexOf('typesetters do.'))
    expect(text.indexOf('typesetters do.')).toBeLessThan(text.indexOf('The right column'))
    expect(text).toContain('needed to be a column of prose.')
  })

  test('a hyphen at the end of a line goes, unless the word is written with it elsewhere', async () => {
    const blocks = await read(
      pdfOf([
        lines(
          ['a well-known thing and a well-', 'known word in a manu-', 'script of NATO-', 'Members, DIS-', 'CLAIMED.'],
          72,
          700,
        ),
      ]),
    )
    expect(blocks).toEqual([
      {
        kind: 'text',
        text: 'a well-known thing and a well-known word in a manuscript of NATO-Members, DISCLAIMED.',
        page: 1,
      },
    ])
  })

  test('running heads, page numbers and lines of dots go; a paragraph goes on over the page', async () => {
    const pages = [1, 2, 3, 4].map((n) => [
      { text: `Handbook of things, ${n}`, x: 72, y: 760 },
      { text: `${n}`, x: 300, y: 30 },
      { text: `1.${n} Chapter . . . . . . . . . . ${n}`, x: 72, y: 500 },
      ...lines([`Page ${n} says something that`, n === 2 ? 'goes on over the end of it, and' : 'ends here.'], 72, 600),
    ])
    pages[2] = [...pages[2]!.slice(0, 3), ...lines(['so it is one sentence, told in two', 'pages.'], 72, 600)]
    const blocks = await read(pdfOf(pages))
    expect(blocks).toEqual([
      { kind: 'text', text: 'Page 1 says something that ends here.', page: 1 },
      {
        kind: 'text',
        text: 'Page 2 says something that goes on over the end of it, and so it is one sentence, told in two pages.',
        page: 2,
      },
      { kind: 'text', text: 'Page 4 says something that ends here.', page: 4 },
    ])
  })

  test('code keeps its lines, a table its cells', async () => {
    const code = [
      { text: 'if (x) {', x: 72, y: 650, fixed: true as const },
      { text: 'run(x);', x: 96, y: 638, fixed: true as const },
      { text: '}', x: 72, y: 626, fixed: true as const },
    ]
    const table = [
      ['Name', 'Size', 'Kind'],
      ['alpha', '10', 'letter'],
      ['beta', '20', 'letter'],
      ['gamma', '35', 'letter'],
    ].flatMap((row, i) => row.map((text, j) => ({ text, x: 72 + 100 * j, y: 580 - 12 * i })))
    const blocks = await read(pdfOf([[...lines(['Text in front of it.'], 72, 700), ...code, ...table]]))
    expect(blocks).toEqual([
      { kind: 'text', text: 'Text in front of it.', page: 1 },
      { kind: 'code', text: 'if (x) {\n    run(x);\n}', page: 1 },
      {
        kind: 'table',
        table: {
          header: ['Name', 'Size', 'Kind'],
          rows: [
            ['alpha', '10', 'letter'],
            ['beta', '20', 'letter'],
            ['gamma', '35', 'letter'],
          ],
        },
        page: 1,
      },
    ])
  })

  test('three narrow columns of commands are read one after the other; a table with as many cells is one table', async () => {
    const columns = ['file', 'edit', 'view'].map((menu, c) =>
      Array.from({ length: 18 }, (_, i) => [
        { text: `${menu}${i}`, x: 40 + 190 * c, y: 740 - 12.5 * i - 3.7 * c },
        { text: `does ${menu} ${i}`, x: 100 + 190 * c, y: 740 - 12.5 * i - 3.7 * c },
      ]),
    )
    const [table] = await read(pdfOf([columns.flat(2)]))
    const rowsOf = (menu: string) => Array.from({ length: 18 }, (_, i) => [`${menu}${i}`, `does ${menu} ${i}`])
    expect(table).toMatchObject({ kind: 'table', table: { header: ['file0', 'does file 0'] } })
    const card = blocksText(await read(pdfOf([columns.flat(2)])))
    const places = ['file', 'edit', 'view'].flatMap(rowsOf).map(([name]) => card.indexOf(`| ${name} |`))
    expect(places).toEqual(places.toSorted((a, b) => a - b))
    expect(places[0]).toBeGreaterThanOrEqual(0)

    const aligned = columns.flatMap((column, c) => column.flat().map((cell) => ({ ...cell, y: cell.y + 3.7 * c })))
    const [one, ...others] = await read(pdfOf([aligned]))
    expect(others).toEqual([])
    expect(one).toMatchObject({
      kind: 'table',
      table: { header: ['file0', 'does file 0', 'edit0', 'does edit 0', 'view0', 'does view 0'] },
    })
  })

  test('a scanned PDF, an encrypted one, and what is none are named', async () => {
    await expect(read(pdfOf([[], []]))).rejects.toThrow(
      'x.pdf: is scanned: its 2 pages are pictures without text; run a text recognition such as ocrmypdf first',
    )
    await expect(read(Buffer.from(`%PDF-1.4\n${'x'.repeat(200)}`))).rejects.toThrow(
      'x.pdf: is not a PDF that can be read',
    )
    await expect(read(encrypted(pdfOf([lines(['secret'], 72, 700)])))).rejects.toThrow(
      'x.pdf: is encrypted with a password; save it without one',
    )
  })
})

/** The same with a password that is not empty: an /Encrypt entry of revision 2 is enough to be asked for it. */
function encrypted(pdf: Buffer): Buffer {
  const key = createHash('md5').update('owner').digest().subarray(0, 5)
  const filled = createCipheriv('aes-128-ecb', Buffer.concat([key, Buffer.alloc(11)]), null)
    .update(Buffer.alloc(32))
    .toString('hex')
  const entry = `/Encrypt << /Filter /Standard /V 1 /R 2 /P -4 /O <${filled.slice(0, 64)}> /U <${filled.slice(0, 64)}> >> /ID [<00> <00>] `
  return Buffer.from(pdf.toString('latin1').replace('trailer\n<< ', `trailer\n<< ${entry}`), 'latin1')
}
