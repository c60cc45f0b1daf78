// JORA beside its peers on this machine, in one command: a LoRA step beside PEFT in f32 and bf16, decoding beside llama.cpp. Runs
// alternate; ratios are medians of those of a round. Writes a table and its figures.
//   node peers.mjs [--venv FOLDER] [--python python3] [--model FILE.gguf] [--lengths 512,2048] [--rounds 3] [--steps 4]
//     [--threads 2] [--tokens 64] [--only step,decode] [--output docs/benchmarks/peers.md]
// What is missing in the venv (made if there is none) is installed by pip: torch, transformers, peft, gguf, llama-cpp-python (built
// from source, some minutes). Where JORA_LLAMA_CPP names a folder with node-llama-cpp, that is used for llama.cpp.
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { availableParallelism, cpus, tmpdir, totalmem } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { measure } from './measured.mjs'

const here = dirname(fileURLToPath(import.meta.url))
const { values: flags } = parseArgs({
  options: {
    venv: { type: 'string', default: join(tmpdir(), 'jora-peers') },
    python: { type: 'string', default: 'python3' },
    model: { type: 'string', default: join(here, '../../.models/SmolLM2-135M-Instruct.Q4_1.gguf') },
    lengths: { type: 'string', default: '512,2048' },
    rounds: { type: 'string', default: '3' },
    steps: { type: 'string', default: '4' },
    threads: { type: 'string', default: String(Math.min(2, availableParallelism())) },
    tokens: { type: 'string', default: '64' },
    only: { type: 'string', default: 'step,decode' },
    output: { type: 'string', default: join(here, '../../docs/benchmarks/peers.md') },
  },
})
const [gguf, venv] = [resolve(flags.model), resolve(flags.venv)]
if (!existsSync(gguf))
  throw new Error(`${gguf} does not exist: node tooling/models/fetch.mjs brings it, or name a GGUF file by --model`)
const wanted = flags.only.split(',')
const unknown = wanted.find((name) => name !== 'step' && name !== 'decode')
if (unknown !== undefined) throw new Error(`--only names ${unknown}, expected step, decode or both`)
const { JORA_LLAMA_CPP: llamaCpp } = process.env
const [threads, rounds] = [flags.threads, Number(flags.rounds)]
const python = join(venv, 'bin/python')
const peers = join(here, '../reference/bench_peers.py')
const say = (/** @type {string} */ text) => process.stderr.write(`${text}\n`)

/** @param {string} program @param {string[]} args */
function must(program, args) {
  const { status, error } = spawnSync(program, args, { stdio: ['ignore', 2, 2] })
  if (status !== 0)
    throw new Error(`${program} ${args.join(' ')} failed${error ? `: ${error.message}` : ` (${status})`}`)
}

function install() {
  if (!existsSync(python)) must(flags.python, ['-m', 'venv', venv])
  const packages = [
    ...(wanted.includes('step') ? ['torch', 'transformers', 'peft', 'gguf', 'accelerate'] : []),
    ...(wanted.includes('decode') && llamaCpp === undefined ? ['llama-cpp-python'] : []),
  ]
  if (packages.length > 0) must(python, ['-m', 'pip', 'install', '--quiet', ...packages])
}

const median = (/** @type {number[]} */ list) => [...list].sort((a, b) => a - b)[Math.floor(list.length / 2)] ?? NaN

/** Bytes copied a second by one thread. */
function copyRate() {
  const [from, to] = [Buffer.alloc(2 ** 28, 1), Buffer.alloc(2 ** 28)]
  const times = Array.from({ length: 5 }, () => {
    const begun = performance.now()
    from.copy(to)
    return performance.now() - begun
  })
  return from.length / (Math.min(...times) / 1000)
}

/**
 * Rounds of all in turn. @param {string} what @param {Record<string, () => Promise<Record<string, number>>>} runs
 * @returns {Promise<Record<string, Record<string, number>>[]>}
 */
async function alternate(what, runs) {
  const results = []
  for (let round = 0; round < rounds; round++) {
    /** @type {Record<string, Record<string, number>>} */
    const found = {}
    for (const [name, run] of Object.entries(runs)) {
      say(`${what}, round ${round + 1} of ${rounds}: ${name}`)
      found[name] = await run()
    }
    results.push(found)
  }
  return results
}

/** A table of the medians, and of the ratios to the first of each round. @param {Record<string, Record<string, number>>[]} results @param {string[]} names @param {{ key: string, label: string, digits: number }[]} columns */
function table(results, names, columns) {
  const [own = ''] = names
  const value = (/** @type {string} */ name, /** @type {string} */ key) =>
    median(results.map((r) => /** @type {number} */ (r[name]?.[key])))
  const ratio = (/** @type {string} */ name, /** @type {string} */ key) =>
    median(results.map((r) => /** @type {number} */ (r[own]?.[key]) / /** @type {number} */ (r[name]?.[key])))
  const head = ['', ...columns.flatMap(({ label }) => [label, `${own} / this`])]
  const lines = names.map((name) => [
    name,
    ...columns.flatMap(({ key, digits }) => [
      value(name, key).toFixed(digits),
      name === own ? '' : `${ratio(name, key).toFixed(2)}×`,
    ]),
  ])
  return [head, head.map(() => '---'), ...lines].map((cells) => `| ${cells.join(' | ')} |`).join('\n')
}

