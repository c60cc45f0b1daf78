// Ids and greedy tokens of a GGUF file by llama.cpp, for packages/llama's tests.
//
//     node tooling/models/make-goldens.mjs FILE.gguf > packages/llama/test/goldens/NAME.json
//
// Needs node-llama-cpp in the folder that JORA_LLAMA_CPP names.
import { createRequire } from 'node:module'
import { basename, join } from 'node:path'

const [path = ''] = process.argv.slice(2)
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
const prompt = [
  ...model.tokenize('<|im_start|>user\nWhat is the capital of France?<|im_end|>\n<|im_start|>assistant\n', true),
]
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
  if (ids.length === 24) break
}
const goldens = {
  madeBy: 'llama.cpp through node-llama-cpp (tooling/models/make-goldens.mjs)',
  file: basename(path),
  texts: texts.map((text) => ({ text, ids: [...model.tokenize(text, true)] })),
  greedy: { prompt, ids },
}
process.stdout.write(`${JSON.stringify(goldens, null, 1)}\n`)
await llama.dispose()
