// A checkpoint of 1.8 GB in four files, merged by a process whose memory is watched.
import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync, statfsSync } from 'node:fs'
import { mkdir, open, readFile, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { openModel, parseConfig, planShards, shardIndex, weightShapes } from '@jora/llama'
import { adaptedModules, loraScaling, type LoraConfig } from '@jora/lora'
import { decodeFloats, encodeFloats } from '@jora/tensor/safetensors'
import { noise, tinyConfig } from '../../llama/test/tiny-model'
import { tinyFactors, writeTinyAdapter } from '../../lora/test/tiny-adapter'
import { bundle, type Program } from '../../shard/test/mpi/harness'
import type { Job, Measured } from './measured'
import { halfUlp } from './rounding'

/** Six layers of Llama 3.2 1B, with a head of its own: its largest tensors take 525 MB each. */
const json = {
  ...tinyConfig,
  torch_dtype: 'bfloat16',
  vocab_size: 128_256,
  hidden_size: 2048,
  intermediate_size: 8192,
  num_hidden_layers: 6,
  num_attention_heads: 32,
  num_key_value_heads: 8,
}
const config = parseConfig(json)
const lora: LoraConfig = { r: 16, alpha: 32, dropout: 0, targetModules: 'all-linear', useRslora: true }
const modules = adaptedModules(config, lora)

/** Rows that hold numbers; all others are holes in the files, which read as zeros. */
const written: Readonly<Record<string, readonly number[]>> = {
  'model.embed_tokens.weight': [0, 77_777, 128_255],
  'model.layers.0.self_attn.q_proj.weight': [0, 1023, 2047],
  'model.layers.2.self_attn.k_proj.weight': [511],
  'model.layers.4.mlp.down_proj.weight': [0, 2047],
  'model.layers.5.mlp.gate_proj.weight': [4096, 8191],
  'lm_head.weight': [5, 128_255],
}
/** Rows that are looked at besides. */
const empty: Readonly<Record<string, readonly number[]>> = {
  'model.embed_tokens.weight': [1],
  'model.layers.0.self_attn.q_proj.weight': [1],
  'model.layers.5.mlp.up_proj.weight': [8191],
}

const rowOf = (name: string, row: number, columns: number): Uint8Array =>
  encodeFloats(noise(`${name}${row}`, columns), 'BF16')

/** Writes a safetensors file of holes and the rows above. */
async function writeSparse(path: string, tensors: readonly { name: string; bytes: number }[]): Promise<void> {
  const shapes = weightShapes(config)
  let end = 0
  const places = tensors.map(({ name, bytes }) => ({ name, from: end, to: (end += bytes) }))
  const fields = places.map(({ name, from, to }) => [
    name,
    { dtype: 'BF16', shape: shapes.get(name)!, data_offsets: [from, to] },
  ])
  const text = JSON.stringify(Object.fromEntries(fields))
  const header = Buffer.from(text.padEnd(Math.ceil(text.length / 8) * 8))
  const size = Buffer.alloc(8)
  size.writeBigUInt64LE(BigInt(header.length))
  await using file = await open(path, 'w')
  await file.write(Buffer.concat([size, header]))
  await file.truncate(8 + header.length + end)
  for (const { name, from } of places) {
    const columns = shapes.get(name)!.at(-1)!
    for (const row of written[name] ?? [])
      await file.write(rowOf(name, row, columns), 0, 2 * columns, 8 + header.length + from + 2 * columns * row)
  }
}

async function writeModel(folder: string): Promise<void> {
  await mkdir(folder)
  const tensors = [...weightShapes(config)].map(([name, shape]) => ({ name, bytes: shape.reduce((n, d) => n * d, 2) }))
  const shards = planShards(tensors, 0.6e9)
  for (const { file, tensors: inside } of shards) await writeSparse(join(folder, file), inside)
  await writeFile(join(folder, 'model.safetensors.index.json'), shardIndex(shards))
  await writeFile(join(folder, 'config.json'), JSON.stringify(json))
  expect(shards).toHaveLength(4)
  expect(tensors.reduce((n, { bytes }) => n + bytes, 0)).toBeGreaterThan(1.7e9)
}

/** The row of W + scale · B·A, in float64. */
function exactRow(name: string, row: number, columns: number): number[] {
  const isWritten = written[name]?.includes(row) ?? false
  const base = isWritten ? decodeFloats(rowOf(name, row, columns), 'BF16') : new Float32Array(columns)
  const module = modules.find((candidate) => `${candidate.name}.weight` === name)
  if (!module) return [...base]
  const { loraA, loraB } = tinyFactors(module, lora.r)
  const scale = loraScaling(lora, module.name)
  return Array.from(base, (value, column) => {
    let sum = 0
    for (let k = 0; k < lora.r; k++) sum += loraB[row * lora.r + k]! * loraA[k * columns + column]!
    return value + scale * sum
  })
}

const root = mkdtempSync(join(tmpdir(), 'jora-large-merge-'))
afterAll(() => rmSync(root, { recursive: true, force: true }))

const { bavail, bsize } = statfsSync(tmpdir())
const isRoomy = bavail * bsize >= 5e9
let program: Program
beforeAll(async () => {
  if (isRoomy) program = await bundle(join(import.meta.dirname, 'measured.ts'))
})
afterAll(() => program?.remove())

test.skipIf(!isRoomy)(
  '1.8 GB merge in less than 0.3 GB of memory (needs 5 GB of free disk)',
  { timeout: 300_000 },
  async () => {
    const folder = mkdtempSync(join(root, 'try-'))
    const job = {
      what: 'merge',
      modelDir: join(folder, 'model'),
      adapterDir: join(folder, 'adapter'),
      outputDir: join(folder, 'merged'),
      maxShardBytes: 0.6e9,
    } satisfies Job
    await writeModel(job.modelDir)
    await writeTinyAdapter(job.adapterDir, config, lora)
    const { stdout } = await promisify(execFile)(process.execPath, [program.file, JSON.stringify(job)], {
      timeout: 240_000,
    })
    const { peakMemory } = JSON.parse(stdout) as Measured
    // 0.12 GB, whatever else runs: blocks are read to the same memory, so that no garbage waits to be collected.
    expect(peakMemory).toBeLessThan(0.3e9)

    const index = 'model.safetensors.index.json'
    expect(await readFile(join(job.outputDir, index))).toEqual(await readFile(join(job.modelDir, index)))
    await using output = await openModel(job.outputDir, { local: true })
    for (const rows of [written, empty]) {
      for (const [name, numbers] of Object.entries(rows)) {
        const columns = output.weights.entries.get(name)!.shape[1]!
        for (const row of numbers) {
          const bytes = await output.weights.read(name, 2 * columns * row, 2 * columns * (row + 1))
          const exact = exactRow(name, row, columns)
          // The sum itself is rounded to float32 first.
          const wrong = decodeFloats(bytes, 'BF16').findIndex(
            (value, i) => Math.abs(value - exact[i]!) > halfUlp(exact[i]!, 'BF16') + 2 ** -24 * Math.abs(exact[i]!),
          )
          expect({ name, row, wrong }).toEqual({ name, row, wrong: -1 })
        }
      }
    }
  },
)
