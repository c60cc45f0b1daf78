// The fixes over @huggingface/tokenizers, against the examples in the Rust crate's own documentation and tests.

import { ByteLevelPreTokenizer, SplitPreTokenizer } from '@huggingface/tokenizers'
import { expect, test } from 'vitest'
import { llamaLike } from '../../test/tiny-tokenizers'
import { fixPreTokenizer, wordSplitter } from './tokenizer-fixes'

type SplitConfig = ConstructorParameters<typeof SplitPreTokenizer>[0]

const split = (behavior: SplitConfig['behavior'], invert = false, regex = '-') => {
  const config: SplitConfig = { type: 'Split', pattern: { Regex: regex }, behavior, invert }
  return fixPreTokenizer(new SplitPreTokenizer(config), config)?.pre_tokenize('the-final--countdown')
}

test('Split knows all behaviours (SplitDelimiterBehavior in the Rust crate)', () => {
  expect(split('Removed')).toEqual(['the', 'final', 'countdown'])
  expect(split('Isolated')).toEqual(['the', '-', 'final', '-', '-', 'countdown'])
  expect(split('MergedWithPrevious')).toEqual(['the-', 'final-', '-', 'countdown'])
  expect(split('MergedWithNext')).toEqual(['the', '-final', '-', '-countdown'])
  expect(split('Contiguous')).toEqual(['the', '-', 'final', '--', 'countdown'])
})

test('an inverted Split matches what the pattern does not', () => {
  expect(split('Removed', true, '[a-z]+')).toEqual(['the', 'final', 'countdown'])
  expect(split('Isolated', true, '[a-z]+')).toEqual(['the', '-', 'final', '--', 'countdown'])
})

test('words are cut only where no piece of the vocabulary crosses', () => {
  expect(wordSplitter(llamaLike().model)?.pre_tokenize('▁▁the▁end▁')).toEqual(['▁▁the', '▁end', '▁'])
  const { model } = llamaLike()
  expect(wordSplitter({ ...model, vocab: { ...model.vocab, 'the▁end': 999 } })).toBe(null)
  expect(wordSplitter({ ...model, byte_fallback: false })).toBe(null)
})

test("ByteLevel splits at Rust's white space: U+0085 is, U+FEFF is not", () => {
  const config = { type: 'ByteLevel' as const, add_prefix_space: false, trim_offsets: true, use_regex: true }
  const built = new ByteLevelPreTokenizer(config)
  const pieces = (text: string) => {
    const exact = fixPreTokenizer(built, config)!.pre_tokenize(text)
    return exact.map((piece) => piece.length)
  }
  // In bytes, as pre-tokenizers.ByteLevel of the Rust crate cuts them.
  expect(pieces('a\uFEFF!b')).toEqual([1, 4, 1])
  expect(pieces('a\u0085!b')).toEqual([1, 2, 1, 1])
  expect(pieces('a \uFEFF')).toEqual([1, 4])
})
