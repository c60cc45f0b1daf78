// Counts by words equal those of whole texts.

import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { llamaLike } from '../../test/tiny-tokenizers'
import { loadTokenizer } from '../rows/files'
import { createTokenizer } from './tokenizer'
import { TokenCounter } from './token-counter'

const texts = [
  'The old house. It is red, and big!',
  '  two spaces  and\nlines\n\n and a tab\there ',
  'Ünïcode wörds, 東京 and 서울은 — "quoted" (so) 12 34.5',
  'a b c',
  '',
  ' lead',
]

test.each([
  ['SentencePiece', () => Promise.resolve(createTokenizer(llamaLike()))],
  [
    'the bundled model',
    () => loadTokenizer(fileURLToPath(new URL('../../../../apps/cli/assets/tiny-llama', import.meta.url))),
  ],
])('%s', async (_, load) => {
  const tokenizer = await load()
  const counter = new TokenCounter(tokenizer)
  for (let round = 0; round < 30; round++)
    for (const text of texts) {
      const long = `${text} ${texts[round % texts.length]!}`
      expect(counter.count(long)).toBe(tokenizer.encode(long, { addBos: false }).length)
      const [part, from] = [counter.of(long), round % 9]
      for (let to = from; to <= long.length; to += 3)
        expect(part(from, to)).toBe(tokenizer.encode(long.slice(from, to), { addBos: false }).length)
    }
})

test('a tokenizer that joins words is asked for whole texts', () => {
  // One token for each three letters, wherever words end.
  const encode = (text: string) => Array.from({ length: Math.ceil(text.length / 3) }, () => 0)
  const counter = new TokenCounter({ encode })
  for (let i = 0; i < 200; i++) expect(counter.count('ab cd ef gh ij')).toBe(5)
})
