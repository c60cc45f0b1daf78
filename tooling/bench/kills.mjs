// Runs that are killed again and again, and resumed each time, beside one that never was: are they the same?
//   node tooling/bench/kills.mjs [--kills 50] [--per-run 5] [--seed 1] [--keep DIR]
// Needs a build. The bundled model learns a few rows with an early stop, the best checkpoint and scores of answers. A kill (SIGKILL)
// comes at a random moment of a process: while it starts, trains, evaluates, answers or saves. A kill is exact where its run ends
// with the same events, adapter and checkpoints as the whole run. Times and memory are not compared.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { isDeepStrictEqual, parseArgs } from 'node:util'

const root = join(import.meta.dirname, '../..')
const { values: flags } = parseArgs({
  options: {
    kills: { type: 'string', default: '50' },
    'per-run': { type: 'string', default: '5' },
    seed: { type: 'string', default: '1' },
    /** The command; another is for runs from source. */
    jora: { type: 'string', default: join(root, 'apps/cli/bin/jora.mjs') },
    /** Folder of the runs, which stays; otherwise a temporary one. */
    keep: { type: 'string' },
  },
})
const [wanted, perRun] = [Number(flags.kills), Number(flags['per-run'])]
let state = Number(flags.seed) >>> 0
/** From 0 to 1, the same for the same seed. */
const random = () => (state = (Math.imul(state, 1664525) + 1013904223) >>> 0) / 2 ** 32

const folder = flags.keep === undefined ? mkdtempSync(join(tmpdir(), 'jora-kills-')) : resolve(flags.keep)
const rows = join(folder, 'rows.json')
const words = ['one', 'two', 'three', 'four', 'five', 'six', 'seven', 'eight', 'nine', 'ten', 'eleven', 'twelve']
writeFileSync(
  rows,
  JSON.stringify(words.map((word) => ({ instruction: 'Say it.', input: word, output: `the ${word}` }))),
)
const settings =
  '--batch-size 2 --gradient-accumulation-steps 2 --epochs 6 --save-every 3 --eval-every 2 --lr 2e-2 --lora-r 4 --device cpu ' +
  '--eval-metrics exact_match,f1 --eval-samples 2 --eval-max-new-tokens 3 --eval-on-start --patience 3 --load-best --save-total-limit 2'

/** Begins or resumes a run. @param {string} out @param {string[]} more */
function start(out, ...more) {
  const args = ['train', `--model=${join(root, 'apps/cli/assets/tiny-llama')}`, `--dataset=${rows}`]
  return spawn(process.execPath, [flags.jora, ...args, `--output-dir=${out}`, ...settings.split(' '), ...more], {
    stdio: ['ignore', 'ignore', 'pipe'],
  })
}

const fleeting = new Set(['programs', 'stepMs', 'seconds', 'answerSeconds', 'deviceBytes', 'peakDeviceBytes'])

/** What is left of a run: its events without times and memory, its adapter, its checkpoints. @param {string} out */
function leftBy(out) {
  const lines = readFileSync(join(out, 'metrics.jsonl'), 'utf8').trim().split('\n')
  return {
    events: lines.map((line) =>
      Object.fromEntries(
        Object.entries(/** @type {Record<string, unknown>} */ (JSON.parse(line))).filter(([key]) => !fleeting.has(key)),
      ),
    ),
    adapter: readFileSync(join(out, 'adapter_model.safetensors')).toString('base64'),
    checkpoints: readdirSync(join(out, 'checkpoints')).sort(),
  }
}

/** Events that a run has written so far. @param {string} out */
const countEvents = (out) => {
  const metrics = join(out, 'metrics.jsonl')
  return existsSync(metrics) ? readFileSync(metrics, 'utf8').split('\n').length - 1 : 0
}

const sleep = (/** @type {number} */ ms) => new Promise((resolve) => setTimeout(resolve, ms))

/** Waits for the end of a process: whether it was killed. @param {ReturnType<typeof start>} child */
async function end(child) {
  let said = ''
  child.stderr?.on('data', (/** @type {Buffer} */ text) => (said += text.toString()))
  const [code] = /** @type {[number | null]} */ (await once(child, 'close'))
  if (code !== null && code !== 0) throw new Error(`a run ended with ${code}: ${said}`)
  return code === null
}

/** Milliseconds until the first event, and between events. */
let [startMs, eventMs] = [0, 0]

/** Kills a process while it starts, or between a few events from now. @param {ReturnType<typeof start>} child @param {string} out */
async function killSometime(child, out) {
  const [before, more] = [countEvents(out), Math.floor(8 * random())]
  while (countEvents(out) < before + more && child.exitCode === null) await sleep(2)
  await sleep((more === 0 ? startMs : eventMs) * random())
  child.kill('SIGKILL')
}

const begun = performance.now()
const first = start(join(folder, 'whole'))
const ended = end(first)
while (countEvents(join(folder, 'whole')) === 0 && first.exitCode === null) await sleep(2)
startMs = performance.now() - begun
await ended
const whole = leftBy(join(folder, 'whole'))
eventMs = (performance.now() - begun - startMs) / whole.events.length
console.log(
  `the whole run: ${((performance.now() - begun) / 1000).toFixed(1)} s, ${whole.events.length} events; seed ${flags.seed}`,
)

let [kills, exact, run] = [0, 0, 0]
while (kills < wanted) {
  const out = join(folder, `killed-${++run}`)
  /** Events that each kill left. @type {number[]} */
  const at = []
  for (;;) {
    const isLast = at.length === perRun || kills + at.length === wanted
    const child = start(out, '--resume')
    const killed = end(child)
    if (!isLast) await killSometime(child, out)
    if (!(await killed)) break
    at.push(countEvents(out))
  }
  const left = leftBy(out)
  const others = /** @type {(keyof typeof whole)[]} */ (['events', 'adapter', 'checkpoints']).filter(
    (part) => !isDeepStrictEqual(left[part], whole[part]),
  )
  kills += at.length
  if (others.length === 0) exact += at.length
  const verdict = others.length === 0 ? 'the same' : `not the same: ${others.join(', ')}`
  console.log(`run ${run}: killed after ${at.join(', ') || 'no'} events; ${verdict}`)
  if (flags.keep === undefined || others.length === 0) rmSync(out, { recursive: true })
}
if (flags.keep === undefined) rmSync(folder, { recursive: true })
console.log(`${exact} of ${kills} kills were exact`)
process.exitCode = exact === kills ? 0 : 1
