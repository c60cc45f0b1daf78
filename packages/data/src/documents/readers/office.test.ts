// Archives of documents: DOCX, XLSX, PPTX and EPUB, and the archives that are refused.

import { describe, expect, test } from 'vitest'
import { allOf, zipOf } from '../../../test/archives'
import type { Content, Reader, Unread } from './reader'
import { docxReader } from './docx'
import { epubReader } from './epub'
import { pptxReader } from './pptx'
import { xlsxReader } from './xlsx'

async function* bytesOf(file: Uint8Array) {
  yield file
}

const read = (reader: Reader, file: Uint8Array): Promise<(Content | Unread)[]> => allOf(reader.read(bytesOf(file), 'x'))

const relations = (targets: Readonly<Record<string, string>>, type = 'x') =>
  `<Relationships>${Object.entries(targets)
    .map(([id, target]) => `<Relationship Id="${id}" Type="http://x/${type}" Target="${target}"/>`)
    .join('')}</Relationships>`

const p = (text: string, format = '') =>
  `<w:p><w:pPr>${format}</w:pPr><w:r><w:t xml:space="preserve">${text}</w:t></w:r></w:p>`
const style = (name: string) => `<w:pStyle w:val="${name}"/>`
const item = (level: number, list = 1) => `<w:numPr><w:ilvl w:val="${level}"/><w:numId w:val="${list}"/></w:numPr>`
const cell = (text: string, format = '') => `<w:tc><w:tcPr>${format}</w:tcPr>${p(text)}</w:tc>`
const word = (body: string, more: Readonly<Record<string, string>> = {}) =>
  zipOf({
    'word/document.xml': `<w:document><w:body>${body}</w:body></w:document>`,
    'word/styles.xml': `<w:styles><w:style w:styleId="berschrift1"><w:name w:val="heading 1"/></w:style></w:styles>`,
    'docProps/core.xml': '<cp:coreProperties><dc:title>A report</dc:title></cp:coreProperties>',
    ...more,
  })

describe('docx', () => {
  test('headings by style, lists, tables with cells over several, footnotes; deleted text goes', async () => {
    const file = word(
      [
        p('Results', style('berschrift1')),
        `<w:p><w:r><w:t>It &lt;works</w:t></w:r><w:del><w:r><w:t>not</w:t></w:r></w:del><w:r><w:footnoteReference w:id="2"/></w:r><w:ins><w:r><w:t xml:space="preserve"> well.</w:t></w:r></w:ins></w:p>`,
        p('one', item(0)),
        p('two', item(1)),
        `<w:tbl><w:tr>${cell('a')}${cell('b')}</w:tr><w:tr>${cell('c', '<w:vMerge w:val="restart"/>')}${cell('d')}</w:tr><w:tr>${cell('', '<w:vMerge/>')}${cell('e')}</w:tr></w:tbl>`,
      ].join(''),
      { 'word/footnotes.xml': `<w:footnotes><w:footnote w:id="2">${p('Mostly.')}</w:footnote></w:footnotes>` },
    )
    expect(await read(docxReader, file)).toEqual([
      {
        title: 'A report',
        blocks: [
          { kind: 'heading', level: 1, text: 'Results' },
          { kind: 'text', text: 'It <works[1] well.' },
          { kind: 'text', text: '[1] Mostly.' },
          { kind: 'text', text: '- one\n  - two' },
          {
            kind: 'table',
            table: {
              header: ['a', 'b'],
              rows: [
                ['c', 'd'],
                ['c', 'e'],
              ],
            },
          },
        ],
      },
    ])
  })

  test('numbered lists have their numbers: counted on by lists of one kind, anew where a list says so', async () => {
    const level = (n: number, format: string) =>
      `<w:lvl w:ilvl="${n}"><w:start w:val="1"/><w:numFmt w:val="${format}"/></w:lvl>`
    const numbering = [
      `<w:abstractNum w:abstractNumId="0">${level(0, 'decimal')}${level(1, 'lowerLetter')}</w:abstractNum>`,
      `<w:abstractNum w:abstractNumId="1">${level(0, 'bullet')}${level(1, 'upperLetter')}</w:abstractNum>`,
      ...[1, 2, 3].map((n) => {
        const anew = n === 3 ? '<w:lvlOverride w:ilvl="0"><w:startOverride w:val="1"/></w:lvlOverride>' : ''
        return `<w:num w:numId="${n}"><w:abstractNumId w:val="0"/>${anew}</w:num>`
      }),
      '<w:num w:numId="4"><w:abstractNumId w:val="1"/></w:num>',
    ]
    const body = [
      [
        p('one', item(0)),
        p('of it', item(1)),
        p('and more', item(1)),
        p('two', item(0)),
        p('of that', item(1)),
        p('a text'),
      ],
      [
        p('three', item(0, 2)),
        p('point', item(0, 4)),
        p('of it', item(1, 4)),
        p('no item', item(0, 0)),
        p('first', item(0, 3)),
        p('second', item(0, 3)),
      ],
    ]
    const [content] = await read(
      docxReader,
      word(body.flat().join(''), { 'word/numbering.xml': `<w:numbering>${numbering.join('')}</w:numbering>` }),
    )
    const texts = [
      '1. one\n  a. of it\n  b. and more\n2. two\n  a. of that',
      'a text',
      '3. three\n- point\n  A. of it',
      'no item',
      '1. first\n2. second',
    ]
    expect(content).toEqual({ title: 'A report', blocks: texts.map((text) => ({ kind: 'text', text })) })
  })

  test.each<[string, Uint8Array, string]>([
    ['a zip bomb', bomb(), 'unpacks to more than 256 MB'],
    ['encrypted entries', zipOf({ 'word/document.xml': 'x' }, { encrypted: true }), 'is encrypted with a password'],
    [
      'an OLE container',
      Buffer.from('d0cf11e0a1b11ae1', 'hex'),
      'is encrypted with a password, or of the format that Office had before 2007',
    ],
    ['text', Buffer.from('hello'), 'is not a zip archive'],
    ['half a file', word(p('x'.repeat(5000))).subarray(0, 300), 'is damaged: an archive without its end'],
    ['another kind', zipOf({ a: 'b' }), 'is not a Word document: it holds no word/document.xml'],
    [
      'entities of other files',
      zipOf({
        'word/document.xml': '<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]><w:document>&e;</w:document>',
      }),
      'declares entities of its own',
    ],
    ['what nests without end', word('<w:sdt>'.repeat(5000)), 'its elements are nested deeper than 2000'],
  ])(
    '%s is refused',
    async (_, file, problem) => {
      await expect(read(docxReader, file)).rejects.toThrow(problem)
    },
    30_000,
  )
})

