// The decoder against llama2.c, transformers.js and a plain torch Llama.
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { jit, setDefaultDevice, tensor, type Device, type Tensor } from '@jora/tensor'
import { openCpuDevice } from '@jora/tensor/onnx'
import { decode, Generator, loadModel, logits, parseConfig, weightShapes } from './index'

const shared = process.env.JORA_SHARED ?? join(import.meta.dirname, '../../../../shared')
const hasShared = existsSync(join(shared, 'models/stories260K'))
const goldens = join(import.meta.dirname, '../test/goldens')
const readJson = <T>(path: string): T => JSON.parse(readFileSync(path, 'utf8')) as T

let device: Device
beforeAll(async () => {
  device = await openCpuDevice()
  setDefaultDevice(device)
})
afterAll(() => device.close())

interface GoldenCase {
  name: string
  config: Record<string, unknown>
  ids: number[][]
  logits: string
}
interface RandomLlamas {
  formulaInputs: { scale: number }
  cases: GoldenCase[]
}

const hash32 = (x: number): number => {
  x = Math.imul(x ^ (x >>> 16), 0x7feb352d)
  x = Math.imul(x ^ (x >>> 15), 0x846ca68b)
  return (x ^ (x >>> 16)) >>> 0
}
function formula(name: string, shape: readonly number[], scale: number, gemma: boolean): Tensor {
  const bytes = new TextEncoder().encode(name)
  let seed = 0x811c9dc5
  for (const byte of bytes) seed = Math.imul(seed ^ byte, 0x01000193) >>> 0
  const start = hash32(seed)
  const base = name.endsWith('norm.weight') && !gemma ? 1 : 0
  const size = shape.reduce((a, b) => a * b, 1)
  return tensor(
    Float32Array.from({ length: size }, (_, i) => base + scale * (hash32((start + i) >>> 0) / 2 ** 31 - 1)),
    { shape, label: name },
  )
}

const families = readJson<Omit<RandomLlamas, 'cases'> & { ids: number[][]; cases: Omit<GoldenCase, 'ids'>[] }>(
  join(goldens, 'families.json'),
)
describe('random models equal plain torch', () => {
  const { cases, formulaInputs } = readJson<RandomLlamas>(join(goldens, 'random-llamas.json'))
  const ofFamilies = families.cases.map((c) => ({ ...c, ids: families.ids }))
  test.each([...cases, ...ofFamilies])('$name', async (c) => {
    const config = parseConfig(c.config)
    const weights = Object.fromEntries(
      [...weightShapes(config)].map(([name, shape]) => [
        name,
        formula(name, shape, formulaInputs.scale, config.normOffset === 1),
      ]),
    )
    const decoder = { config, weights }
    const tokens = tensor(Int32Array.from(c.ids.flat()), { shape: [c.ids.length, c.ids[0]!.length] })
    const actual = await jit((ids: Tensor) => logits(decoder, decode(decoder, { tokens: ids }).hidden))(tokens).data()
    const expected = new Float32Array(Uint8Array.from(Buffer.from(c.logits, 'base64')).buffer)
    expect(actual.length).toBe(expected.length)
    const worst = expected.reduce((w, v, i) => Math.max(w, Math.abs(v - actual[i]!)), 0)
    expect(worst).toBeLessThan(1e-4)
  })
})

describe.skipIf(!hasShared)('pretrained models (needs ../shared)', () => {
  test('stories260K: logits and greedy text equal llama2.c', async () => {
    const golden = readJson<{
      tokens_in: number[]
      argmax: number[]
      logits_first8: number[][]
      mean_ce_next_token: number
    }>(join(shared, 'goldens/stories260K_llama2c.json'))
    const model = await loadModel(join(shared, 'models/stories260K'))
    const tokens = tensor(Int32Array.from(golden.tokens_in), { shape: [1, golden.tokens_in.length] })
    const all = await jit((ids: Tensor) => logits(model, decode(model, { tokens: ids }).hidden))(tokens).data()
    const rows = Object.values(golden).find((v): v is number[][] => Array.isArray(v) && Array.isArray(v[0]))!
    let worst = 0
    rows.forEach((row, i) => row.forEach((v, k) => (worst = Math.max(worst, Math.abs(v - all[i * 512 + k]!)))))
    expect(worst).toBeLessThan(1e-3)
    const [result] = await new Generator(model).generate([[1]], { maxNewTokens: golden.argmax.length, stopIds: [] })
    expect(result!.ids).toEqual(golden.argmax)
  })

  test('tiny-random-llama: greedy ids equal transformers.js, alone and in one batch', async () => {
    const folder = join(shared, 'models/tiny-random-llama')
    const model = await loadModel(folder)
    const { cases } = readJson<{ cases: { ids: number[] }[] }>(join(folder, 'golden_transformersjs.json'))
    const prompts = cases.map(({ ids }, i) => ids.slice(0, 2 + i))
    const generator = new Generator(model)
    const together = await generator.generate(prompts, { maxNewTokens: 8 })
    for (const [i, { ids }] of cases.entries()) {
      const expected = ids.slice(prompts[i]!.length)
      expect(together[i]!.ids.slice(0, expected.length)).toEqual(expected)
      const [alone] = await generator.generate([prompts[i]!], { maxNewTokens: 8 })
      expect(alone!.ids).toEqual(together[i]!.ids)
    }
  })
})
