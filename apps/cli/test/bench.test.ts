// jora bench and jora estimate: what they print, and that a plan tells the memory that a device then takes.
import { softwareVulkan } from '@jora-tooling/software-gpu'
import { setDefaultDevice } from '@jora/tensor'
import { findAdapter } from '@jora/tensor/webgpu'
import { writeFileSync } from 'node:fs'
import { afterAll, afterEach, describe, expect, test } from 'vitest'
import { stepFlops } from '@jora/lora'
import type { BenchResult, StepResultWithFloor } from '../src/commands/bench-report'
import { parameterCount, shapeConfig } from '../src/measure/shapes'
import { jora, modelSource, workspace } from './harness'

await softwareVulkan()
const adapter = await findAdapter()

const { path, remove } = workspace()
afterAll(() => remove())
afterEach(() => setDefaultDevice(undefined))

interface Estimates {
  readonly schema: string
  readonly device: string
  readonly estimates: {
    readonly seq: number
    readonly checkpointing: boolean
    readonly dtype: string
    readonly weightBytes: number
    readonly stateBytes: number
    readonly activationBytes: number
    readonly totalBytes: number
    readonly dispatches: number
    readonly auto: boolean
    readonly fits: boolean | null
    readonly stepSeconds: number | null
  }[]
}
const planned = async (line: string, ...more: string[]): Promise<Estimates> => {
  const { code, out, err } = await jora(['estimate', '--json', ...line.split(' '), ...more])
  expect({ code, err }).toEqual({ code: 0, err: '' })
  return JSON.parse(out) as Estimates
}
const measured = async (line: string): Promise<BenchResult> => {
  const { code, out, err } = await jora(['bench', '--json', ...line.split(' ')])
  expect({ code, err }).toMatchObject({ code: 0 })
  return JSON.parse(out) as BenchResult
}
const small = '--shape stories260k --seq 32 --steps 2 --lora-r 4'

test('shapes have as many weights as the published models', () => {
  // The counts that the Hub shows of their checkpoints.
  expect(
    (
      [
        'llama-2-7b',
        'llama-3.2-1b',
        'llama-3.1-8b',
        'mistral-7b',
        'qwen2.5-7b',
        'qwen3-8b',
        'gemma-2b',
        'gemma-7b',
        'gemma-2-2b',
        'gemma-2-9b',
      ] as const
    ).map((name) => parameterCount(shapeConfig(name))),
  ).toEqual([
    6_738_415_616, 1_235_814_400, 8_030_261_248, 7_248_023_552, 7_615_616_512, 8_190_735_360, 2_506_172_416,
    8_537_680_896, 2_614_341_888, 9_241_705_984,
  ])
})

describe('jora estimate', () => {
  test.each([
    [1, [512]],
    [8, [2048]],
  ])('a Llama-2-7B step of %i rows fits 14.5 GB at %j tokens', { timeout: 120_000 }, async (rows, lengths) => {
    const { estimates } = await planned(
      `--shape llama-2-7b --seq ${lengths.join()} --gradient-accumulation-steps ${rows} --device-memory 14.5GB --dtype f16`,
    )
    for (const { weightBytes, stateBytes, activationBytes, totalBytes } of estimates)
      expect(weightBytes + stateBytes + activationBytes).toBe(totalBytes)
    expect(estimates.map(({ seq, checkpointing, auto, fits }) => ({ seq, checkpointing, auto, fits }))).toEqual(
      lengths.flatMap((seq) => [
        { seq, checkpointing: false, auto: false, fits: false },
        { seq, checkpointing: true, auto: true, fits: true },
      ]),
    )
  })

  test.skipIf(!modelSource)('plans a model in a folder, and shows a table', async () => {
    const { code, out } = await jora(['estimate', '--model', path('model'), '--seq', '64', '--device-memory', '1 MB'])
    expect(code).toBe(0)
    expect(out).toMatch(/tokens +layers +weights +adapter, AdamW +activations +in all/)
    expect(out).toMatch(/^64 +kept .* does not fit$/m)
    expect(out).toMatch(/^64 +checkpointed .* does not fit +← auto$/m)
    expect(out).toContain('The time of a step is not known')
  })

  test('plans for the CPU, the process itself included', async () => {
    const { estimates } = await planned('--shape stories260k --seq 64,128 --device cpu --device-memory 8GB')
    const kept = estimates.filter(({ checkpointing }) => !checkpointing)
    expect(kept.map(({ auto, fits }) => ({ auto, fits }))).toEqual([
      { auto: true, fits: true },
      { auto: true, fits: true },
    ])
    expect(kept[1]!.totalBytes).toBeGreaterThan(kept[0]!.totalBytes)
    expect(kept[0]!.totalBytes).toBeGreaterThan(50e6)
  })

  test('takes the time of a step from a bench', async () => {
    const step = { seq: 64, checkpointing: false, flopPerSecond: 1e9 }
    writeFileSync(path('bench.json'), JSON.stringify({ schema: 'jora-bench/1', steps: [step] }))
    const { estimates } = await planned(
      '--shape stories260k --seq 64 --gradient-accumulation-steps 1 --bench',
      path('bench.json'),
    )
    const seconds = stepFlops(shapeConfig('stories260k'), 1, 64) / 1e9
    expect(estimates.map(({ stepSeconds }) => stepSeconds)).toEqual([seconds, seconds])
  })

  test.each([
    ['', 'pass either --model or --shape'],
    ['--shape 26m --model x', 'pass either --model or --shape'],
    ['--shape 27m', '--shape: got "27m", expected llama-2-7b, llama-3.2-1b, llama-3.1-8b, '],
    ['--shape 26m --seq 5,x', '--seq: got "5,x", expected integers ≥ 2 separated by commas'],
    ['--shape 26m --device tpu', '--device: got "tpu", expected auto, webgpu or cpu'],
    ['--shape 26m --bench nowhere.json', '--bench: nowhere.json cannot be read'],
    ['--shape 26m --target-modules q', '--target-modules: "q" is not in the model'],
  ])('refuses %j with 2', async (line, message) => {
    const { code, out, err } = await jora(['estimate', ...line.split(' ').filter(Boolean)])
    expect({ code, out }).toEqual({ code: 2, out: '' })
    expect(err).toContain(`error: ${message}`)
  })
})

