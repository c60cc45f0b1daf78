// DPO, ORPO and KTO against TRL's functions: losses and gradients on one batch; and a preference that is learned.
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  readBatch,
  samplesOf,
  treeOfTwo,
  type Batch,
  type PreferenceSample,
  type Sample,
  type Samples,
} from '@jora/data'
import { openModel, parseConfig, type Decoder } from '@jora/llama'
import { tensor, type Tensor } from '@jora/tensor'
import { openCpuPlan } from '@jora/tensor/onnx'
import { describe, expect, test } from 'vitest'
import { llamaLike } from '../../data/test/tiny-tokenizers'
import { tinyConfig, writeTinyModel } from '../../llama/test/tiny-model'
import {
  ConfigError,
  generateAlpacaDataset,
  initAdapter,
  initState,
  JoraConfig,
  peftName,
  plannedShape,
  preferences,
  TrainingStep,
  trainLora,
  type Adapter,
  type EvalEvent,
  type LoraConfig,
  type PreferenceName,
  type TrainEvent,
  lowRankOf,
} from '../src/index'
import { withPrompts } from '../src/train/objectives/answers'
import { device, setUp } from '../src/train/trainer-harness'
import { formula } from './formula'

setUp()

const shared = process.env.JORA_SHARED ?? join(import.meta.dirname, '../../../../shared')
const modelDir = join(shared, 'models/stories260K')
interface Golden {
  beta: number
  pairs: { prompt: number[]; chosen: number[]; rejected: number[] }[]
  judged: { prompt: number[]; completion: number[]; label: boolean }[]
  objectives: Record<PreferenceName, { loss: number; gradients: Record<string, string> }>
}
const golden = JSON.parse(readFileSync(join(import.meta.dirname, 'goldens/preferences.json'), 'utf8')) as Golden
const lora: LoraConfig = { r: 2, alpha: 4, dropout: 0, targetModules: ['q_proj'], useRslora: false }

const sampleOf = (prompt: number[], answer: number[]): Sample => ({
  ids: Int32Array.from([...prompt, ...answer]),
  labels: Int32Array.from([...prompt.map(() => -100), ...answer]),
  row: 0,
})
const two = (prompt: number[], first: number[], second: number[], sign: 1 | -1): PreferenceSample => ({
  ...treeOfTwo(sampleOf(prompt, first), sampleOf(prompt, second)),
  row: 0,
  sign,
})
const pairs = golden.pairs.map(({ prompt, chosen, rejected }) => two(prompt, chosen, rejected, 1))
const judged = golden.judged.map(({ prompt, completion, label }, i, all) =>
  two(prompt, completion, all.at(i - 1)!.completion, label ? 1 : -1),
)
const samplesFor: Record<PreferenceName, readonly PreferenceSample[] | Samples> = {
  dpo: pairs,
  orpo: withPrompts(pairs),
  kto: judged,
}

/** All samples in one batch. */
function wholeBatch(of: readonly PreferenceSample[] | Samples): Promise<Batch> {
  const samples = samplesOf(of)
  return readBatch(
    samples,
    Array.from({ length: samples.length }, (_, i) => i),
    { padId: 0 },
  )
}

