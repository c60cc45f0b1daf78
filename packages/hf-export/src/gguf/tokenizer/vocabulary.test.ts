// Tokenizers as GGUF metadata.
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { copyFile, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { byteLevelTokenizer, llama3Split, spmTokenizer } from '../../../test/gguf-models'
import { readPieces } from './sentence-piece-model'
import { readVocabulary } from './vocabulary'

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'jora-vocabulary-'))
})
afterEach(() => rmSync(folder, { recursive: true }))

const put = (name: string, value: unknown) =>
  writeFile(
    join(folder, name),
    value instanceof Uint8Array || typeof value === 'string' ? value : JSON.stringify(value),
  )

/** The metadata without "tokenizer.ggml.", and the notes. */
async function read(tokenizer: unknown, size = 300): Promise<Record<string, unknown> & { notes: readonly string[] }> {
  await put('tokenizer.json', tokenizer)
  const { metadata, notes } = await readVocabulary(folder, size)
  const short = [...metadata].map(([key, { value }]) => [key.replace(/^tokenizer\.(ggml\.)?/, ''), value])
  return { ...(Object.fromEntries(short) as Record<string, unknown>), notes }
}

const at = (value: unknown, ...ids: number[]) => ids.map((id) => (value as unknown[])[id])

/** A SentencePiece model: pieces with scores, as protobuf. */
function pieceModel(pieces: readonly (readonly [text: string, score: number])[]): Uint8Array {
  const field = (number: number, bytes: Uint8Array) => {
    const length = [bytes.length & 127, bytes.length >> 7].map((b, i, all) => (i === 0 && all[1]! > 0 ? b | 128 : b))
    return Buffer.concat([Buffer.of((number << 3) | 2, ...(bytes.length < 128 ? length.slice(0, 1) : length)), bytes])
  }
  const encoded = pieces.map(([text, score]) => {
    const number = Buffer.alloc(5)
    number[0] = (2 << 3) | 5
    number.writeFloatLE(score, 1)
    // Field 3, a varint, is the piece's type.
    return field(1, Buffer.concat([field(1, Buffer.from(text)), number, Buffer.of(3 << 3, 1)]))
  })
  return Buffer.concat([...encoded, field(2, Buffer.from('trainer settings'))])
}

