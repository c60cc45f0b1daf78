// Ids and greedy tokens of a GGUF file by llama.cpp, for packages/llama's tests.
//
//     node tooling/models/make-goldens.mjs FILE.gguf [PROMPT] [TOKENS] > packages/llama/test/goldens/NAME.json
//
// Needs node-llama-cpp in the folder that JORA_LLAMA_CPP names.
import { createRequire } from 'node:module'
import { basename, join } from 'node:path'

const chatml = '<|im_start|>user\nWhat is the capital of France?<|im_end|>\n<|im_start|>assistant\n'
const [path = '', asked = chatml, count = '24'] = process.argv.slice(2)
const require = createRequire(join(process.env.JORA_LLAMA_CPP ?? '.', 'none.js'))
const { getLlama } = await import(require.resolve('node-llama-cpp'))
const llama = await getLlama({ gpu: false, build: 'never', skipDownload: true, progressLogs: false, logLevel: 'error' })
const model = await llama.loadModel({ modelPath: path, defaultContextFlashAttention: false })

const texts = [
  'Hello world',
  '  two  spaces\n\n\nlines\ttab',
  'In 1984, 3.14159 and 1,234,567 items (x2).',
  'def f(x):\n    return x**2  # comment\n',
  "I'll don't we've they're",
  'Größe naïve café œuvre',
  'สวัสดีชาวโลก ภาษาไทย',
  '日本語のテキスト、中文字符。',
  '한국어 텍스트입니다',
  '🙂👩‍👩‍👧‍👦🇫🇷 emoji',
  'مرحبا بالعالم',
  '<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n',
  '<|endoftext|> a <|im_end|>',
  'x²+y³=½ Ⅷ ٣',
  'a\u00a0b\u200bc\u3000d',
  'CamelCase snake_case kebab-case HTTP/2',
  '$100 50% #tag @user',
  '"quoted" ‘single’ — dash…',
  '\r\nwindows\r\nlines',
  '',
]

/** Pieces of text that tokenizers cut in ways of their own, put together at random. */
const pieces = [
  ['the', ' and', 'Hello', ' World', 'getElementById', 'x', ' I', "'ll", "N'T", 'ﬁ', 'ÀÉÎ', 'ß', 'ñandú'],
  [' ', '  ', '   ', '\t', '\n', '\n\n', '\r\n', ' \n ', '\u00a0', '\u200d', '\u3000', '        '],
  ['0', '12', '345', '6789', '3.14', '1,000', '１２３', '٣٤', '½', '²', 'Ⅻ', '2026-11-29'],
  ['.', '...', '!?', '—', '“', '”', '(', ')', '[[', '}}', '//', '/*', '->', '=>', '==', '&&', '#', '@', '\\', '`'],
  ['ภาษาไทย', 'นี้', '日本', 'の', '中文', '，', '。', '한국', 'ру', 'сский', 'Ελλ', 'עבר', 'العر', 'हिन्', 'दी'],
  [
    '🙂',
    '👩‍👩‍👧',
    '🇫🇷',
    '❤️',
    '𝔘',
    '𠀋',
    '\u0301',
    '\ufeff',
    '▁',
    '<0x41>',
    '<unused1>',
    '<start_of_turn>',
    '<end_of_turn>',
  ],
  ['<|im_start|>', '<|im_end|>', '<|endoftext|>', '<bos>', '<eos>', '</s>', '<pad>', '<mask>', 'def f(x):', 'return'],
].flat()
let state = 7
const next = (below) => (state = (Math.imul(state, 1664525) + 1013904223) >>> 0) % below
while (texts.length < 200) texts.push(Array.from({ length: 2 + next(9) }, () => pieces[next(pieces.length)]).join(''))

const prompt = [...model.tokenize(asked, true)]
if (model.tokens.shouldPrependBosToken && model.tokens.bos !== null && prompt[0] !== model.tokens.bos)
  prompt.unshift(model.tokens.bos)
const context = await model.createContext({
  contextSize: prompt.length + 80,
  sequences: 1,
  threads: 1,
  experimentalKvCacheKeyType: 'F32',
  experimentalKvCacheValueType: 'F32',
})
const ids = []
for await (const id of context.getSequence().evaluate(prompt, { temperature: 0, yieldEogToken: true })) {
  ids.push(id)
  if (ids.length === Number(count)) break
}
const goldens = {
  madeBy: 'llama.cpp through node-llama-cpp (tooling/models/make-goldens.mjs)',
  file: basename(path),
  texts: texts.map((text) => ({ text, ids: [...model.tokenize(text, true)] })),
  greedy: { prompt, ids },
}
process.stdout.write(`${JSON.stringify(goldens, null, 1)}\n`)
await llama.dispose()
