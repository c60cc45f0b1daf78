// Embedding and head trained whole, or by rows, against PEFT: 20 AdamW steps on real rows, and the files and models they become.
import { mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { Generator, parseConfig } from '@jora/llama'
import { tensor, type Tensor } from '@jora/tensor'
import { openSafetensors } from '@jora/tensor/safetensors'
import { describe, expect, test } from 'vitest'
import { tinyConfig } from '../../../../llama/test/tiny-model'
import {
  apart,
  base,
  batchOf,
  device,
  fromBase64,
  hasModel,
  out,
  peftSamples,
  readGolden,
  scoresOf,
  setUp,
  stepOf,
} from '../../../test/beside-peft'
import { formula } from '../../../test/formula'
import {
  adapterArgument,
  defaultTrainConfig,
  initState,
  isLowRank,
  loadAdapter,
  loadCheckpoint,
  loraLinear,
  parsePeftAdapter,
  parsePeftConfig,
  peftName,
  readAdapter,
  replacedWeights,
  saveCheckpoint,
  savePeftAdapter,
  serializePeftAdapter,
  startAdapter,
  trainedNumbers,
  withAdapter,
  withArgument,
  type Adapter,
  type AdapterArgument,
  type LoraConfig,
} from '../../index'
import { checkTrainConfig } from '../../settings/train-config'
import { downloadAdapter, uploadModule, type ModuleArrays } from '../host'
import { combineAdapters } from '../combine'

interface Golden {
  config: Record<string, unknown>
  optimizer: { learningRate: number }
  steps: { loss: number; gradNorm: number }[]
  every: number
  distanceMoved: Record<string, number>
  tied: boolean
  merged: { tokens: number[]; rows: number; logits: string }
  tensors: Record<string, { shape: number[]; final: string }>
}

const common: LoraConfig = { r: 2, alpha: 4, dropout: 0, targetModules: ['q_proj'], useRslora: false }
const kinds: Readonly<Record<string, LoraConfig>> = {
  modules: { ...common, modulesToSave: ['embed_tokens', 'lm_head'] },
  tied: { ...common, modulesToSave: ['embed_tokens'], ensureWeightTying: true },
  tokens: { ...common, trainableTokenIndices: [447, 3, 261, 403] },
}

describe.skipIf(!hasModel)('against PEFT on stories260K (needs ../shared)', () => {
  setUp()
  const samples = hasModel ? peftSamples() : []

  /** As the golden begins: A by the formula, B zero, what is replaced as the model has it. */
  async function startOf(config: LoraConfig): Promise<Adapter> {
    const own = await downloadAdapter(await startAdapter(base, config, 1, device))
    const begin = (module: string, parts: ModuleArrays): ModuleArrays =>
      isLowRank(parts) ? { ...parts, loraA: formula(peftName(module, 'loraA'), parts.loraA.length, 0.125) } : parts
    return Object.fromEntries(
      Object.entries(own).map(([module, parts]) => [module, uploadModule(begin(module, parts), config.r, device)]),
    )
  }

  const batch = (...place: [step: number, from?: number, count?: number]) => batchOf(samples, ...place)

  describe.each(Object.entries(kinds))('%s', (name, config) => {
    const golden = readGolden<Golden>(`stories260K-${name}.json`)

    test('20 steps equal PEFT’s, and so do the files and the merged model', async () => {
      const stepper = stepOf(config)
      let state = initState(await startOf(config))
      for (const [i, { loss, gradNorm }] of golden.steps.entries()) {
        const rate = golden.optimizer.learningRate
        const result = stepper.run(state, [batch(i + 1)], { step: i + 1, learningRate: rate, seed: 1 })
        state = result.state
        expect(Math.abs((await result.loss.item()) - loss), `loss of step ${i + 1}`).toBeLessThan(1e-4)
        expect(Math.abs((await result.gradNorm.item()) / gradNorm - 1), `norm of step ${i + 1}`).toBeLessThan(1e-3)
      }
      stepper.dispose()

      // What is written is what PEFT writes.
      const folder = join(out, name)
      mkdirSync(folder)
      await savePeftAdapter(folder, state.adapter, config, { baseModel: 'x' })
      const json = JSON.parse(readFileSync(join(folder, 'adapter_config.json'), 'utf8')) as Record<string, unknown>
      const { modules_to_save: saved, ...rest } = golden.config
      // PEFT adds the whole name of an embedding that it ties.
      const named = (saved as string[] | null)?.filter((each) => !each.includes('.')) ?? null
      expect({ ensure_weight_tying: false, trainable_token_indices: null, ...json }).toMatchObject({
        ...rest,
        modules_to_save: named,
      })
      await using file = await openSafetensors(join(folder, 'adapter_model.safetensors'))
      expect([...file.tensors.keys()].sort()).toEqual(Object.keys(golden.tensors).sort())
      for (const [tensorName, { shape, final }] of Object.entries(golden.tensors)) {
        expect(file.tensors.get(tensorName)!.shape).toEqual(shape)
        const bytes = await file.read(tensorName)
        const values = new Float32Array(Uint8Array.from(bytes).buffer)
        const theirs = fromBase64(final)
        const columns = shape[1]!
        const isWhole = theirs.length === values.length
        const off = Math.hypot(
          ...theirs.map((x, i) => {
            const row = Math.floor(i / columns) * (isWhole ? 1 : golden.every)
            return values[row * columns + (i % columns)]! - x
          }),
        )
        expect(off / golden.distanceMoved[tensorName]!, tensorName).toBeLessThan(1e-3)
      }

      // Beside the base, read again, as an argument of a program, and merged.
      const theirs = fromBase64(golden.merged.logits)
      expect(apart(await scoresOf(withAdapter(base, state.adapter, config), golden.merged), theirs)).toBeLessThan(2e-3)
      const read = await loadAdapter(folder, base.config, device)
      const again = await scoresOf(withAdapter(base, read.adapter, read.config), golden.merged)
      expect(apart(again, theirs)).toBeLessThan(2e-3)
      const argument = adapterArgument(read.adapter, read.config, device, base.config)
      expect(apart(await scoresOf(withArgument(base, argument), golden.merged), again)).toBeLessThan(1e-5)
      const host = await readAdapter(folder, base.config)
      const replaced = replacedWeights(host.adapter, base.config, host.config)
      const [embedding, head] = await Promise.all(
        ['model.embed_tokens.weight', 'lm_head.weight'].map(async (weight) => {
          const values = Float32Array.from(await (base.weights['model.embed_tokens.weight'] as Tensor).data())
          // In two blocks, as exports do.
          const middle = 100 * 64
          replaced.get(weight)?.put(values.subarray(0, middle), 0)
          replaced.get(weight)?.put(values.subarray(middle), 100)
          return values
        }),
      )
      expect(replaced.get('model.embed_tokens.weight') === replaced.get('lm_head.weight')).toBe(golden.tied)
      const put = (data: Float32Array) => tensor(data, { shape: [512, 64], device })
      const merged = withAdapter(
        {
          ...base,
          config: { ...base.config, tiedHead: false },
          weights: { ...base.weights, 'model.embed_tokens.weight': put(embedding!), 'lm_head.weight': put(head!) },
        },
        Object.fromEntries(Object.entries(read.adapter).filter(([, parts]) => isLowRank(parts))),
        common,
      )
      expect(apart(await scoresOf(merged, golden.merged), theirs)).toBeLessThan(2e-3)

      // A page's files are the same, and the generator goes on as the scores say.
      const files = await serializePeftAdapter(state.adapter, config, { baseModel: 'x' })
      const { adapter: parsed } = await parsePeftAdapter(files, base.config)
      expect(parsed).toEqual(host.adapter)
      const generator = new Generator(base, device, (adapter, decoder) =>
        withArgument(decoder, adapter as AdapterArgument),
      )
      const one = { maxNewTokens: 1, stopIds: [], adapter: argument }
      const [generated] = await generator.generate([golden.merged.tokens], one)
      generator.dispose()
      const last = again.slice(-512)
      expect(generated!.ids).toEqual([last.indexOf(Math.max(...last))])
    })

    test('accumulates, and goes on from a checkpoint as if it had not stopped', async () => {
      const stepper = stepOf(config)
      const take = async (state: ReturnType<typeof initState>, step: number) => {
        const numbers = { step, learningRate: 3e-3, seed: 1 }
        const result = stepper.run(state, [batch(step, 0, 4), batch(step, 4, 4)], numbers)
        return { state: result.state, loss: await result.loss.item() }
      }
      const first = await take(initState(await startOf(config)), 1)
      expect(Math.abs(first.loss - golden.steps[0]!.loss)).toBeLessThan(1e-4)
      const progress = { step: 1, epoch: 0, epochStep: 1, seconds: 0, fingerprint: 'f' }
      const path = await saveCheckpoint(out, first.state, progress, config, { baseModel: 'x' })
      const { state: resumed } = await loadCheckpoint(join(out, path), base.config, config, 'f', device)
      const [whole, other] = [await take(first.state, 2), await take(resumed, 2)]
      expect(other.loss).toBe(whole.loss)
      expect(await downloadAdapter(other.state.adapter)).toEqual(await downloadAdapter(whole.state.adapter))
      stepper.dispose()
    })
  })

  test('a head of its own beside the embedding it was tied to, by rows', async () => {
    const config: LoraConfig = { ...common, trainableTokenIndices: { embed_tokens: [5, 7], lm_head: [9] } }
    const adapter = await startAdapter(base, config, 1, device)
    const tokens = [1, 5, 7, 9]
    const asked = { tokens, rows: 1, logits: '' }
    const plain = await scoresOf(base, asked)
    expect(apart(await scoresOf(withAdapter(base, adapter, config), asked), plain)).toBeLessThan(1e-5)
    // Only the score of token 9 follows the head's row, and only what reads tokens 5 and 7 the embedding's.
    const doubled = tensor(
      ((await (adapter.lm_head as { rows: Tensor }).rows.data()) as Float32Array).map((x) => 2 * x),
      { shape: [1, 64], device },
    )
    const changed = await scoresOf(withAdapter(base, { ...adapter, lm_head: { rows: doubled } }, config), asked)
    expect(changed[9]).toBeCloseTo(2 * plain[9]!, 4)
    expect(
      apart(
        changed.filter((_, i) => i !== 9),
        plain.filter((_, i) => i !== 9),
      ),
    ).toBeLessThan(1e-5)
  })

  test('what cannot be added or applied to linear layers alone is refused', async () => {
    const config = kinds.tied!
    const adapter = await startAdapter(base, config, 1, device)
    expect(() => loraLinear(adapter, config)).toThrow(/has a model\.embed_tokens of its own.*use withAdapter/)
    const host = await downloadAdapter(adapter)
    expect(() => combineAdapters([{ name: 'a', weight: 1, adapter: host, config }], base.config)).toThrow(
      /a has model\.embed_tokens of its own \(modules_to_save.*merge it/,
    )
  })
})

test('what PEFT writes of a tied embedding, of whole names and of LoftQ is read', () => {
  const config = { peft_type: 'LORA', r: 2, lora_alpha: 4, target_modules: ['q_proj'] }
  const read = (change: object) => parsePeftConfig({ ...config, ...change }, 'a.json')
  const tied = read({ modules_to_save: ['embed_tokens', 'model.embed_tokens'], ensure_weight_tying: true })
  expect(tied).toMatchObject({ modulesToSave: ['embed_tokens'], ensureWeightTying: true })
  expect(tied.kept).toBeUndefined()
  expect(read({ trainable_token_indices: { 'model.embed_tokens': [3], lm_head: [4] } })).toMatchObject({
    trainableTokenIndices: { embed_tokens: [3], lm_head: [4] },
  })
  expect(read({ loftq_config: { loftq_bits: 4, loftq_iter: 5 }, init_lora_weights: true })).toMatchObject({
    initLoraWeights: 'loftq',
    loftqConfig: { bits: 4, iterations: 5 },
  })
  expect(read({ modules_to_save: [], loftq_config: {}, ensure_weight_tying: true })).toMatchObject({
    kept: { loftq_config: {}, ensure_weight_tying: true },
  })
})

describe('settings that are refused before anything is read', () => {
  const tied = parseConfig({ ...tinyConfig, tie_word_embeddings: true })
  const untied = parseConfig({ ...tinyConfig, tie_word_embeddings: false })
  test.each([
    [
      untied,
      { modulesToSave: ['embed_tokens'], ensureWeightTying: true },
      /ensureWeightTying is true, expected a model whose head is tied/,
    ],
    [tied, { trainableTokenIndices: [48] }, /trainableTokenIndices has 48, expected ids of tokens, 0 to 47/],
    [tied, { trainableTokenIndices: [3, 4, 3] }, /trainableTokenIndices has 3 twice/],
    [tied, { trainableTokenIndices: [] }, /trainableTokenIndices is empty/],
    [
      tied,
      { trainableTokenIndices: [3], modulesToSave: ['lm_head'] },
      /rows of embed_tokens beside modulesToSave lm_head, expected one of them/,
    ],
    [untied, { trainableTokenIndices: [3], modulesToSave: ['embed_tokens'] }, /expected one of them/],
  ] as const)('%#', (model, settings, message) => {
    expect(() => trainedNumbers(model, { ...common, ...settings } as LoraConfig)).toThrow(message)
  })

  test('by themselves', () => {
    const check = (settings: Partial<LoraConfig>, change = {}) =>
      checkTrainConfig({ ...defaultTrainConfig, ...change, lora: { ...common, ...settings } })
    expect(() => check({ ensureWeightTying: true })).toThrow(
      /ensureWeightTying is true, expected modulesToSave beside it/,
    )
    expect(() => check({ modulesToSave: ['embed_tokens'] }, { optimizer: 'muon' })).toThrow(
      /optimizer is muon beside modulesToSave/,
    )
    expect(() => check({ trainableTokenIndices: [-1] })).toThrow(/trainableTokenIndices is .*, expected ids of tokens/)
    expect(() => check({ modulesToSave: ['norm' as 'lm_head'] })).toThrow(
      /modulesToSave is .*, expected some of embed_tokens, lm_head/,
    )
  })

  test('a head of its own stays so beside a trained embedding, and rows of both are trained apart', () => {
    expect(
      trainedNumbers(untied, { ...common, modulesToSave: ['embed_tokens'] }) - trainedNumbers(untied, common),
    ).toBe(48 * 32)
    const both = { ...common, trainableTokenIndices: { embed_tokens: [1, 2], lm_head: [1, 2] } }
    expect(trainedNumbers(untied, both) - trainedNumbers(untied, common)).toBe(4 * 32)
    expect(trainedNumbers(tied, both) - trainedNumbers(tied, common)).toBe(2 * 32)
  })
})