describe.skipIf(!existsSync(modelDir))('against TRL on stories260K (needs ../shared)', () => {
  const given = (decoder: Decoder): Adapter =>
    Object.fromEntries(
      Object.entries(initAdapter(decoder.config, lora, 1, device)).map(([module, { loraA, loraB }]) => {
        const fill = (part: 'loraA' | 'loraB', t: Tensor) =>
          tensor(formula(peftName(module, part), t.size, 0.3), { shape: t.shape, device })
        return [module, { loraA: fill('loraA', loraA), loraB: fill('loraB', loraB) }]
      }),
    )

  test.each(['dpo', 'orpo', 'kto'] as const)('%s: loss and gradients within 1e-4', async (name) => {
    await using model = await openModel(modelDir, { local: true })
    const decoder = await model.decoder(device, 'f32')
    const adapter = given(decoder)
    const samples = samplesFor[name]
    const stepper = new TrainingStep(
      decoder,
      {
        lora,
        adamw: { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0 },
        maxGradNorm: 0,
        preference: { rule: preferences[name], beta: golden.beta, mostSamples: samples.length },
      },
      device,
    )
    const batch = await wholeBatch(samples)
    const { state, loss } = stepper.run(initState(adapter), [batch], { step: 1, learningRate: 0, seed: 1 })
    const { loss: wanted, gradients } = golden.objectives[name]
    expect(Math.abs((await loss.item()) - wanted)).toBeLessThan(1e-4)
    let compared = 0
    for (const [module, parts] of Object.entries(lowRankOf(state.m!)))
      for (const part of ['loraA', 'loraB'] as const) {
        const bytes = Uint8Array.from(Buffer.from(gradients[peftName(module, part)]!, 'base64'))
        const theirs = new Float32Array(bytes.buffer)
        // AdamW's first moment after one step is a tenth of the gradient.
        for (const [i, moment] of (await parts[part].data()).entries())
          expect(Math.abs(10 * moment - theirs[i]!), `${module} ${part}[${i}]`).toBeLessThan(1e-4)
        compared += theirs.length
      }
    expect(compared).toBe(
      Object.values(lowRankOf(state.adapter)).reduce((n, { loraA, loraB }) => n + loraA.size + loraB.size, 0),
    )
    stepper.dispose()
  })
})

test('a step keeps at most a tenth more at once than plain training of the same tokens', async () => {
  const draw = (from: number, count: number) => Array.from({ length: count }, (_, i) => 3 + ((from + 7 * i) % 500))
  const rows = [0, 1, 2, 3].map((row) => two(draw(row, 96), draw(row + 11, 48), draw(row + 23, 48), 1))
  const shape = parseConfig({
    ...tinyConfig,
    hidden_size: 64,
    intermediate_size: 160,
    vocab_size: 512,
    num_hidden_layers: 4,
  })
  const peak = async (name?: PreferenceName): Promise<number> => {
    const plan = openCpuPlan()
    const { bytes: processBytes } = await plan.memory()
    const decoder = await plannedShape(shape, 'f32').open(plan)
    const samples = name === 'orpo' ? withPrompts(rows) : rows
    const rule = name && { rule: preferences[name], beta: 0.1, mostSamples: samples.length }
    const adamw = { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0 }
    const stepper = new TrainingStep(decoder, { lora, adamw, maxGradNorm: 1, preference: rule }, plan)
    const batch = await wholeBatch(samples)
    stepper.run(initState(initAdapter(shape, lora, 1, plan)), [batch], { step: 1, learningRate: 0, seed: 1 })
    await plan.synchronize()
    return (await plan.memory()).peakBytes - processBytes
  }
  const plain = await peak()
  for (const name of ['dpo', 'orpo', 'kto'] as const) expect((await peak(name)) / plain, name).toBeLessThan(1.1)
})

