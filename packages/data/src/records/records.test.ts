// The one reader of JSON and JSONL: the same records however the text is cut, and what is refused rather than altered.

import { expect, test } from 'vitest'
import { JsonNumber } from './json'
import { parseJson } from './json-text'
import { itemsOf, RecordReader, type RecordItem } from './records'

const told = (item: RecordItem) => ('error' in item ? item.error.message : item.value)
const read = (text: string) => [...itemsOf(text, 'f')].map(told)

/** The text in pieces of `size` characters. */
function readInPieces(text: string, size: number) {
  const reader = new RecordReader('f')
  const items: RecordItem[] = []
  for (let i = 0; i < text.length; i += size) items.push(...reader.push(text.slice(i, i + size)))
  return [...items, ...reader.end()].map(told)
}

const texts = [
  '{"a":1}\n\n{"a":"x\\"}"}\r\n{"a":[1,{"b":"]"}]}',
  '{"a":1}\r{"a":2}\r\n{"a":3}\r',
  '\uFEFF [ {"a":"[,]"} , [1,[2]],"x,\\\\", 3 ]\n',
  '[\n{"a":1}\n{"b":2}]',
  '[{"a":1},]',
  '[{"a":1}',
  '[{"a":1}] 2',
  '[]',
  '{\n "a": 1,\n "b": [\n  2 ]\n}\n',
  '{"a":1}\nnot\n{"a":2}\n{"a":',
  '{\n "a": 1,\n "b": }\n',
  '{"a":"😀 \\ud83d\\ude00"}',
]

test.each(texts)('%j has the same records in pieces of any size', (text) => {
  const whole = read(text)
  // What follows a broken element is shown as far as it is known.
  const short = (items: unknown[]) => items.map((item) => (typeof item === 'string' ? item.replace(/".*/s, '') : item))
  for (const size of [1, 2, 3, 7]) expect(short(readInPieces(text, size))).toEqual(short(whole))
})

test('records, and what is wrong between them', () => {
  expect(texts.map(read)).toMatchInlineSnapshot(`
    [
      [
        {
          "a": 1,
        },
        {
          "a": "x"}",
        },
        {
          "a": [
            1,
            {
              "b": "]",
            },
          ],
        },
      ],
      [
        {
          "a": 1,
        },
        {
          "a": 2,
        },
        {
          "a": 3,
        },
      ],
      [
        {
          "a": "[,]",
        },
        [
          1,
          [
            2,
          ],
        ],
        "x,\\",
        3,
      ],
      [
        "f: line 3: broken JSON: unexpected "{\\"b\\":2}]"",
      ],
      [
        {
          "a": 1,
        },
        "f: line 1: broken JSON: unexpected "]"",
      ],
      [
        "f: line 1: broken JSON: it ends too early",
      ],
      [
        {
          "a": 1,
        },
        "f: line 1: broken JSON: unexpected "2"",
      ],
      [],
      [
        {
          "a": 1,
          "b": [
            2,
          ],
        },
      ],
      [
        {
          "a": 1,
        },
        "f: line 2: broken JSON: unexpected "not"",
        {
          "a": 2,
        },
        "f: line 4: broken JSON: it ends too early",
      ],
      [
        "f: line 3: broken JSON: unexpected "}"",
      ],
      [
        {
          "a": "😀 😀",
        },
      ],
    ]
  `)
})

test('a key twice in one object is refused, not the last one taken; the same key in two objects is fine', () => {
  expect(read('{"output":"b","output":"c"}\n{"m":[{"a":1},{"a":2}]}')).toEqual([
    'f: row 1 (line 1): "output": occurs twice in one object; expected it once',
    { m: [{ a: 1 }, { a: 2 }] },
  ])
})

test('halves of surrogate pairs and NUL are refused, with their row and key; whole pairs are text', () => {
  expect(
    read(
      [
        '{"a":"\\ud83d\\ude00 ok"}',
        '{"a":{"b":["x","cut \\ud83d"]}}',
        '{"a":"\\ude00 cut"}',
        '{"a":"b\\u0000c"}',
        '{"\\ud83d":1}',
        '{"a":"\\\\u0000"}',
      ].join('\n'),
    ),
  ).toMatchInlineSnapshot(`
    [
      {
        "a": "😀 ok",
      },
      "f: row 2 (line 2): "a.b[1]": holds half a surrogate pair (U+D83D), as of an emoji that was cut in two; expected text",
      "f: row 3 (line 3): "a": holds half a surrogate pair (U+DE00), as of an emoji that was cut in two; expected text",
      "f: row 4 (line 4): "a": holds the character NUL (U+0000); expected text",
      "f: row 5 (line 5): a key that is not text",
      {
        "a": "\\u0000",
      },
    ]
  `)
})

test('a key that is called as the prototype is a key', () => {
  const value = parseJson('{"__proto__":{"x":1},"constructor":2}') as object
  expect(Object.keys(value)).toEqual(['__proto__', 'constructor'])
  expect((value as { x?: unknown }).x).toBeUndefined()
})

test('numbers keep the characters of the file where they are asked for', () => {
  const source = '[12345678901234567890, 9007199254740993, 19.90, 1.0, 1e3, 0.0000001, -0.0, 7, -2.5]'
  const values = parseJson(source, { numbers: 'source' }) as (number | JsonNumber)[]
  expect(values.map((value) => (value instanceof JsonNumber ? value.source : String(value))).join(', ')).toBe(
    source.slice(1, -1),
  )
  expect(values.filter((value) => typeof value === 'number')).toEqual([7, -2.5])
  expect(parseJson(source)).toEqual(JSON.parse(source))
  for (const number of ['007', '+1', '0x10', '.5', 'NaN', 'Infinity', '1_000'])
    expect(read(`{"a":${number}}`)[0]).toMatch(/^f: line 1: broken JSON: unexpected/)
})

test('a million brackets end in an error, not in the stack', () => {
  expect(read('['.repeat(1_000_000))[0]).toMatch(/broken JSON/)
  expect(read('{"a":'.repeat(1_000_000))[0]).toMatch(/broken JSON/)
})
