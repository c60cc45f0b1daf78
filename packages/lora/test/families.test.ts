// Every decoder family with an adapter, against plain torch and against transformers with PEFT: logits, loss and the
// gradients of all adapter tensors.
import { softwareVulkan } from '@jora-tooling/software-gpu'
import { decode, loadModel, logits, parseConfig, tokenLosses, weightShapes, type Decoder } from '@jora/llama'
import { Mesh, MeshDevice } from '@jora/shard'
import {
  disposeTree,
  div,
  jit,
  setDefaultDevice,
  sizeOf,
  sum,
  tensor,
  valueAndGrad,
  type Device,
  type Tensor,
} from '@jora/tensor'
import { openCpuDevice } from '@jora/tensor/onnx'
import { findAdapter, openWebGpuDevice } from '@jora/tensor/webgpu'
import { writeSafetensors } from '@jora/tensor/safetensors'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { adaptedModules, loraLinear, peftName, type Adapter, type LoraConfig, lowRankOf } from '../src/index'
import { formula } from './formula'

interface Golden {
  readonly formulaInputs: { readonly scale: number }
  readonly lora: { readonly r: number; readonly alpha: number; readonly targets: readonly string[] | 'all-linear' }
  readonly ids: readonly (readonly number[])[]
  readonly labels: readonly (readonly number[])[]
  readonly cases: readonly {
    readonly name: string
    readonly config: Readonly<Record<string, unknown>>
    readonly adaptedLogits: string
    readonly loss: number
    readonly gradients: Readonly<Record<string, string>>
  }[]
}

const read = (name: string): Golden =>
  JSON.parse(readFileSync(`${import.meta.dirname}/goldens/${name}.json`, 'utf8')) as Golden
const ofGolden = (golden: Golden, by: string) =>
  golden.cases.map((c) => ({ ...golden, ...c, title: `${c.name} equals ${by}` }))
const allCases = [
  ...ofGolden(read('families'), 'plain torch'),
  ...ofGolden(read('transformers-families'), 'transformers with PEFT'),
  ...ofGolden(read('stretched'), 'transformers with PEFT'),
]
type Case = (typeof allCases)[number]
/** All goldens' weights are within it. */
const { scale } = allCases[0]!.formulaInputs

const fromBase64 = (text: string): Float32Array => new Float32Array(Uint8Array.from(Buffer.from(text, 'base64')).buffer)
const worst = (a: ArrayLike<number>, b: Float32Array): number =>
  b.reduce((most, value, i) => Math.max(most, Math.abs(value - a[i]!)), 0)
const largest = (x: Float32Array): number => x.reduce((most, value) => Math.max(most, Math.abs(value)), 0)

/** Writes the model as a folder, so that a mesh reads each device's part of it. */
async function writeModel(folder: string, raw: Readonly<Record<string, unknown>>): Promise<void> {
  writeFileSync(join(folder, 'config.json'), JSON.stringify(raw))
  const isGemma = String(raw.model_type).startsWith('gemma')
  const entries = [...weightShapes(parseConfig(raw))].map(([name, shape]) => {
    const base = name.endsWith('norm.weight') && !isGemma ? 1 : 0
    const data = new Uint8Array(formula(name, sizeOf(shape), scale, base).buffer)
    return { name, dtype: 'F32' as const, shape, data }
  })
  await writeSafetensors(join(folder, 'model.safetensors'), entries, { format: 'pt' })
}

function adapterOf({ config }: Decoder, lora: LoraConfig): Adapter {
  const part = (name: string, shape: readonly number[]) => tensor(formula(name, sizeOf(shape), scale), { shape })
  return Object.fromEntries(
    adaptedModules(config, lora).map(({ name, inFeatures, outFeatures }) => [
      name,
      {
        loraA: part(peftName(name, 'loraA'), [lora.r, inFeatures]),
        loraB: part(peftName(name, 'loraB'), [outFeatures, lora.r]),
      },
    ]),
  )
}

/** Where a token is learned: the position before it, and the token. */
const learnedOf = ({ labels }: Case) =>
  labels.flatMap((row, b) =>
    row.flatMap((label, i) => (i > 0 && label >= 0 ? [{ at: b * row.length + i - 1, label }] : [])),
  )

await softwareVulkan()
const backends = [
  { backend: 'CPU', open: (): Promise<Device> => openCpuDevice({ threads: 1 }), cases: allCases, there: true },
  {
    backend: 'WebGPU',
    open: (): Promise<Device> => openWebGpuDevice(),
    // What the others do is in its kernels too, but for a bias and the norms of heads.
    cases: allCases.filter(({ name }) => name === 'gemma 2'),
    there: (await findAdapter()) !== undefined,
  },
  {
    backend: 'two CPU devices',
    open: async (): Promise<Device> => {
      const devices = [await openCpuDevice({ threads: 1 }), await openCpuDevice({ threads: 1 })]
      return new MeshDevice(new Mesh(['data', 'model'], [1, 2]), { devices })
    },
    // What positions come to is computed before anything is split.
    cases: allCases.filter(({ name }) => !name.includes('stretched')),
    there: true,
  },
]

describe.each(backends)('$backend', ({ open, cases, there, backend }) => {
  let device: Device
  let folder: string
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'jora-families-'))
    if (there) setDefaultDevice((device = await open()))
  })
  afterAll(async () => {
    rmSync(folder, { recursive: true })
    await device?.close()
  })

  test.for(cases)('$title', async (c, ctx) => {
    ctx.skip(!there, `needs a ${backend} adapter`)
    await writeModel(folder, c.config)
    const decoder = await loadModel(folder, { device })
    const lora: LoraConfig = { ...c.lora, dropout: 0, targetModules: c.lora.targets, useRslora: false }
    const adapter = adapterOf(decoder, lora)
    const learned = learnedOf(c)
    const tokens = tensor(Int32Array.from(c.ids.flat()), { shape: [c.ids.length, c.ids[0]!.length] })
    const labelRows = tensor(Int32Array.from(learned, ({ at }) => at))
    const labels = tensor(Int32Array.from(learned, ({ label }) => label))
    const run = jit((pairs: Adapter, ids: Tensor, at: Tensor, wanted: Tensor) => {
      const adapted = (of: Adapter): Decoder => ({ ...decoder, linear: loraLinear(of, lora) })
      const lossOf = (of: Adapter) =>
        div(sum(tokenLosses(adapted(of), { tokens: ids }, { labelRows: at, labels: wanted })), learned.length)
      const [loss, gradients] = valueAndGrad(lossOf)(pairs)
      return { loss, gradients, logits: logits(adapted(pairs), decode(adapted(pairs), { tokens: ids }).hidden) }
    })
    const result = run(adapter, tokens, labelRows, labels)
    expect(worst(await result.logits.data(), fromBase64(c.adaptedLogits))).toBeLessThan(1e-4)
    expect(Math.abs((await result.loss.data())[0]! - c.loss)).toBeLessThan(1e-4)
    const names = new Set(Object.keys(c.gradients))
    for (const [module, pair] of Object.entries(lowRankOf(result.gradients))) {
      for (const part of ['loraA', 'loraB'] as const) {
        const name = peftName(module, part)
        const expected = fromBase64(c.gradients[name]!)
        names.delete(name)
        expect([name, worst(await pair[part].data(), expected) < 1e-4 * largest(expected)]).toEqual([name, true])
      }
    }
    expect(names.size).toBe(0)
    disposeTree([decoder.weights, adapter, tokens, labelRows, labels, result])
  })
})
