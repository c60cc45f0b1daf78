// Positions stretched for a run: what the setting comes to, that what was trained so is used so, and what is refused.
import { readFileSync } from 'node:fs'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { openModel, parseConfig, stretchRope, type StretchName } from '@jora/llama'
import { describe, expect, test } from 'vitest'
import { configOf, device, metrics, modelPath, out, root, setUp, train } from '../src/train/train-lora-harness'
import {
  baseAsTrained,
  Evaluator,
  generateAlpacaDataset,
  openAnswerers,
  readPrompt,
  trainLora,
  type JoraSettings,
  type TrainOptions,
} from '../src/index'

setUp()

interface Golden {
  readonly cases: readonly {
    readonly config: { readonly rope_scaling: { readonly rope_type: StretchName; readonly factor: number } }
  }[]
}
const golden = JSON.parse(readFileSync(`${import.meta.dirname}/goldens/stretched.json`, 'utf8')) as Golden

// families.test.ts compares these configurations with transformers and PEFT: logits, loss and gradients.
test.each(golden.cases.map(({ config }) => [config.rope_scaling.rope_type, config] as const))(
  '%s comes to the config.json that transformers reads',
  (type, config) => {
    const { rope_scaling: scaling, ...plain } = config
    const made = stretchRope(parseConfig({ ...plain, max_position_embeddings: 8 }), { type, factor: scaling.factor })
    const { rope_scaling: _kept, ...expected } = { ...parseConfig(config) } as Record<string, unknown>
    expect(made).toEqual(expected)
  },
)

/** Rows of about 150 tokens, for a model that was made for 96. */
async function longRows(): Promise<string> {
  const path = join(root, 'long.json')
  const rows = ['one', 'two', 'three', 'four', 'five', 'six', 'seven', 'eight'].map((word) => ({
    instruction: 'Say it.',
    input: `${word} `.repeat(30),
    output: `the ${word}`,
  }))
  await writeFile(path, JSON.stringify(rows))
  return path
}

const stretched = (change: Partial<JoraSettings> = {}) =>
  configOf({ ropeScaling: 'yarn', maxSeqLength: 300, epochs: 1, split: 0.75, packing: 'none', ...change })

async function trainLong(config = stretched(), dir = out, options: TrainOptions = {}) {
  const dataset = await generateAlpacaDataset(await longRows(), 'train', config)
  return { dataset, ...(await trainLora(config, dataset, dir, options)) }
}

