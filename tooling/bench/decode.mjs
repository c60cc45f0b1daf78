// One measurement of generation in a process of its own, as one JSON line: reading a prompt, one token after another, memory.
//   node decode.mjs --model FOLDER|FILE.gguf [--prompt 256] [--tokens 64] [--rows 1] [--threads 2] [--dtype auto] [--rounds 3]
//     [--llama-cpp FOLDER]: of llama.cpp in place of JORA, by node-llama-cpp in this folder's node_modules (one row, a GGUF file)
// A round reads a prompt that no round before it had, and decodes so many tokens after it. The first round compiles and counts apart.
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { parseArgs } from 'node:util'

const { values: flags } = parseArgs({
  options: {
    model: { type: 'string' },
    prompt: { type: 'string', default: '256' },
    tokens: { type: 'string', default: '64' },
    rows: { type: 'string', default: '1' },
    threads: { type: 'string', default: '2' },
    dtype: { type: 'string', default: 'auto' },
    rounds: { type: 'string', default: '3' },
    'llama-cpp': { type: 'string' },
  },
})
const model = flags.model
if (model === undefined) throw new Error('--model is missing: a folder or a .gguf file')
const [promptLength, tokens, rows, threads, rounds] = /** @type {[number, number, number, number, number]} */ (
  [flags.prompt, flags.tokens, flags.rows, flags.threads, flags.rounds].map(Number)
)

/** Ids that no other row or round begins with. @param {number} row @param {number} round @param {number} vocabulary */
const promptOf = (row, round, vocabulary) =>
  Array.from({ length: promptLength }, (_, i) => 100 + ((i * 7919 + row * 104_729 + round * 31) % (vocabulary - 200)))

/** What a run of `tokens` tokens tells: when the first was there, and when the last. @typedef {(round: number, heard: () => void) => Promise<void>} Run */

/** @returns {Promise<{ run: Run, weightBytes?: number, close(): Promise<void> }>} */
async function ours() {
  const { answeringDType, Generator, openModel, weightShapes } = await import('@jora/llama')
  const { setDefaultDevice } = await import('@jora/tensor')
  const { openCpuDevice } = await import('@jora/tensor/onnx')
  const device = await openCpuDevice({ threads })
  setDefaultDevice(device)
  const opened = await openModel(/** @type {string} */ (model))
  const shapes = weightShapes(opened.config).values()
  const dtype = answeringDType(/** @type {'auto'} */ (flags.dtype), device, shapes)
  const decoder = await opened.decoder(device, dtype, 'asked')
  const generator = new Generator(decoder, device)
  return {
    async run(round, heard) {
      const prompts = Array.from({ length: rows }, (_, row) => promptOf(row, round, decoder.config.vocabSize))
      await generator.generate(prompts, { maxNewTokens: tokens, stopIds: [] }, (row) =>
        row === 0 ? heard() : undefined,
      )
    },
    async close() {
      generator.dispose()
      await opened[Symbol.asyncDispose]()
      await device.close()
    },
  }
}

/** @param {string} folder @returns {ReturnType<typeof ours>} */
async function llamaCpp(folder) {
  const require = createRequire(join(folder, 'none.js'))
  const { getLlama } = await import(require.resolve('node-llama-cpp'))
  const llama = await getLlama({
    gpu: false,
    build: 'never',
    skipDownload: true,
    progressLogs: false,
    logLevel: 'error',
    maxThreads: threads,
  })
  const loaded = await llama.loadModel({ modelPath: model, defaultContextFlashAttention: false })
  const context = await loaded.createContext({ contextSize: promptLength + tokens + 8, batchSize: 512, threads })
  return {
    async run(round, heard) {
      const sequence = context.getSequence()
      let made = 0
      for await (const _ of sequence.evaluate(promptOf(0, round, 49_152), { temperature: 0, yieldEogToken: true })) {
        heard()
        if (++made === tokens) break
      }
      sequence.dispose()
    },
    close: async () => await llama.dispose(),
  }
}

const folder = flags['llama-cpp']
const opened = performance.now()
const peer = await (folder === undefined ? ours() : llamaCpp(folder))
const openMs = performance.now() - opened
/** @type {{ promptMs: number, tokenMs: number, tokenCpuMs: number }[]} */
const times = []
for (let round = 0; round <= rounds; round++) {
  const begun = performance.now()
  /** @type {{ at: number, cpu: NodeJS.CpuUsage }[]} */
  const marks = []
  await peer.run(round, () => marks.push({ at: performance.now(), cpu: process.cpuUsage() }))
  const [first, last] = [marks[0], marks.at(-1)]
  if (!first || !last || marks.length !== tokens) throw new Error(`${marks.length} tokens came, expected ${tokens}`)
  const cpu = last.cpu.user + last.cpu.system - first.cpu.user - first.cpu.system
  times.push({
    promptMs: first.at - begun,
    tokenMs: (last.at - first.at) / (tokens - 1),
    tokenCpuMs: cpu / 1000 / (tokens - 1),
  })
}
const median = (/** @type {number[]} */ list) => [...list].sort((a, b) => a - b)[Math.floor(list.length / 2)] ?? NaN
const later = times.slice(1)
const promptMs = median(later.map((t) => t.promptMs))
const tokenMs = median(later.map((t) => t.tokenMs))
const peak = /VmHWM:\s+(\d+)/.exec(readFileSync('/proc/self/status', 'utf8'))?.[1]
const pss = /^Pss:\s+(\d+)/m.exec(readFileSync('/proc/self/smaps_rollup', 'utf8'))?.[1]
console.log(
  JSON.stringify({
    promptTokensPerSecond: (1000 * rows * promptLength) / promptMs,
    tokensPerSecond: (1000 * rows) / tokenMs,
    tokenMs,
    tokenCpuMs: median(later.map((t) => t.tokenCpuMs)),
    openMs,
    firstPromptMs: times[0]?.promptMs,
    firstTokenMs: times[0]?.tokenMs,
    peakRssMb: Number(peak ?? 0) / 1024,
    pssMb: Number(pss ?? 0) / 1024,
    threads,
    rows,
  }),
)
await peer.close()