/** 260 MB of spaces in 260 kB. */
const bomb = () => zipOf({ 'word/document.xml': Buffer.alloc(260 * 2 ** 20, 32) })

describe('xlsx', () => {
  test('a table a sheet: shared and inline texts, dates, results of formulas, gaps', async () => {
    const file = zipOf({
      'xl/workbook.xml':
        '<workbook><sheets><sheet name="Sales" r:id="r1"/><sheet name="Empty" r:id="r2"/></sheets></workbook>',
      'xl/_rels/workbook.xml.rels': relations({ r1: 'worksheets/sheet1.xml', r2: '/xl/worksheets/sheet2.xml' }),
      'xl/sharedStrings.xml':
        '<sst><si><t>day</t></si><si><r><t>tot</t></r><r><t>al</t></r><rPh><t>x</t></rPh></si></sst>',
      'xl/styles.xml':
        '<styleSheet><numFmts><numFmt numFmtId="170" formatCode="yyyy\\-mm"/></numFmts><cellXfs><xf numFmtId="0"/><xf numFmtId="14"/></cellXfs></styleSheet>',
      'xl/worksheets/sheet1.xml':
        '<worksheet><sheetData><row r="1"><c r="A1" t="s"><v>0</v></c><c r="C1" t="s"><v>1</v></c></row><row r="3"><c r="A3" s="1"><v>45292.5</v></c><c r="B3" t="inlineStr"><is><t>note</t></is></c><c r="C3"><f>1+2</f><v>0.30000000000000004</v></c></row></sheetData></worksheet>',
      'xl/worksheets/sheet2.xml': '<worksheet><sheetData/></worksheet>',
    })
    expect(await read(xlsxReader, file)).toEqual([
      {
        row: 1,
        part: 'Sales',
        title: 'Sales',
        table: { header: ['day', '', 'total'], rows: [['2024-01-01 12:00:00', 'note', '0.3']] },
      },
    ])
  })

  test('a sheet that is as large as it can be and empty is refused', async () => {
    const rows = Array.from({ length: 400 }, (_, i) => `<row><c r="XFD${i + 1}"><v>1</v></c></row>`).join('')
    const file = zipOf({
      'xl/workbook.xml': '<workbook><sheets><sheet name="S" r:id="r1"/></sheets></workbook>',
      'xl/_rels/workbook.xml.rels': relations({ r1: 'worksheets/sheet1.xml' }),
      'xl/worksheets/sheet1.xml': `<worksheet><sheetData>${rows}</sheetData></worksheet>`,
    })
    await expect(read(xlsxReader, file)).rejects.toThrow('x: a sheet has more than 5000000 cells')
  })
})