describe('SentencePiece', () => {
  test('scores tokens by the merge that makes them, least the rest; kinds; unused ones to the model’s size', async () => {
    const v = await read(spmTokenizer())
    expect(v).toMatchObject({
      model: 'llama',
      pre: 'default',
      add_space_prefix: true,
      bos_token_id: 1,
      unknown_token_id: 0,
      add_bos_token: true,
      add_eos_token: false,
      notes: [],
    })
    // <unk> <s> byte ▁ a ▁t he ▁the on, then padding
    const ids = [0, 1, 68, 259, 260, 286, 287, 288, 295, 296, 299]
    expect(at(v.tokens, ...ids)).toEqual([
      '<unk>',
      '<s>',
      '<0x41>',
      '▁',
      'a',
      '▁t',
      'he',
      '▁the',
      'on',
      '[PAD296]',
      '[PAD299]',
    ])
    expect(at(v.scores, ...ids)).toEqual([-11, -11, -11, -11, -11, -0, -1, -2, -9, -11, -11])
    expect(at(v.token_type, ...ids)).toEqual([2, 3, 6, 1, 1, 1, 1, 1, 1, 5, 5])
  })

  test('takes scores from tokenizer.model where its pieces are the same', async () => {
    const tokenizer = spmTokenizer() as { model: { vocab: Record<string, number> } }
    const pieces = Object.entries(tokenizer.model.vocab).map(([text, id]) => [text, -id / 2] as const)
    await put('tokenizer.model', pieceModel(pieces))
    const v = await read(tokenizer)
    expect(at(v.scores, 1, 68, 287, 299)).toEqual([-1000, -34, -143.5, -1000])
    await put('tokenizer.model', pieceModel(pieces.map(([text, score]) => [text === 'he' ? 'eh' : text, score])))
    const other = await read(tokenizer)
    expect(other.notes).toEqual(['tokenizer.model has other pieces than tokenizer.json, which alone was used'])
    expect(at(other.scores, 287)).toEqual([-1])
    await put('tokenizer.model', 'no protobuf')
    await expect(read(tokenizer)).rejects.toThrow(/tokenizer\.model is not a SentencePiece model: /)
  })

  test('knows both ways of saying that a space goes first, and of writing merges', async () => {
    const { normalizer: _, ...rest } = spmTokenizer() as { normalizer: unknown; model: { merges: string[] } }
    const metaspace = (prepend_scheme: string) => ({
      type: 'Metaspace',
      replacement: '▁',
      prepend_scheme,
      split: false,
    })
    expect(await read({ ...rest, pre_tokenizer: metaspace('first') })).toMatchObject({ add_space_prefix: true })
    expect(await read({ ...rest, pre_tokenizer: metaspace('never') })).toMatchObject({ add_space_prefix: false })
    expect(await read(spmTokenizer({ prefix: false }))).toMatchObject({ add_space_prefix: false })
    const pairs = { ...rest.model, merges: rest.model.merges.map((merge) => merge.split(' ')) }
    expect((await read({ ...rest, model: pairs })).scores).toEqual((await read(spmTokenizer())).scores)
  })

  test('marks control tokens that say so by their look, and gives text spaces for ▁', async () => {
    const tokenizer = spmTokenizer() as { added_tokens: object[] }
    const extra = ['<unused3>', '<|im_end|>', '▁▁', '<b>'].map((content, i) => ({
      id: 296 + i,
      content,
      special: false,
    }))
    const v = await read({ ...tokenizer, added_tokens: [...tokenizer.added_tokens, ...extra] })
    expect(at(v.tokens, 296, 297, 298, 299)).toEqual(['<unused3>', '<|im_end|>', '  ', '<b>'])
    expect(at(v.token_type, 296, 297, 298, 299)).toEqual([3, 3, 4, 4])
    expect((await read(tokenizer, 290)).notes).toEqual(["6 tokens past the model's vocabulary of 290 were left out"])
  })

  test('says when llama.cpp would join what no merge joins', async () => {
    const { model, ...rest } = spmTokenizer() as { model: { vocab: Record<string, number>; merges: string[] } }
    // By merges b c goes first and "abc" is never made of a + bc; by scores it is.
    const merges = [...model.merges, 'b c', 'a b', 'ab c']
    const vocab = { ...model.vocab, bc: 296, ab: 297, abc: 298 }
    const v = await read({ ...rest, model: { ...model, vocab, merges } })
    expect(v.notes).toEqual([expect.stringMatching(/^llama\.cpp may cut words otherwise .* e\.g\. "abc"$/)])
  })
})

describe('byte-level BPE', () => {
  test('has merges, the name of its pre-tokenizer and no scores', async () => {
    const v = await read(byteLevelTokenizer())
    expect(v).toMatchObject({ model: 'gpt2', pre: 'llama-bpe', merges: ['Ġ t', 'h e', 'Ġt he', 'a n'], notes: [] })
    expect(v).toMatchObject({ bos_token_id: 260, add_bos_token: true, add_eos_token: false }) // by the template
    expect(v.scores).toBeUndefined()
    expect(at(v.tokens, 0, 32, 65, 258, 260)).toEqual(['Ā', 'Ġ', 'A', 'Ġthe', '<|begin|>'])
    expect(at(v.token_type, 258, 260, 262)).toEqual([1, 3, 5])
  })

  test.each([
    [
      'qwen2',
      [
        { type: 'Split', pattern: { Regex: llama3Split.replace('{1,3}', '') }, behavior: 'Isolated' },
        { type: 'ByteLevel', use_regex: false },
      ],
    ],
    ['gpt-2', [{ type: 'ByteLevel', add_prefix_space: false }]],
    [
      'smollm',
      [
        { type: 'Digits', individual_digits: true },
        { type: 'ByteLevel', add_prefix_space: false, use_regex: true },
      ],
    ],
  ])('%s', async (name, pretokenizers) => {
    expect(await read({ ...byteLevelTokenizer(), pre_tokenizer: { type: 'Sequence', pretokenizers } })).toMatchObject({
      pre: name,
    })
  })

  test('with another way of cutting words is refused', async () => {
    await expect(read(byteLevelTokenizer('\\w+'))).rejects.toThrow(
      /pre-tokenizer, split \\w\+; known are llama-bpe, qwen2, /,
    )
    const spaced = { type: 'ByteLevel', add_prefix_space: true }
    await expect(read({ ...byteLevelTokenizer(), pre_tokenizer: spaced })).rejects.toThrow(/no counterpart/)
  })
})

