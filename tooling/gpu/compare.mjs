// Shows JORA's step beside PEFT's: node compare.mjs FOLDER, where run.sh left bench.json and peft.json.
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

/** @typedef {{ seq: number, checkpointing: boolean, tokensPerSecond: number, peakBytes: number, error?: string }} Step */
/** @typedef {{ tokens: number, checkpointing: boolean, tokens_per_s: number, peak_allocated_bytes: number | null, error?: string }} Run */

/** @param {string} name @returns {any} what a part left; undefined where it left nothing that can be read */
function read(name) {
  const path = join(process.argv[2] ?? '.', name)
  if (!existsSync(path)) return undefined
  try {
    return JSON.parse(readFileSync(path, 'utf8'))
  } catch (error) {
    console.log(`${path} is not JSON: ${/** @type {Error} */ (error).message}`)
    return undefined
  }
}

const ours = read('bench.json')
const theirs = read('peft.json')
/** @type {Step[]} */
const steps = (ours?.steps ?? []).filter((/** @type {Step} */ step) => !step.error)
/** @type {Run[]} */
const runs = (theirs?.runs ?? []).filter((/** @type {Run} */ run) => !run.error)

/** @param {number | null | undefined} value @param {(value: number) => string} show */
const cell = (value, show) => (value === undefined || value === null ? '—' : show(value))
/** @param {number | null | undefined} a @param {number | null | undefined} b */
const ratio = (a, b) => (a && b ? (a / b).toFixed(2) : '—')
const whole = (/** @type {number} */ n) => Math.round(n).toLocaleString('en-US')
const gigabytes = (/** @type {number} */ n) => (n / 1e9).toFixed(2)

/** @param {string[][]} rows */
function table(rows) {
  const widths = (rows[0] ?? []).map((_, i) => Math.max(...rows.map((row) => row[i]?.length ?? 0)))
  for (const row of rows)
    console.log(
      row.map((text, i) => (i === 0 ? text.padEnd(widths[i] ?? 0) : text.padStart(widths[i] ?? 0))).join('  '),
    )
}

const kinds = [...steps.map((s) => [s.seq, s.checkpointing]), ...runs.map((r) => [r.tokens, r.checkpointing])]
const keys = [...new Set(kinds.map((kind) => JSON.stringify(kind)))].sort(
  (a, b) => parseInt(a.slice(1)) - parseInt(b.slice(1)),
)
if (ours && theirs && ours.model.shape !== theirs.shape)
  console.log(`The shapes differ: JORA ran ${ours.model.shape}, PEFT ${theirs.shape}.`)
if (keys.length > 0) {
  table([
    ['LoRA step', 'JORA tokens/s', 'PEFT tokens/s', 'JORA / PEFT', 'JORA peak GB', 'PEFT peak GB', 'JORA / PEFT'],
    ...keys.map((key) => {
      const [tokens, checkpointing] = /** @type {[number, boolean]} */ (JSON.parse(key))
      const step = steps.find((s) => s.seq === tokens && s.checkpointing === checkpointing)
      const run = runs.find((r) => r.tokens === tokens && r.checkpointing === checkpointing)
      return [
        `${tokens} tokens${checkpointing ? ', checkpointed' : ''}`,
        cell(step?.tokensPerSecond, whole),
        cell(run?.tokens_per_s, whole),
        ratio(step?.tokensPerSecond, run?.tokens_per_s),
        cell(step?.peakBytes, gigabytes),
        cell(run?.peak_allocated_bytes, gigabytes),
        ratio(step?.peakBytes, run?.peak_allocated_bytes),
      ]
    }),
  ])
}

const copy = ours?.ceilings.copies.find((/** @type {{ how?: string }} */ c) => c.how === 'copy')
/** @param {string} dtype @returns {number | undefined} */
const square = (dtype) =>
  ours?.ceilings.products.find(
    (/** @type {{ name?: string, dtype?: string }} */ p) => p.name === 'square' && p.dtype === dtype,
  )?.flopPerSecond
/** @type {[string, number | undefined, number | undefined, number][]} */
const ceilings = [
  ['copy, GB/s', copy?.bytesPerSecond, theirs?.ceilings?.copy?.bytes_per_s, 1e9],
  ['f16 product, TFLOP/s', square('f16'), theirs?.ceilings?.f16_product?.flop_per_s, 1e12],
]
if (ceilings.some(([, a, b]) => a !== undefined || b !== undefined)) {
  console.log()
  const show = (/** @type {number} */ unit) => (/** @type {number} */ n) => (n / unit).toPrecision(4)
  table([
    ['What the GPU reaches', 'JORA', 'torch', 'JORA / torch'],
    ...ceilings.map(([name, a, b, unit]) => [name, cell(a, show(unit)), cell(b, show(unit)), ratio(a, b)]),
  ])
}