describe('jora bench', () => {
  const numbers = {
    median: expect.any(Number) as number,
    min: expect.any(Number) as number,
    max: expect.any(Number) as number,
  }

  test('on the CPU: ceilings, and steps beside their floor', { timeout: 60_000 }, async () => {
    const result = await measured(`${small} --device cpu --gradient-checkpointing both`)
    expect(result).toMatchObject({
      schema: 'jora-bench/1',
      device: { kind: 'cpu' },
      model: { shape: 'stories260k', weightType: 'f32', parameters: 260_032, trainedParameters: 4480 },
      ceilings: {
        copies: [{ how: 'kernel', ms: numbers }],
        attention: [{ direction: 'forward' }, { direction: 'backward' }],
      },
      steps: [
        { seq: 32, dtype: 'f32', checkpointing: false, dispatches: null, ms: numbers, hostMs: numbers },
        { seq: 32, dtype: 'f32', checkpointing: true },
      ],
    })
    const [step] = result.steps as StepResultWithFloor[]
    const best = Math.max(...result.ceilings.products.map((p) => ('error' in p ? 0 : p.flopPerSecond)))
    expect(result.ceilings.bestProductFlopPerSecond).toBe(best)
    expect(step!.floorMs).toBeCloseTo((step!.flops / best) * 1000, 9)
    expect(step!.tokensPerSecond).toBeCloseTo(32_000 / step!.ms.median, 6)
    expect(step!.lastLoss).toBeLessThan(Math.log(512) + 0.1)
  })

  test('shows a table', { timeout: 60_000 }, async () => {
    const { code, out } = await jora(['bench', ...small.split(' '), '--device', 'cpu'])
    expect(code).toBe(0)
    for (const line of [
      /q_proj backward +f32 \[32,64\]·\[64,64\] +[\d.]+ GFLOP\/s/,
      /tokens a second +\d/,
      /floor +.* times as long/,
    ])
      expect(out).toMatch(line)
  })

  test.skipIf(!adapter)(
    'on WebGPU it takes the memory and the dispatches that were planned (needs a WebGPU adapter)',
    { timeout: 300_000 },
    async () => {
      const { steps, device } = await measured(`${small} --device webgpu --dtype f32`)
      const plan = await planned(
        `--shape stories260k --seq 32 --lora-r 4 --lora-dropout 0 --gradient-accumulation-steps 1 --dtype f32 --gpu`,
        adapter!.name,
      )
      expect(device).toMatchObject({ kind: 'webgpu', name: adapter!.name, description: adapter!.description })
      const [step] = steps as StepResultWithFloor[]
      const [estimate] = plan.estimates
      expect(step!.dispatches).toBe(estimate!.dispatches)
      // What is planned is what the tensors take; pools round up.
      expect(Math.abs(step!.bytes / estimate!.totalBytes - 1)).toBeLessThan(0.1)
    },
  )
})

test.skipIf(!modelSource || !adapter)(
  'jora train checkpoints layers where the step would not fit otherwise (needs a WebGPU adapter)',
  { timeout: 60_000 },
  async () => {
    const train = (out: string, ...more: string[]) =>
      jora([
        ...'train --max-steps 1 --lora-r 2 --split 1 --device webgpu --device-memory 200kB'.split(' '),
        '--model',
        path('model'),
        '--dataset',
        path('rows.json'),
        '--output-dir',
        path(out),
        ...more,
      ])
    const auto = await train('auto')
    expect(auto.code).toBe(1) // not even the weights fit
    expect(auto.err).toContain('layers are checkpointed')
    const off = await train('off', '--gradient-checkpointing', 'off')
    expect(off.code).toBe(1)
    expect(off.err).not.toContain('layers are checkpointed')
  },
)
