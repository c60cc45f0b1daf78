// Trains the tiny Llama of the quickstart with JORA's own engine: all weights, on the CPU, by a curriculum.
//   pnpm --filter @jora-tooling/quickstart-model start --text FILE --text FILE [--out DIR] [--seed 1] [--threads 2]
// The files hold plain simple English (the committed model: a TinyStories sample, African Storybook, Pratham Books). A model this small learns to copy from its input only by steps: repeated
// sequences and key-value recall first, then marks between keys and values, then facts in English, then stories beside.
import { appendFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { createTokenizer } from '@jora/data'
import { decode, logits, parseConfig, tokenLosses, weightShapes } from '@jora/llama'
import { adamw, clipByGlobalNorm, initAdamW, stepNumbers } from '@jora/lora'
import { argmax, cast, div, eq, gather, jit, reshape, setDefaultDevice, sum, tensor, valueAndGrad } from '@jora/tensor'
import { openCpuDevice } from '@jora/tensor/onnx'
import { parseSafetensors, writeSafetensors } from '@jora/tensor/safetensors'
import { tokenizerJson, trainBpe } from './bpe.mjs'
import { everyWord, makeFacts } from './facts.mjs'
import { makeRandom } from './random.mjs'
import * as tasks from './tasks.mjs'

const here = dirname(fileURLToPath(import.meta.url))
const { values: flags } = parseArgs({
  options: {
    text: { type: 'string', multiple: true },
    out: { type: 'string', default: join(here, '../../apps/cli/assets/tiny-llama') },
    seed: { type: 'string', default: '1' },
    threads: { type: 'string', default: '2' },
    'story-steps': { type: 'string', default: '3000' },
    'document-steps': { type: 'string', default: '3000' },
    /** Start at this stage from the weights in --out, e.g. after a run was cut off. */
    'from-stage': { type: 'string' },
  },
})
if (!flags.text) throw new Error('--text FILE is required: plain text in simple English, once for each file')
const seed = Number(flags.seed)
const out = flags.out
mkdirSync(out, { recursive: true })
const logFile = join(here, 'train.log.jsonl')
if (flags['from-stage'] === undefined) writeFileSync(logFile, '')
/** @param {Record<string, unknown>} entry */
const log = (entry) => {
  appendFileSync(logFile, `${JSON.stringify(entry)}\n`)
  console.log(
    Object.entries(entry)
      .map(([k, v]) => `${k} ${typeof v === 'number' && !Number.isInteger(v) ? v.toFixed(4) : v}`)
      .join('  '),
  )
}

// Tokenizer: frequent words of the stories, every word of the facts, and the Alpaca prompt.
const stories = flags.text.map((file) => readFileSync(file, 'utf8')).join('\n')
const alpaca = `Below is an instruction that describes a task, paired with an input that provides further context. Write a response that appropriately completes the request.
### Instruction: Answer the question from the text. ### Input: Question: ### Response:`
const vocabSize = 1536
const tokenizerPath = join(out, 'tokenizer.json')
if (!existsSync(tokenizerPath)) {
  /** @type {Map<string, number>} */
  const counts = new Map()
  /** @param {string} text @param {number} weight */
  const count = (text, weight) => {
    for (const word of text.split(/\s+/)) {
      for (const part of `▁${word}`.match(/▁?[\p{L}']+|▁?\d|▁?[^\p{L}\d\s▁]+|▁/gu) ?? [])
        counts.set(part, (counts.get(part) ?? 0) + weight)
    }
  }
  count(stories.slice(0, 3_000_000), 1)
  count(alpaca, 3000)
  const random = makeRandom(7)
  for (let i = 0; i < 2000; i++) for (const { fact, question } of makeFacts(random, 4)) count(`${fact} ${question}`, 1)
  for (const word of everyWord) count(word, 600)
  writeFileSync(tokenizerPath, JSON.stringify(tokenizerJson(trainBpe(counts, vocabSize))))
}
const config = {
  architectures: ['LlamaForCausalLM'],
  model_type: 'llama',
  hidden_size: 128,
  intermediate_size: 352,
  num_hidden_layers: 4,
  num_attention_heads: 4,
  num_key_value_heads: 4,
  vocab_size: vocabSize,
  max_position_embeddings: 1024,
  rms_norm_eps: 1e-5,
  rope_theta: 10000,
  hidden_act: 'silu',
  tie_word_embeddings: true,
  bos_token_id: 1,
  eos_token_id: 2,
  torch_dtype: 'float32',
}
const modelConfig = parseConfig(config)
const tokenizerConfig = {
  tokenizer_class: 'LlamaTokenizer',
  bos_token: '<s>',
  eos_token: '</s>',
  unk_token: '<unk>',
  pad_token: null,
  add_bos_token: true,
  add_eos_token: false,
  model_max_length: 1024,
  legacy: false,
}
writeFileSync(join(out, 'config.json'), `${JSON.stringify(config, null, 2)}\n`)
writeFileSync(join(out, 'tokenizer_config.json'), `${JSON.stringify(tokenizerConfig, null, 2)}\n`)
writeFileSync(join(out, 'generation_config.json'), `${JSON.stringify({ bos_token_id: 1, eos_token_id: 2 }, null, 2)}\n`)
const tokenizer = createTokenizer(JSON.parse(readFileSync(tokenizerPath, 'utf8')), tokenizerConfig)
const encode = (/** @type {string} */ text) => tokenizer.encode(text, { addBos: false })
const wordIds = everyWord.map((word) => encode(word))
log({ vocabulary: vocabSize, wordsOfOneToken: wordIds.filter((ids) => ids.length === 1).length, words: wordIds.length })

/** Stories as one line of ids, one per story line so that encoding stays quick. */
const context = {
  encode,
  vocabulary: [...new Set(stories.slice(0, 200_000).match(/\b[a-z]{3,8}\b/g))],
  words: [
    ...new Set([
      ...wordIds.filter((ids) => ids.length === 1).flat(),
      ...Array.from({ length: 500 }, (_, i) => 600 + i),
    ]),
  ],
  /** One stream of ids, an end and a start of sequence between stories. */
  text: Int32Array.from(
    stories
      .slice(0, 2_500_000)
      .split(/<\|endoftext\|>|\n#+ /)
      .flatMap((story) => [
        1,
        ...story
          .trim()
          .split(/(?<=\n)/)
          .flatMap((line) => encode(line)),
        2,
      ]),
  ),
}

const device = await openCpuDevice({ threads: Number(flags.threads) })
setDefaultDevice(device)
const random = makeRandom(seed)
const normal = () => Math.sqrt(-2 * Math.log(1 - random.next())) * Math.cos(2 * Math.PI * random.next())
const shapes = weightShapes(modelConfig)
const saved =
  flags['from-stage'] === undefined
    ? undefined
    : parseSafetensors(new Uint8Array(readFileSync(join(out, 'model.safetensors'))))
let params = Object.fromEntries(
  [...shapes].map(([name, shape]) => {
    const size = shape.reduce((a, b) => a * b, 1)
    // Residual branches start smaller, as GPT-2 did it.
    const scale = /o_proj|down_proj/.test(name) ? 0.02 / Math.sqrt(2 * config.num_hidden_layers) : 0.02
    if (saved) return [name, tensor(new Float32Array(saved.read(name).slice().buffer), { shape: [...shape] })]
    return [
      name,
      tensor(
        Float32Array.from({ length: size }, () => (name.includes('norm') ? 1 : scale * normal())),
        { shape: [...shape] },
      ),
    ]
  }),
)
const adam = { beta1: 0.9, beta2: 0.95, epsilon: 1e-8, weightDecay: 0.01 }

const step = jit(
  (/** @type {any} */ state, /** @type {any} */ batch, /** @type {any} */ numbers) => {
    const loss = (/** @type {any} */ weights) =>
      div(sum(tokenLosses({ config: modelConfig, weights }, { tokens: batch.tokens }, batch)), batch.count)
    const [value, grads] = valueAndGrad(loss)(state.params)
    const clipped = clipByGlobalNorm(grads, 1)
    return [value, adamw(state.params, clipped.grads, state.state, numbers, adam)]
  },
  { donate: [0, 1, 2] },
)
const accuracy = jit((/** @type {any} */ weights, /** @type {any} */ batch) => {
  const decoder = { config: modelConfig, weights }
  const { hidden } = decode(decoder, { tokens: batch.tokens })
  const guess = argmax(logits(decoder, gather(reshape(hidden, [-1, config.hidden_size]), batch.labelRows)))
  return div(sum(cast(eq(guess, batch.labels), 'f32')), batch.count)
})

/** @param {readonly import('./tasks.mjs').Task[]} list @param {number} rows @param {number} length */
function makeBatch(list, rows, length) {
  const tokens = new Int32Array(rows * length)
  /** @type {number[]} */ const labelRows = []
  /** @type {number[]} */ const labels = []
  for (let b = 0; b < rows; b++) {
    const { ids, learned } = random.pick(list)(random, length + 1, context)
    for (let i = 0; i < length; i++) {
      tokens[b * length + i] = /** @type {number} */ (ids[i])
      if (!learned[i + 1]) continue
      labelRows.push(b * length + i)
      labels.push(/** @type {number} */ (ids[i + 1]))
    }
  }
  const slots = Math.ceil(labels.length / 512) * 512
  const fill = slots - labels.length
  return {
    tokens: tensor(tokens, { shape: [rows, length] }),
    labelRows: tensor(Int32Array.from([...labelRows, ...Array.from({ length: fill }, () => 0)])),
    labels: tensor(Int32Array.from([...labels, ...Array.from({ length: fill }, () => -1)])),
    count: tensor(Float32Array.of(labels.length), { shape: [] }),
  }
}

const near = tasks.reading({ oneKind: true, gap: 0 })
const far = tasks.reading({ oneKind: false, gap: 6 })
/** @type {{ name: string, tasks: Record<string, import('./tasks.mjs').Task>, weights: number[], goal: number, steps: number, length: number, rows: number }[]} */
const stages = [
  {
    name: 'copy',
    tasks: { repeat: tasks.repeat, recall: tasks.recall },
    weights: [1, 2],
    goal: 0.95,
    steps: 5000,
    length: 64,
    rows: 64,
  },
  {
    name: 'marks',
    tasks: { repeat: tasks.repeat, recall: tasks.recall, marked: tasks.recallMarked, near },
    weights: [1, 1, 3, 2],
    goal: 0.9,
    steps: 3000,
    length: 64,
    rows: 64,
  },
  {
    name: 'distance',
    tasks: { recall: tasks.recall, marked: tasks.recallMarked, far: tasks.recallFar, near, reading: far },
    weights: [1, 2, 3, 2, 3],
    goal: 0.9,
    steps: 3000,
    length: 96,
    rows: 48,
  },
  {
    name: 'layouts',
    tasks: { stories: tasks.stories, far: tasks.recallFar, reading: far, layouts: tasks.layouts },
    weights: [2, 2, 2, 6],
    goal: 2,
    steps: 1000,
    length: 128,
    rows: 32,
  },
  {
    name: 'stories',
    tasks: { stories: tasks.stories, far: tasks.recallFar, reading: far, layouts: tasks.layouts },
    weights: [5, 1, 1, 5],
    goal: 2,
    steps: Number(flags['story-steps']),
    length: 128,
    rows: 32,
  },
  {
    name: 'documents',
    tasks: { documents: tasks.documents, spelled: tasks.spelled, layouts: tasks.layouts, stories: tasks.stories },
    weights: [6, 2, 1, 1],
    goal: 2,
    steps: Number(flags['document-steps']),
    length: 320,
    rows: 12,
  },
]

const peak = 2e-3
let state = initAdamW(params)
let done = 0
let tokens = 0
const started = Date.now()

async function save() {
  const entries = []
  for (const [name, weight] of Object.entries(params)) {
    const data = await weight.data()
    entries.push({
      name,
      dtype: /** @type {const} */ ('F32'),
      shape: [...weight.shape],
      data: new Uint8Array(data.buffer, data.byteOffset, data.byteLength),
    })
  }
  await writeSafetensors(join(out, 'model.safetensors'), entries, { format: 'pt' })
}

const first = flags['from-stage'] === undefined ? 0 : stages.findIndex((s) => s.name === flags['from-stage'])
for (const stage of stages.slice(first)) {
  const list = Object.values(stage.tasks).flatMap((task, i) =>
    Array.from({ length: /** @type {number} */ (stage.weights[i]) }, () => task),
  )
  let average = 0
  for (let at = 0; at < stage.steps; at++) {
    done++
    const last = stage === stages.at(-1)
    const decay = last ? 0.05 + 0.95 * (0.5 + 0.5 * Math.cos((Math.PI * at) / stage.steps)) : 1
    const rate = peak * Math.min(1, done / 200) * decay
    const [value, next] = /** @type {any} */ (
      step({ params, state }, makeBatch(list, stage.rows, stage.length), tensor(stepNumbers(rate, done, adam)))
    )
    params = next.params
    state = next.state
    tokens += stage.rows * stage.length
    const loss = await value.item()
    average = average === 0 ? loss : 0.95 * average + 0.05 * loss
    if ((at + 1) % 100 !== 0) continue
    /** @type {Record<string, number>} */
    const scores = {}
    for (const [name, task] of Object.entries(stage.tasks))
      scores[name] = await /** @type {any} */ (accuracy(params, makeBatch([task], 32, stage.length))).item()
    log({
      stage: stage.name,
      step: done,
      tokens,
      loss: average,
      rate,
      tokensPerSecond: Math.round((tokens * 1000) / (Date.now() - started)),
      ...scores,
    })
    if ((at + 1) % 500 === 0) await save()
    if (Math.min(...Object.values(scores)) >= stage.goal) break
  }
  await save()
}
log({ done: true, steps: done, tokens, minutes: (Date.now() - started) / 60000 })
await device.close()