describe('special tokens and templates', () => {
  test('come from tokenizer_config.json, else the post-processor, else config.json', async () => {
    await put('config.json', { bos_token_id: 260, eos_token_id: [261, 5] })
    expect(await read(byteLevelTokenizer())).toMatchObject({
      bos_token_id: 260,
      eos_token_id: 261,
      add_bos_token: true,
    })
    await put('special_tokens_map.json', { bos_token: '<|end|>', pad_token: '<|end|>' })
    await put('tokenizer_config.json', {
      bos_token: { content: '<|begin|>' },
      eos_token: '<|end|>',
      add_bos_token: false,
      add_eos_token: true,
    })
    expect(await read(byteLevelTokenizer())).toMatchObject({
      bos_token_id: 260,
      eos_token_id: 261,
      padding_token_id: 261,
      add_bos_token: false,
      add_eos_token: true,
    })
    const { post_processor: _, ...without } = byteLevelTokenizer()
    await put('tokenizer_config.json', {})
    expect(await read(without)).not.toHaveProperty('add_bos_token')
  })

  test('the chat template is that of chat_template.jinja, else of tokenizer_config.json', async () => {
    expect(await read(spmTokenizer())).not.toHaveProperty('chat_template')
    await put('tokenizer_config.json', {
      chat_template: [
        { name: 'tool', template: 't' },
        { name: 'default', template: 'd' },
      ],
    })
    expect(await read(spmTokenizer())).toMatchObject({ chat_template: 'd' })
    await put('tokenizer_config.json', { chat_template: 'c' })
    expect(await read(spmTokenizer())).toMatchObject({ chat_template: 'c' })
    await put('chat_template.jinja', 'j')
    expect(await read(spmTokenizer())).toMatchObject({ chat_template: 'j' })
  })
})

const llama2 = join(
  process.env.JORA_SHARED ?? join(import.meta.dirname, '../../../../../../shared'),
  'tokenizers/llama2',
)

describe.skipIf(!existsSync(llama2))('the true vocabulary of Llama 2 (needs ../shared)', () => {
  test('has by its merges the order of scores that its tokenizer.model has', async () => {
    await copyFile(join(llama2, 'tokenizer.json'), join(folder, 'tokenizer.json'))
    const { readFile } = await import('node:fs/promises')
    const pieces = readPieces(await readFile(join(llama2, 'tokenizer.model')), 'tokenizer.model')
    expect(pieces).toHaveLength(32_000)
    const { metadata, notes } = await readVocabulary(folder, 32_000)
    expect(notes).toEqual([])
    const scores = metadata.get('tokenizer.ggml.scores')!.value as readonly number[]
    const made = pieces.flatMap((piece, id) =>
      scores[id]! > Math.min(...scores.slice(0, 3)) ? [{ ...piece, derived: scores[id]! }] : [],
    )
    expect(made.length).toBeGreaterThan(25_000)
    const order = (key: 'score' | 'derived') => made.toSorted((a, b) => b[key] - a[key]).map(({ text }) => text)
    expect(order('derived')).toEqual(order('score'))
  })
})
