// Small tokenizer.json contents in the manner of Llama 2 (SentencePiece-style) and Llama 3 (byte level), for tests.

const CHARACTERS = [...'▁abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.,:;!?#']

const special = (id: number, content: string) => ({ id, content, special: true, normalized: false })

function vocabulary(tokens: readonly string[]): Record<string, number> {
  return Object.fromEntries(tokens.map((token, id) => [token, id]))
}

/** <unk> 0, <s> 1, </s> 2, the bytes from 3, then characters and a few words. */
export const llamaLike = () => {
  const merges = ['h e', '▁ t', '▁t he', '▁ a', 'l l', 'he ll', 'hell o', '▁ hello']
  const bytes = Array.from({ length: 256 }, (_, byte) => `<0x${byte.toString(16).toUpperCase().padStart(2, '0')}>`)
  const words = merges.map((merge) => merge.replace(' ', ''))
  return {
    added_tokens: [special(0, '<unk>'), special(1, '<s>'), special(2, '</s>')],
    normalizer: {
      type: 'Sequence',
      normalizers: [
        { type: 'Prepend', prepend: '▁' },
        { type: 'Replace', pattern: { String: ' ' }, content: '▁' },
      ],
    },
    pre_tokenizer: null as unknown,
    post_processor: {
      type: 'TemplateProcessing',
      single: [{ SpecialToken: { id: '<s>', type_id: 0 } }, { Sequence: { id: 'A', type_id: 0 } }],
      pair: [],
      special_tokens: { '<s>': { id: '<s>', ids: [1], tokens: ['<s>'] } },
    } as unknown,
    decoder: {
      type: 'Sequence',
      decoders: [
        { type: 'Replace', pattern: { String: '▁' }, content: ' ' },
        { type: 'ByteFallback' },
        { type: 'Fuse' },
        { type: 'Strip', content: ' ', start: 1, stop: 0 },
      ],
    } as unknown,
    model: {
      type: 'BPE',
      unk_token: '<unk>',
      fuse_unk: true,
      byte_fallback: true,
      vocab: vocabulary(['<unk>', '<s>', '</s>', ...bytes, ...CHARACTERS, ...words]),
      merges,
    },
  }
}

/** GPT-2's bytes 0–255, then a few words; <|begin_of_text|> 300 and <|end_of_text|> 301. */
export const byteLevel = () => {
  const merges = ['h e', 'Ġ t', 'Ġt he']
  let next = 256
  const bytes = Array.from({ length: 256 }, (_, byte) =>
    String.fromCharCode((byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || byte >= 174 ? byte : next++),
  )
  return {
    added_tokens: [special(300, '<|begin_of_text|>'), special(301, '<|end_of_text|>')],
    normalizer: null,
    pre_tokenizer: { type: 'ByteLevel', add_prefix_space: false, use_regex: true },
    post_processor: null,
    decoder: { type: 'ByteLevel' },
    model: { type: 'BPE', vocab: vocabulary([...bytes, ...merges.map((merge) => merge.replace(' ', ''))]), merges },
  }
}
