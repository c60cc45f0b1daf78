// Adapters combined as PEFT's add_weighted_adapter combines them, and what cannot be combined.
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { mkdir } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describeModel } from '@jora/llama'
import { beforeAll, describe, expect, test } from 'vitest'
import { formula } from '../../test/formula'
import type { LoraConfig } from '../settings/lora-config'
import type { LowRankArrays } from './host'
import { combineAdapterFolders, combineAdapters, type CombinationName, type WeightedAdapter } from './combine'
import { arrayEntries } from './peft/peft'
import { peftConfig } from './peft/peft-config'
import { writePeftFiles } from './peft/peft-folder'
import { peftName } from './peft/peft-names'
import { readAdapter } from './read-adapter'
import { adaptedModules } from './target-modules'

const shared = process.env.JORA_SHARED ?? join(import.meta.dirname, '../../../../../shared')
const modelDir = join(shared, 'models/stories260K')

interface Golden {
  adapters: Record<string, { r: number; lora_alpha: number; target_modules: string[]; layers_to_transform: number[] }>
  weights: number[]
  cases: Record<
    CombinationName,
    { r: number; alpha: number; modules: Record<string, { loraA?: string; loraB?: string; product?: string }> }
  >
}
const golden = JSON.parse(
  readFileSync(join(import.meta.dirname, '../../test/goldens/combinations.json'), 'utf8'),
) as Golden

const decoded = (text: string) => new Float32Array(Uint8Array.from(Buffer.from(text, 'base64')).buffer)
const apart = (a: ArrayLike<number>, b: ArrayLike<number>) =>
  Array.from(a).reduce((most, x, i) => Math.max(most, Math.abs(x - b[i]!)), a.length === b.length ? 0 : Infinity)
/** B A, `[out, in]`. */
const productOf = ({ loraA, loraB }: LowRankArrays[string], r: number) => {
  const columns = loraA.length / r
  return Float32Array.from({ length: (loraB.length / r) * columns }, (_, at) => {
    let sum = 0
    for (let k = 0; k < r; k++) sum += loraB[Math.floor(at / columns) * r + k]! * loraA[k * columns + (at % columns)]!
    return sum
  })
}

describe.skipIf(!existsSync(modelDir))('on stories260K (needs ../shared)', () => {
  let model: Awaited<ReturnType<typeof describeModel>>['config']
  let adapters: (WeightedAdapter & { config: LoraConfig })[]
  beforeAll(async () => {
    model = (await describeModel(modelDir, { local: true })).config
    adapters = Object.entries(golden.adapters).map(([name, { r, lora_alpha: alpha, ...targets }], i) => {
      const { target_modules: targetModules, layers_to_transform: layersToTransform } = targets
      const config = { r, alpha, dropout: 0, targetModules, layersToTransform, useRslora: false }
      const adapter = Object.fromEntries(
        adaptedModules(model, config).map(({ name: module, inFeatures, outFeatures }) => {
          const fill = (part: 'loraA' | 'loraB', size: number) =>
            formula(`${name} ${peftName(module, part)}`, size, 0.3)
          return [module, { loraA: fill('loraA', r * inFeatures), loraB: fill('loraB', outFeatures * r) }]
        }),
      )
      return { name, weight: golden.weights[i]!, adapter, config }
    })
  })

  test.each(['linear', 'cat', 'svd'] as const)('%s is what PEFT makes', (method) => {
    const wanted = golden.cases[method]
    const { adapter, config } = combineAdapters(adapters, model, { method })
    expect({ r: config.r, alpha: config.alpha }).toEqual({ r: wanted.r, alpha: wanted.alpha })
    expect(Object.keys(adapter).sort()).toEqual(Object.keys(wanted.modules).sort())
    for (const [module, { loraA, loraB, product }] of Object.entries(wanted.modules)) {
      if (product !== undefined)
        expect(apart(productOf(adapter[module]!, config.r), decoded(product))).toBeLessThan(1e-6)
      else {
        expect(apart(adapter[module]!.loraA, decoded(loraA!))).toBeLessThan(1e-6)
        expect(apart(adapter[module]!.loraB, decoded(loraB!))).toBeLessThan(1e-6)
      }
    }
  })

  test('svd of full rank is the sum that cat is', () => {
    const [cat, svd] = [combineAdapters(adapters, model), combineAdapters(adapters, model, { method: 'svd', rank: 4 })]
    for (const [module, parts] of Object.entries(cat.adapter))
      expect(apart(productOf(parts, 4), productOf(svd.adapter[module]!, 4))).toBeLessThan(1e-5)
  })

  test('folders become one folder, which reads as what was combined', async () => {
    const root = mkdtempSync(join(tmpdir(), 'jora-combine-'))
    try {
      for (const { name, adapter, config } of adapters) {
        await mkdir(join(root, name))
        const info = { baseModel: modelDir }
        await writePeftFiles(
          join(root, name),
          arrayEntries(adapter, config),
          peftConfig(config, Object.keys(adapter), info),
        )
      }
      const inputs = adapters.map(({ name, weight }) => ({ folder: join(root, name), weight }))
      const outputDir = join(root, 'both')
      await combineAdapterFolders({ inputs, model, outputDir })
      const read = await readAdapter(outputDir, model)
      const made = combineAdapters(adapters, model)
      expect(read.adapter).toEqual(made.adapter)
      expect(read).toMatchObject({ baseModel: modelDir, config: { r: 4, alpha: 4 } })
      await expect(combineAdapterFolders({ inputs, model, outputDir })).rejects.toThrow(/both is not empty/)
    } finally {
      rmSync(root, { recursive: true })
    }
  })

  test('what cannot be combined is refused, and named', () => {
    const [first, second] = adapters as [WeightedAdapter, WeightedAdapter]
    const other = { ...second, config: { ...second.config, r: 1 } }
    expect(() => combineAdapters([first, other], model, { method: 'linear' })).toThrow(/ranks 2, 1, expected equal/)
    expect(() => combineAdapters([first], model, { rank: 8 })).toThrow(/rank is 8 beside cat/)
    expect(() => combineAdapters([{ ...first, weight: NaN }], model)).toThrow(/weight of first is NaN/)
    const dora = Object.fromEntries(
      Object.entries(first.adapter).map(([module, parts]) => [module, { ...parts, magnitude: new Float32Array(1) }]),
    )
    expect(() => combineAdapters([{ ...first, adapter: dora }], model)).toThrow(/first is a DoRA adapter/)
  })
})
