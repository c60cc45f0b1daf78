// The speed bench: a LoRA step of a 26M-parameter Llama here and in PEFT-style torch, in turn, beside this machine's floor.
//   node compare.mjs [--rounds 3] [--steps 8] [--threads 2] [--python /usr/bin/python3] [--rows rows.json] [--json]
// torch is optional: without it only JORA and the floor are shown. Rows come from gsm8k-rows.mjs.
import { spawnSync } from 'node:child_process'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'

const here = dirname(fileURLToPath(import.meta.url))
const { values: flags } = parseArgs({
  options: {
    rounds: { type: 'string', default: '3' },
    steps: { type: 'string', default: '8' },
    threads: { type: 'string', default: '2' },
    batch: { type: 'string' },
    seq: { type: 'string', default: '512' },
    loop: { type: 'string', default: 'usual' },
    python: { type: 'string', default: '/usr/bin/python3' },
    rows: { type: 'string' },
    json: { type: 'boolean', default: false },
  },
})
const batch = flags.batch ?? (flags.rows === undefined ? '2' : '8')

/** @param {string} program @param {string[]} args @returns {Record<string, number> | undefined} */
function measure(program, args) {
  const { status, stdout, stderr } = spawnSync(program, args, { encoding: 'utf8', maxBuffer: 2 ** 26 })
  if (status !== 0) {
    console.error(stderr.trim().split('\n').at(-1))
    return undefined
  }
  return JSON.parse(/** @type {string} */ (stdout.trim().split('\n').at(-1)))
}
const work =
  flags.rows === undefined ? ['--batch', batch, '--seq', flags.seq] : ['--batch', batch, '--rows', flags.rows]
const ours = () =>
  measure(process.execPath, [join(here, 'lora-step.mjs'), ...work, '--steps', flags.steps, '--threads', flags.threads])
const theirs = () =>
  measure(flags.python, [
    join(here, '../reference/bench_torch.py'),
    '--shape',
    '26m',
    ...work,
    '--steps',
    flags.steps,
    '--threads',
    flags.threads,
    '--loop',
    flags.loop,
  ])

const median = (/** @type {number[]} */ list) =>
  /** @type {number} */ ([...list].sort((a, b) => a - b)[Math.floor(list.length / 2)])
const pairs = Array.from({ length: Number(flags.rounds) }, () => ({ jora: ours(), torch: theirs() }))
const jora = pairs.flatMap((p) => (p.jora ? [p.jora] : []))
const torch = pairs.flatMap((p) => (p.torch ? [p.torch] : []))
const of = (/** @type {Record<string, number>[]} */ list, /** @type {string} */ key) =>
  median(list.map((m) => /** @type {number} */ (m[key])))
const gemm = Math.max(
  ...jora.map((m) => /** @type {number} */ (m.gemmGflops)),
  ...torch.map((m) => /** @type {number} */ (m.gemm_gflops)),
)
const floorMs = of(jora, 'floorStepMs') * (of(jora, 'gemmGflops') / gemm)
const result = {
  rows: flags.rows !== undefined,
  jora: {
    stepMs: of(jora, 'medianStepMs'),
    samplesPerSecond: of(jora, 'samplesPerSecond'),
    peakMb: of(jora, 'peakMb'),
  },
  torch:
    torch.length > 0
      ? {
          stepMs: 1000 * of(torch, 'median_step_s'),
          samplesPerSecond: of(torch, 'samples_per_s'),
          peakMb: of(torch, 'peak_rss_mb'),
        }
      : undefined,
  ratios: pairs.flatMap((p) => {
    if (!p.jora || !p.torch) return []
    const time = /** @type {number} */ (p.jora.medianStepMs) / (1000 * /** @type {number} */ (p.torch.median_step_s))
    return [
      {
        step: time,
        samples: /** @type {number} */ (p.jora.samplesPerSecond) / /** @type {number} */ (p.torch.samples_per_s),
        memory: /** @type {number} */ (p.jora.peakMb) / /** @type {number} */ (p.torch.peak_rss_mb),
      },
    ]
  }),
  gemmGflops: gemm,
  floorMs,
}
if (flags.json) console.log(JSON.stringify(result))
else {
  const row = (/** @type {string[]} */ cells) =>
    console.log(cells.map((c, i) => (i === 0 ? c.padEnd(24) : c.padStart(14))).join(''))
  row(['', 'JORA', 'torch', 'JORA / torch'])
  const ratio = (/** @type {'step' | 'samples' | 'memory'} */ key) =>
    result.ratios.length > 0 ? median(result.ratios.map((r) => r[key])).toFixed(3) : '—'
  if (flags.rows === undefined)
    row(['step, ms', result.jora.stepMs.toFixed(0), result.torch?.stepMs.toFixed(0) ?? '—', ratio('step')])
  row([
    'samples a second',
    result.jora.samplesPerSecond.toFixed(2),
    result.torch?.samplesPerSecond.toFixed(2) ?? '—',
    ratio('samples'),
  ])
  row(['peak memory, MB', result.jora.peakMb.toFixed(0), result.torch?.peakMb.toFixed(0) ?? '—', ratio('memory')])
  console.log(
    `floor of a step: ${floorMs.toFixed(0)} ms (its arithmetic at the best matrix product of this run, ${gemm.toFixed(0)} GFLOP/s)`,
  )
}