describe('a toy preference', () => {
  const root = mkdtempSync(join(tmpdir(), 'jora-preferences-'))
  const words = ['one', 'two', 'three', 'four', 'five', 'six', 'seven', 'eight', 'nine', 'ten']
  const settings = {
    promptTemplate: 'none',
    epochs: 6,
    batchSize: 2,
    gradientAccumulationSteps: 1,
    learningRate: 0.02,
    loraR: 4,
    loraDropout: 0,
  } as const
  const modelOf = async () => {
    const tokenizer = llamaLike()
    const dir = await writeTinyModel(join(root, 'tiny'), {
      ...tinyConfig,
      num_hidden_layers: 2,
      vocab_size: Object.keys(tokenizer.model.vocab).length,
    })
    await writeFile(join(dir, 'tokenizer.json'), JSON.stringify(tokenizer))
    return dir
  }
  const rowsOf: Record<PreferenceName, object[]> = {
    dpo: words.map((word) => ({ prompt: `Say ${word}.`, chosen: `the ${word}`, rejected: `${word} ${word}` })),
    orpo: words.map((word) => ({
      instruction: 'Say it.',
      input: word,
      chosen: `the ${word}`,
      rejected: `${word} ${word}`,
    })),
    kto: words.flatMap((word) => [
      { prompt: `Say ${word}.`, completion: `the ${word}`, label: true },
      { prompt: `Say ${word}.`, completion: `${word} ${word}`, label: false },
    ]),
  }

  test.each(['dpo', 'orpo', 'kto'] as const)(
    'is learned by %s, on rows held out too; stopped and resumed it goes on',
    async (objective) => {
      const modelPath = await modelOf()
      const path = join(root, `${objective}.json`)
      await writeFile(path, JSON.stringify(rowsOf[objective]))
      const config = new JoraConfig({ modelPath, ...settings, objective, beta: 0.5, evalOnStart: true, saveEvery: 5 })
      const dataset = await generateAlpacaDataset(path, 'train', config)
      expect(dataset.packing).toBe('tree')
      expect(dataset.heldOut.length).toBeGreaterThan(0)
      const run = async (dir: string, options: Parameters<typeof trainLora>[3] = {}) => {
        const events: TrainEvent[] = []
        const { adapter } = await trainLora(config, dataset, join(root, dir), {
          device,
          ...options,
          onEvent: async (event) => {
            events.push(event)
            await options.onEvent?.(event)
          },
        })
        const values = await Promise.all(Object.values(lowRankOf(adapter)).map(({ loraB }) => loraB.data()))
        return { evals: events.filter((event): event is EvalEvent => event.type === 'eval'), values }
      }
      const { evals, values } = await run(objective)
      expect(evals.at(-1)!.accuracy).toBe(1)
      if (objective !== 'kto') expect(evals.at(-1)!.margin).toBeGreaterThan(evals[0]!.margin!)
      expect(evals.at(-1)!.loss).toBeLessThan(evals[0]!.loss)
      // Before the first step the model is its own reference.
      if (objective === 'dpo') expect(evals[0]!.loss).toBeCloseTo(Math.log(2), 6)
      if (objective === 'kto') expect(evals[0]!.loss).toBeCloseTo(0.5, 6)

      const stop = new AbortController()
      const onEvent = (event: TrainEvent) => {
        if (event.type === 'step' && event.step === 7) stop.abort()
      }
      await run(`${objective}-stopped`, { signal: stop.signal, onEvent })
      const after = await run(`${objective}-stopped`, { resume: 'auto' })
      // The resumed run compiles its programs in another order, and computes the same bits.
      expect(after.values).toEqual(values)
    },
  )

  test('rows that are none are refused by row and key', async () => {
    const modelPath = await modelOf()
    const path = join(root, 'bad.json')
    await writeFile(path, JSON.stringify([rowsOf.dpo[0], { prompt: 'a', chosen: 'b' }]))
    const refused = (objective: PreferenceName) =>
      generateAlpacaDataset(path, 'train', new JoraConfig({ modelPath, objective }))
    await expect(refused('dpo')).rejects.toThrow(/bad\.json.*2.*rejected.*expected text or a list of messages/s)
    await expect(refused('kto')).rejects.toThrow(/label.*expected true for a good answer or false for a bad one/s)
    const config = new JoraConfig({ modelPath, ...settings })
    await writeFile(path, JSON.stringify(words.map((word) => ({ prompt: word, completion: word }))))
    const answers = await generateAlpacaDataset(path, 'train', config)
    const dpo = new JoraConfig({ modelPath, ...settings, objective: 'dpo' })
    await expect(trainLora(dpo, answers, join(root, 'answers'), { device })).rejects.toThrow(ConfigError)
    rmSync(root, { recursive: true })
  })
})

test.each([
  [{ alpacaMixFile: 'general.json' }, 'alpacaMixFile is general.json beside objective dpo, expected none'],
  [{ columns: 'question=q,answer=a' }, 'columns is question=q,answer=a beside objective dpo, expected none'],
  [{ evalMetrics: ['f1'] as const }, 'evalMetrics is f1 beside objective dpo, expected none'],
])('%j is refused beside preferences, before anything is loaded', (change, message) => {
  expect(() => new JoraConfig({ modelPath: 'm', objective: 'dpo', ...change })).toThrow(message)
})