install()
const bytes = copyRate()
const folder = join(venv, 'smollm2-bf16')
/** @type {string[]} */
const parts = []
/** @type {Record<string, unknown>} */
const figures = {
  date: new Date().toISOString(),
  cpu: cpus()[0]?.model,
  threads,
  node: process.version,
  copyBytesPerSecond: bytes,
}
if (wanted.includes('step')) {
  if (!existsSync(join(folder, 'config.json')))
    await measure(python, [peers, 'folder', '--gguf', gguf, '--output', folder])
  for (const length of flags.lengths.split(',')) {
    const ours = (/** @type {string} */ dtype) => async () => {
      const args = ['--model', folder, '--batch', '1', '--seq', length, '--steps', flags.steps, '--threads', threads]
      const found = await measure(process.execPath, [join(here, 'lora-step.mjs'), ...args, '--dtype', dtype])
      return { ...found, stepMs: /** @type {number} */ (found.medianStepMs) }
    }
    const theirs = (/** @type {string} */ dtype) => () =>
      measure(python, [
        peers,
        'step',
        '--model',
        folder,
        '--dtype',
        dtype,
        '--tokens',
        length,
        '--steps',
        flags.steps,
        '--threads',
        threads,
      ])
    const runs = {
      'JORA int8': ours('int8'),
      'JORA f32': ours('f32'),
      'PEFT f32': theirs('f32'),
      'PEFT bf16': theirs('bf16'),
    }
    const results = await alternate(`step of ${length} tokens`, runs)
    const floor = median(results.map((r) => /** @type {number} */ (r['JORA f32']?.floorStepMs)))
    const columns = [
      { key: 'stepMs', label: 'step, ms', digits: 0 },
      { key: 'peakPssMb', label: 'peak PSS, MB', digits: 0 },
    ]
    parts.push(
      `## A step of ${length} tokens\n\n${table(results, Object.keys(runs), columns)}\n\nFloor: ${floor.toFixed(0)} ms, its arithmetic at the best f32 product of JORA's runs.`,
    )
    figures[`step ${length}`] = results
  }
}
if (wanted.includes('decode')) {
  const args = ['--model', gguf, '--prompt', '256', '--tokens', flags.tokens, '--rounds', '2', '--threads', threads]
  const bench = join(here, 'decode.mjs')
  const runs = {
    JORA: () => measure(process.execPath, [bench, ...args]),
    'JORA f32': () => measure(process.execPath, [bench, ...args, '--dtype', 'f32']),
    'llama.cpp': () =>
      llamaCpp === undefined
        ? measure(python, [peers, 'decode', ...args])
        : measure(process.execPath, [bench, ...args, '--llama-cpp', llamaCpp]),
  }
  const results = await alternate('decoding', runs)
  const columns = [
    { key: 'tokensPerSecond', label: 'tokens a second', digits: 1 },
    { key: 'promptTokensPerSecond', label: 'prompt tokens a second', digits: 0 },
    { key: 'peakPssMb', label: 'peak PSS, MB', digits: 0 },
  ]
  const size = readFileSync(gguf).length
  parts.push(
    `## Decoding from the GGUF file\n\n${table(results, Object.keys(runs), columns)}\n\nFloor: ${((1000 * size) / bytes).toFixed(1)} ms a token, the file's ${(size / 1e6).toFixed(0)} MB at the rate that one thread copies (${(bytes / 1e9).toFixed(1)} GB/s).`,
  )
  figures.decoding = results
}
const known = wanted.includes('step') || llamaCpp === undefined ? await measure(python, [peers, 'versions']) : {}
// llama.cpp is one of two, whatever is in the venv.
const isPrebuilt = llamaCpp !== undefined
const notRun = ['peakPssMb', 'wallSeconds', 'cpuSeconds', ...(isPrebuilt ? ['llama-cpp-python'] : [])]
const versions = Object.entries(known).flatMap(([name, version]) =>
  notRun.includes(name) ? [] : [`${name} ${version}`],
)
if (isPrebuilt) {
  const { version } = JSON.parse(readFileSync(join(llamaCpp, 'node_modules/node-llama-cpp/package.json'), 'utf8'))
  versions.push(`llama.cpp as built for node-llama-cpp ${version}`)
}
/** Of the processor's instructions those that products are made of, as Linux names them. */
function instructions() {
  const flags = existsSync('/proc/cpuinfo') ? readFileSync('/proc/cpuinfo', 'utf8') : ''
  const known = ['avx2', 'avx512f', 'avx512_vnni', 'avx512_bf16', 'amx_int8', 'amx_bf16']
  const found = known.filter((name) => new RegExp(`\\b${name}\\b`).test(flags))
  return found.length === 0 ? '' : ` (${found.join(', ')})`
}
const machine = `${cpus()[0]?.model.trim()}${instructions()}, ${threads} threads, ${(totalmem() / 2 ** 30).toFixed(0)} GiB; Node ${process.version}; ${versions.join(', ')}`
const text = `# JORA beside its peers

Written by \`node tooling/bench/peers.mjs\`. ${new Date().toISOString().slice(0, 10)}, ${machine}. Medians of ${rounds} alternating rounds;
ratios are of one round each, then the median. SmolLM2-135M: LoRA r 16 on q and v, batch 1, all tokens labelled; 256 tokens of prompt before decoding.

${parts.join('\n\n')}
`
mkdirSync(dirname(resolve(flags.output)), { recursive: true })
writeFileSync(flags.output, text)
writeFileSync(flags.output.replace(/\.md$/, '') + '.json', `${JSON.stringify(figures, null, 1)}\n`)
console.log(text)
