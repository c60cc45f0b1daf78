// LoftQ against PEFT: matrices in 4 and 8 bits, and 20 steps beside a base that was quantised anew, with the files they become.
import { mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { openModel, type Decoder } from '@jora/llama'
import { valuesOf, type Tensor } from '@jora/tensor'
import { decodeFloats, encodeFloats, openSafetensors } from '@jora/tensor/safetensors'
import { quantisedValues } from '@jora/tensor/weights'
import { describe, expect, test } from 'vitest'
import {
  apart,
  base,
  batchOf,
  device,
  fromBase64,
  hasModel,
  model,
  modelDir,
  out,
  peftSamples,
  product,
  readGolden,
  scoresOf,
  setUp,
  stepOf,
} from '../../../test/beside-peft'
import { formula } from '../../../test/formula'
import {
  initState,
  JoraConfig,
  loadAdapter,
  methodOf,
  peftName,
  readTaken,
  savePeftAdapter,
  startAdapter,
  withAdapter,
  type Adapter,
  type LoraConfig,
} from '../../index'
import { combineAdapters } from '../combine'
import { downloadAdapter, uploadParts, type LowRankArrays } from '../host'
import type { Parts } from '../methods/method'
import { adaptedModules } from '../target-modules'
import { fitBase, fittedSource, fittedWeight, originalWeight, takenBefore } from './base'
import { baseWeights } from './files'

interface Matrices {
  weight: { shape: [number, number]; scale: number }
  rank: number
  every: number
  cases: { bits: 4 | 8; iterations: number; error: number; quantised: string; product: string }[]
}
const matrices = readGolden<Matrices>('loftq.json')

test.each(matrices.cases)('$bits bits, $iterations rounds: base and product are PEFT’s', (golden) => {
  const { bits, iterations } = golden
  const [rows, columns] = matrices.weight.shape
  const weight = formula('loftq.weight', rows * columns, matrices.weight.scale)
  // Before it makes bytes of them, bitsandbytes rounds rows to 16 bits.
  const rounded = (matrix: Float32Array) => (bits === 4 ? matrix : decodeFloats(encodeFloats(matrix, 'F16'), 'F16'))
  const quantised = (matrix: Float32Array) =>
    quantisedValues(rounded(matrix), columns, bits === 4 ? 'nf4' : 'int8', false)
  const shape = { rows, columns, r: matrices.rank }
  // At half the scale A and B are larger, so that their product with it is the same.
  for (const scale of [1, 0.5]) {
    const taken = takenBefore(weight, shape, scale, iterations, quantised)
    const before = taken && product(taken, matrices.rank)
    const base = quantised(weight.map((x, i) => x - scale * (before?.[i] ?? 0)))
    const config: LoraConfig = {
      r: matrices.rank,
      alpha: scale * matrices.rank,
      dropout: 0,
      targetModules: ['q_proj'],
      useRslora: false,
      initLoraWeights: 'loftq',
      loftqConfig: { bits, iterations },
    }
    const module = { name: 'model.layers.0.self_attn.q_proj', inFeatures: columns, outFeatures: rows }
    const error = weight.map((x, i) => x - base[i]!)
    const made = product(methodOf(config).init(module, config, 1, error), matrices.rank).map((x) => scale * x)
    const some = (values: Float32Array) => values.filter((_, i) => Math.floor(i / columns) % matrices.every === 0)
    expect(apart(some(base), fromBase64(golden.quantised))).toBeLessThan(1e-6)
    expect(apart(some(made), fromBase64(golden.product))).toBeLessThan(1e-5)
    expect(Math.hypot(...error.map((x, i) => x - made[i]!))).toBeCloseTo(golden.error, 4)
  }
})

interface Golden {
  config: { r: number; lora_alpha: number; loftq_config: unknown }
  optimizer: { learningRate: number }
  steps: { loss: number; gradNorm: number }[]
  distanceMoved: number
  merged: { tokens: number[]; rows: number; logits: string }
  tensors: Record<string, { shape: number[]; initial: string; final: string }>
}

describe.skipIf(!hasModel)('against PEFT on stories260K in 8 bits (needs ../shared)', () => {
  const golden = readGolden<Golden>('stories260K-loftq.json')
  const config: LoraConfig = {
    r: 2,
    alpha: 2,
    dropout: 0,
    targetModules: 'all-linear',
    useRslora: false,
    initLoraWeights: 'loftq',
    loftqConfig: { bits: 8, iterations: 1 },
  }
  setUp({ quantize: 'int8' })

  const goldenParts = (module: string, which: 'initial' | 'final'): Parts<Float32Array> => ({
    loraA: fromBase64(golden.tensors[peftName(module, 'loraA')]![which]),
    loraB: fromBase64(golden.tensors[peftName(module, 'loraB')]![which]),
  })

  test('begins where PEFT does', async () => {
    const own = await downloadAdapter(
      await startAdapter(base, config, 1, device, (name) => originalWeight(model.weights, name)),
    )
    for (const [module, parts] of Object.entries(own)) {
      const [mine, theirs] = [product(parts as Parts<Float32Array>, 2), product(goldenParts(module, 'initial'), 2)]
      expect(apart(mine, theirs), module).toBeLessThan(1e-3 * Math.max(...theirs.map(Math.abs)))
    }
    await expect(startAdapter(base, config, 1, device)).rejects.toThrow(
      /starts from the weights that the base is quantised from/,
    )
  })

  test('20 steps equal PEFT’s, and so do the adapter read again and the merged model', async () => {
    const adapter: Adapter = Object.fromEntries(
      adaptedModules(model.config, config).map(({ name }) => [
        name,
        uploadParts(goldenParts(name, 'initial'), 2, device),
      ]),
    )
    const samples = peftSamples()
    const stepper = stepOf(config)
    let state = initState(adapter)
    for (const [i, { loss, gradNorm }] of golden.steps.entries()) {
      const batch = batchOf(samples, i + 1)
      const result = stepper.run(state, [batch], { step: i + 1, learningRate: golden.optimizer.learningRate, seed: 1 })
      state = result.state
      expect(Math.abs((await result.loss.item()) - loss), `loss of step ${i + 1}`).toBeLessThan(1e-4)
      expect(Math.abs((await result.gradNorm.item()) / gradNorm - 1), `norm of step ${i + 1}`).toBeLessThan(1e-3)
    }
    stepper.dispose()
    let off = 0
    for (const [module, parts] of Object.entries((await downloadAdapter(state.adapter)) as LowRankArrays)) {
      const theirs = goldenParts(module, 'final')
      for (const part of ['loraA', 'loraB'] as const)
        theirs[part].forEach((x, i) => (off += (parts[part][i]! - x) ** 2))
    }
    expect(Math.sqrt(off) / golden.distanceMoved).toBeLessThan(1e-3)

    const theirs = fromBase64(golden.merged.logits)
    mkdirSync(join(out, 'adapter'))
    await savePeftAdapter(join(out, 'adapter'), state.adapter, config, { baseModel: 'x' })
    const json = JSON.parse(readFileSync(join(out, 'adapter/adapter_config.json'), 'utf8')) as Record<string, unknown>
    expect(json).toMatchObject({ ...golden.config, init_lora_weights: true })
    await using file = await openSafetensors(join(out, 'adapter/adapter_model.safetensors'))
    expect([...file.tensors.keys()].sort()).toEqual(Object.keys(golden.tensors).sort())

    const read = await loadAdapter(join(out, 'adapter'), model.config, device)
    expect(read.config).toMatchObject({ initLoraWeights: 'loftq', loftqConfig: { bits: 8, iterations: 1 } })
    expect(await baseWeights(join(out, 'adapter'), model)).toBeUndefined()
    expect(apart(await scoresOf(withAdapter(base, read.adapter, read.config), golden.merged), theirs)).toBeLessThan(
      2e-3,
    )

    await using plain = await openModel(modelDir, { local: true })
    await expect(baseWeights(join(out, 'adapter'), plain)).rejects.toThrow(
      /was started by LoftQ, and belongs to a base in 8 bits: open .* with quantize int8/,
    )
    const host = (await downloadAdapter(state.adapter)) as LowRankArrays
    expect(() => combineAdapters([{ name: 'a', weight: 1, adapter: host, config }], model.config)).toThrow(
      /a was started by LoftQ/,
    )
  })

  test('after two rounds the base is another, which its files tell, and lacks less', async () => {
    const twice: LoraConfig = { ...config, loftqConfig: { bits: 8, iterations: 2 } }
    const taken = (await fitBase(model.weights, model.config, twice))!
    const source = fittedSource(model.weights, taken, twice)
    const fitted = await model.decoder(device, 'f32', 'trained', source)
    const original = (name: string) => originalWeight(model.weights, name)
    const adapter = await startAdapter(fitted, twice, 1, device, original)
    const folder = join(out, 'twice')
    mkdirSync(folder)
    await savePeftAdapter(folder, adapter, twice, { baseModel: 'x', taken })
    const read = await loadAdapter(folder, model.config, device)
    const again = await model.decoder(device, 'f32', 'asked', await baseWeights(folder, model))
    expect(await scoresOf(withAdapter(again, read.adapter, read.config), golden.merged)).toEqual(
      await scoresOf(withAdapter(fitted, adapter, twice), golden.merged),
    )
    // Merged, each weight is what the decoder computes with; with the adapter it is nearer to the model's own than after one round.
    const kept = await readTaken(folder, model.config, read.config)
    const name = 'model.layers.1.mlp.down_proj'
    const valuesAt = async (decoder: Decoder) =>
      (await (valuesOf(decoder.weights[`${name}.weight`]!, 'f32') as Tensor).data()) as Float32Array
    expect(apart((await fittedWeight(model.weights, name, read.config, kept))!, await valuesAt(fitted))).toBeLessThan(
      1e-6,
    )
    const weight = await original(`${name}.weight`)
    const errorOf = async (decoder: Decoder, of: Adapter) => {
      const [values, made] = [await valuesAt(decoder), (await downloadAdapter(of))[name] as Parts<Float32Array>]
      const added = product(made, 2)
      return Math.hypot(...weight.map((x, i) => x - values[i]! - added[i]!))
    }
    const once = await startAdapter(base, config, 1, device, original)
    expect(await errorOf(fitted, adapter)).toBeLessThan(await errorOf(base, once))
  })
})

test('settings that do not go together are refused', () => {
  const of = (settings: object) => () => new JoraConfig({ modelPath: 'x', ...settings })
  expect(of({ initLoraWeights: 'loftq' })).toThrow(/initLoraWeights is loftq, expected quantize nf4 or int8 beside it/)
  expect(of({ loftqIter: 3, quantize: 'nf4' })).toThrow(
    /loftqIter is 3 beside initLoraWeights default, expected initLoraWeights loftq/,
  )
  expect(of({ initLoraWeights: 'loftq', quantize: 'nf4', useDora: true })).toThrow(
    /initLoraWeights is loftq beside useDora/,
  )
  expect(of({ initLoraWeights: 'loftq', quantize: 'nf4', loftqIter: 5 })().train.lora.loftqConfig).toEqual({
    bits: 4,
    iterations: 5,
  })
})
