// Trains the byte-pair vocabulary (Sennrich et al. 2016) and writes it as a Llama-style tokenizer.json.

/**
 * @param {Map<string, number>} wordCounts words, each starting with ▁, and how often they occur
 * @param {number} vocabSize
 */
export function trainBpe(wordCounts, vocabSize) {
  const base = [
    '<unk>',
    '<s>',
    '</s>',
    ...Array.from({ length: 256 }, (_, i) => `<0x${i.toString(16).toUpperCase().padStart(2, '0')}>`),
  ]
  const characters = new Map()
  for (const [word, count] of wordCounts) for (const c of word) characters.set(c, (characters.get(c) ?? 0) + count)
  const kept = [...characters]
    .filter(([, count]) => count >= 50)
    .sort((a, b) => b[1] - a[1] || (a[0] < b[0] ? -1 : 1))
    .map(([c]) => c)
  const tokens = [...base, ...kept]
  const known = new Set(kept)
  const words = [...wordCounts]
    .map(([word, count]) => ({ parts: [...word], count }))
    .filter((w) => w.parts.every((c) => known.has(c)))
  /** @type {[string, string][]} */
  const merges = []
  const merged = new Set(tokens)
  while (tokens.length < vocabSize) {
    /** @type {Map<string, number>} */
    const pairs = new Map()
    for (const { parts, count } of words) {
      for (let i = 0; i + 1 < parts.length; i++) {
        const pair = `${parts[i]} ${parts[i + 1]}`
        pairs.set(pair, (pairs.get(pair) ?? 0) + count)
      }
    }
    let best = ''
    for (const [pair, count] of pairs) {
      const top = pairs.get(best) ?? 0
      if (count > top || (count === top && pair < best)) best = pair
    }
    if (best === '') break
    const [left, right] = /** @type {[string, string]} */ (best.split(' '))
    merges.push([left, right])
    if (!merged.has(left + right)) tokens.push(left + right)
    merged.add(left + right)
    for (const word of words) {
      for (let i = 0; i + 1 < word.parts.length; i++)
        if (word.parts[i] === left && word.parts[i + 1] === right) word.parts.splice(i, 2, left + right)
    }
  }
  return { tokens, merges }
}

/** @param {{ tokens: string[], merges: [string, string][] }} bpe */
export function tokenizerJson({ tokens, merges }) {
  const special = (/** @type {number} */ id) => ({
    id,
    content: tokens[id],
    single_word: false,
    lstrip: false,
    rstrip: false,
    normalized: false,
    special: true,
  })
  return {
    version: '1.0',
    truncation: null,
    padding: null,
    added_tokens: [0, 1, 2].map(special),
    normalizer: {
      type: 'Sequence',
      normalizers: [
        { type: 'Prepend', prepend: '▁' },
        { type: 'Replace', pattern: { String: ' ' }, content: '▁' },
      ],
    },
    pre_tokenizer: null,
    post_processor: {
      type: 'TemplateProcessing',
      single: [{ SpecialToken: { id: '<s>', type_id: 0 } }, { Sequence: { id: 'A', type_id: 0 } }],
      pair: [
        { SpecialToken: { id: '<s>', type_id: 0 } },
        { Sequence: { id: 'A', type_id: 0 } },
        { SpecialToken: { id: '<s>', type_id: 1 } },
        { Sequence: { id: 'B', type_id: 1 } },
      ],
      special_tokens: { '<s>': { id: '<s>', ids: [1], tokens: ['<s>'] } },
    },
    decoder: {
      type: 'Sequence',
      decoders: [
        { type: 'Replace', pattern: { String: '▁' }, content: ' ' },
        { type: 'ByteFallback' },
        { type: 'Fuse' },
        { type: 'Strip', content: ' ', start: 1, stop: 0 },
      ],
    },
    model: {
      type: 'BPE',
      dropout: null,
      unk_token: '<unk>',
      continuing_subword_prefix: null,
      end_of_word_suffix: null,
      fuse_unk: true,
      byte_fallback: true,
      ignore_merges: false,
      vocab: Object.fromEntries(tokens.map((token, id) => [token, id])),
      merges,
    },
  }
}