describe('an adapter that was trained with positions stretched', () => {
  test('says so, and is asked so; the base beside it is asked as it is', async () => {
    const { dataset } = await trainLong()
    expect(Math.max(...dataset.samples.map(({ ids }) => ids.length))).toBeGreaterThan(96)
    // As many times as the longest sample may need: ⌈300 / 96⌉.
    const stretch = { type: 'yarn', factor: 4 }
    expect((await readPrompt(out))!.base!.ropeScaling).toEqual(stretch)
    expect(JSON.parse(await readFile(join(out, 'run.json'), 'utf8'))).toMatchObject({ ropeScaling: stretch })
    const card = await readFile(join(out, 'README.md'), 'utf8')
    expect(card).toContain('- Positions: stretched by 4 (yarn)')
    expect(card).toContain('config.rope_parameters |= {"rope_type": "yarn", "factor": 4,')

    await using model = await openModel(modelPath)
    const { asked, dispose } = await openAnswerers(model, { adapters: [out, undefined], device })
    const [tuned, base] = asked
    expect(tuned!.decoder.config).toMatchObject({ maxPositions: 384, ropeScaling: { type: 'yarn', factor: 4 } })
    expect(base!.decoder.config).toMatchObject({ maxPositions: 96, ropeScaling: { type: 'default' } })
    const lossOf = async (decoder: typeof base extends undefined ? never : NonNullable<typeof base>['decoder']) =>
      (
        await new Evaluator(decoder, tuned!.lora, device).run(dataset.heldOut, tuned!.adapter, {
          batchSize: 2,
          padId: 0,
        })
      ).loss
    const trained = (await metrics()).findLast((event) => event.type === 'eval')!
    expect(Math.abs((await lossOf(tuned!.decoder)) - trained.loss)).toBeLessThan(1e-5)
    expect(Math.abs((await lossOf(base!.decoder)) - trained.loss)).toBeGreaterThan(1e-4)
    // Longer than the base may be asked.
    const question = { question: 'Say it.', input: 'one '.repeat(30) }
    expect((await tuned!.answerer.ask(question, { maxNewTokens: 2 })).ids.length).toBeGreaterThan(0)
    await expect(base!.answerer.ask(question, { maxNewTokens: 2 })).rejects.toThrow('the model takes at most 96')
    dispose()
  })

  test('goes on from a checkpoint with the same positions only, and with them to the same bytes', async () => {
    const weights = (dir: string) => readFile(join(dir, 'adapter_model.safetensors'))
    await trainLong(stretched({ epochs: 4 }))
    const other = join(root, 'other')
    const stop = new AbortController()
    await trainLong(stretched({ epochs: 4 }), other, {
      signal: stop.signal,
      onEvent: ({ type }) => type === 'step' && stop.abort(),
    })
    await expect(trainLong(stretched({ epochs: 4, ropeScaling: 'linear' }), other, { resume: 'auto' })).rejects.toThrow(
      'ropeScaling was "yarn", is "linear"',
    )
    await expect(trainLong(stretched({ epochs: 4, ropeScalingFactor: 8 }), other, { resume: 'auto' })).rejects.toThrow(
      'ropeScalingFactor was null, is 8',
    )
    await trainLong(stretched({ epochs: 4 }), other, { resume: 'auto' })
    expect((await weights(other)).equals(await weights(out))).toBe(true)
    await expect(trainLong(configOf({ initAdapter: out }), join(root, 'third'))).rejects.toThrow(
      `${out} was trained with positions stretched (yarn 4); the run has positions as the model has them`,
    )
  })

  test('may go on from one that was trained on the positions of the model', async () => {
    const short = join(root, 'short')
    await train(configOf({ epochs: 1 }), short)
    const { finished } = await trainLong(stretched({ initAdapter: short, maxSteps: 1 }))
    expect(finished).toBe(true)
    expect((await readPrompt(out))!.base!.ropeScaling).toEqual({ type: 'yarn', factor: 4 })
  })

  test('whole weights: the model that is left has the positions in its config.json', async () => {
    await trainLong(stretched({ finetuningType: 'full', loraR: 16, loraAlpha: 16, ropeScaling: 'linear' }))
    const config = JSON.parse(await readFile(join(out, 'config.json'), 'utf8')) as Record<string, unknown>
    expect(config).toMatchObject({
      max_position_embeddings: 384,
      rope_scaling: { rope_type: 'linear', factor: 4 },
    })
    await using model = await openModel(out)
    expect(model.config.maxPositions).toBe(384)
    expect(await baseAsTrained(model, out)).toBe(model)
  })
})

describe('is refused', () => {
  test('where nothing is to stretch, or a factor has no kind', async () => {
    await expect(train(configOf({ ropeScaling: 'yarn', maxSeqLength: 96 }))).rejects.toThrow(
      'ropeScaling is yarn beside maxSeqLength 96, expected a maxSeqLength above the 96 positions of the model, or ropeScalingFactor',
    )
    expect(() => configOf({ ropeScalingFactor: 4 })).toThrow('ropeScalingFactor is 4 without ropeScaling')
    expect(() => configOf({ ropeScaling: 'yarn', ropeScalingFactor: 1 })).toThrow(
      'ropeScalingFactor is 1, expected a number > 1',
    )
  })

  test('for models that are stretched already, and families whose files cannot say it', () => {
    const llama = parseConfig({ ...golden.cases[0]!.config })
    expect(() => stretchRope(llama, { type: 'linear', factor: 2 })).toThrow(
      'rope scaling linear of a model whose positions are stretched already (yarn by 4, to 32)',
    )
    const { rope_scaling: _scaling, ...plain } = golden.cases[0]!.config
    const phi = parseConfig({ ...plain, model_type: 'phi3' })
    expect(() => stretchRope(phi, { type: 'yarn', factor: 2 })).toThrow(
      'rope scaling yarn of a phi3 model: its files know longrope alone',
    )
  })
})