test('pptx: slides in their order, title first, tables and notes', async () => {
  const shape = (text: string, place: string) =>
    `<p:sp><p:nvSpPr><p:nvPr><p:ph type="${place}"/></p:nvPr></p:nvSpPr><p:txBody>${text
      .split('|')
      .map((line) => `<a:p><a:r><a:t>${line}</a:t></a:r></a:p>`)
      .join('')}</p:txBody></p:sp>`
  const file = zipOf({
    'ppt/presentation.xml':
      '<p:presentation><p:sldIdLst><p:sldId r:id="r2"/><p:sldId r:id="r1"/></p:sldIdLst></p:presentation>',
    'ppt/_rels/presentation.xml.rels': relations({ r1: 'slides/slide1.xml', r2: 'slides/slide2.xml' }),
    'ppt/slides/slide1.xml': `<p:sld>${shape('12', 'sldNum')}<a:tbl><a:tr><a:tc><a:p><a:r><a:t>k</a:t></a:r></a:p></a:tc></a:tr><a:tr><a:tc><a:p><a:r><a:t>v</a:t></a:r></a:p></a:tc></a:tr></a:tbl></p:sld>`,
    'ppt/slides/slide2.xml': `<p:sld>${shape('First|point', 'body')}${shape('Start', 'title')}</p:sld>`,
    'ppt/slides/_rels/slide2.xml.rels': relations({ n: '../notesSlides/n1.xml' }, 'notesSlide'),
    'ppt/notesSlides/n1.xml': `<p:notes>${shape('Say hello', 'body')}</p:notes>`,
  })
  expect(await read(pptxReader, file)).toEqual([
    {
      blocks: [
        { kind: 'heading', level: 2, text: 'Start', page: 1 },
        { kind: 'text', text: 'First\npoint', page: 1 },
        { kind: 'text', text: 'Say hello', page: 1 },
        { kind: 'table', table: { header: ['k'], rows: [['v']] }, page: 2 },
      ],
    },
  ])
})

describe('epub', () => {
  const book = (more: Readonly<Record<string, string>> = {}) =>
    zipOf({
      'META-INF/container.xml': '<container><rootfiles><rootfile full-path="OEBPS/book.opf"/></rootfiles></container>',
      'OEBPS/book.opf':
        '<package><metadata><dc:title>A  tale</dc:title></metadata><manifest><item id="b" href="two%20b.xhtml"/><item id="a" href="one.xhtml"/><item id="n" href="nav.xhtml" properties="nav"/></manifest><spine><itemref idref="n"/><itemref idref="a"/><itemref idref="b"/></spine></package>',
      'OEBPS/one.xhtml':
        '<!DOCTYPE html><html><head><title/></head><body><h1>One</h1><p>It&nbsp;begins.<a id="x"/></p></body></html>',
      'OEBPS/two b.xhtml': '<html><body><p>It ends.</p></body></html>',
      'OEBPS/nav.xhtml': '<html><body><p>Contents</p></body></html>',
      ...more,
    })

  test('chapters in the order of the book, its contents left out', async () => {
    expect(await read(epubReader, book())).toEqual([
      {
        title: 'A tale',
        blocks: [
          { kind: 'heading', level: 1, text: 'One' },
          { kind: 'text', text: 'It begins.' },
          { kind: 'text', text: 'It ends.' },
        ],
      },
    ])
  })

  test('a book that its seller locked is refused, locked fonts are nobody’s business', async () => {
    const lock = (uri: string) => ({
      'META-INF/encryption.xml': `<encryption><CipherReference URI="${uri}"/></encryption>`,
    })
    await expect(read(epubReader, book(lock('OEBPS/one.xhtml')))).rejects.toThrow('x: is encrypted by its seller')
    expect(await read(epubReader, book(lock('OEBPS/font.ttf')))).toHaveLength(1)
  })
})
