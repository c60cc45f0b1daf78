// What tests beside PEFT on stories260K share: goldens, the rows they were trained on, the model on a device of its own.
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { collate, type Batch, type Sample } from '@jora/data'
import { decode, logits, openModel, type Decoder, type OpenModel } from '@jora/llama'
import { tensor, setDefaultDevice, type Device } from '@jora/tensor'
import { openCpuDevice } from '@jora/tensor/onnx'
import { afterAll, beforeAll } from 'vitest'
import type { Parts } from '../src/adapter/methods/method'
import { TrainingStep, type LoraConfig } from '../src/index'

const shared = process.env.JORA_SHARED ?? join(import.meta.dirname, '../../../../shared')
export const modelDir = join(shared, 'models/stories260K')
export const hasModel = existsSync(modelDir)

export const readGolden = <T>(name: string): T =>
  JSON.parse(readFileSync(join(import.meta.dirname, 'goldens', name), 'utf8')) as T

export const fromBase64 = (text: string): Float32Array =>
  new Float32Array(Uint8Array.from(Buffer.from(text, 'base64')).buffer)

/** The largest difference of two elements. */
export const apart = (a: ArrayLike<number>, b: ArrayLike<number>): number =>
  Array.from(a).reduce((most, x, i) => Math.max(most, Math.abs(x - b[i]!)), 0)

/** B A of a module, `[out, in]`. */
export function product({ loraA, loraB }: Parts<Float32Array>, r: number): Float32Array {
  const columns = loraA.length / r
  return Float32Array.from({ length: (loraB.length / r) * columns }, (_, at) => {
    let sum = 0
    for (let k = 0; k < r; k++) sum += loraB[Math.floor(at / columns) * r + k]! * loraA[k * columns + (at % columns)]!
    return sum
  })
}

/** The rows that PEFT was trained on. */
export function peftSamples(): Sample[] {
  const { rows } = readGolden<{ rows: { ids: number[]; promptLength: number }[] }>('gsm8k-rows-stories260K.json')
  return rows.map(({ ids, promptLength }, row) => ({
    ids: Int32Array.from(ids),
    labels: Int32Array.from(ids, (id, i) => (i < promptLength ? -100 : id)),
    row,
  }))
}

/** A step as PEFT's goldens were trained. */
export const stepOf = (config: LoraConfig): TrainingStep =>
  new TrainingStep(base, {
    lora: config,
    adamw: { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0 },
    maxGradNorm: 1,
  })

/** Eight samples a step, or some of them. */
export const batchOf = (samples: readonly Sample[], step: number, from = 0, count = 8): Batch =>
  collate(
    samples,
    Array.from({ length: count }, (_, i) => 8 * (step - 1) + from + i),
    { padId: 0 },
  )

/** What a golden says of scores: tokens, and how many of the last rows of their logits it has. */
export interface GoldenScores {
  readonly tokens: number[]
  readonly rows: number
}

/** A decoder's logits of these tokens, of the last rows. */
export async function scoresOf(decoder: Decoder, { tokens, rows }: GoldenScores): Promise<Float32Array> {
  const ids = tensor(Int32Array.from(tokens), { shape: [1, tokens.length], dtype: 'i32', device })
  const { hidden } = decode(decoder, { tokens: ids })
  const all = (await logits(decoder, hidden).data()) as Float32Array
  return all.slice(-rows * decoder.config.vocabSize)
}

export let device: Device
export let model: OpenModel
export let base: Decoder
/** A folder of the file's own. */
export let out: string

/** Opens the model for the tests of the `describe` that calls it. */
export function setUp(options: { readonly quantize?: 'int8' } = {}): void {
  beforeAll(async () => {
    out = mkdtempSync(join(tmpdir(), 'jora-peft-'))
    device = await openCpuDevice()
    setDefaultDevice(device)
    model = await openModel(modelDir, { local: true, ...options })
    base = await model.decoder(device, 'f32')
  })
  afterAll(async () => {
    await model[Symbol.asyncDispose]()
    await device.close()
    rmSync(out, { recursive: true, force: true })
  })
}
