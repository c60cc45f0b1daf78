// A run over time: resuming, evaluation, and what a step computes.
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { collate } from '@jora/data'
import { weightShapes, type Decoder } from '@jora/llama'
import { type CompileGraph } from '@jora/tensor'
import { Evaluator, initAdapter, initState, listCheckpoints, TrainingStep, type LoraConfig } from '../index'
import {
  lora,
  config,
  samplesOf,
  train,
  device,
  model,
  dir,
  inputs,
  saving,
  resuming,
  run,
  dataOf,
  stepsOf,
  lossesByHand,
  meanOf,
  grown,
  setUp,
} from './trainer-harness'

setUp()

describe('resuming', () => {
  test('from every checkpoint ends in the very same adapter', async () => {
    const whole = await run(inputs(saving))
    const checkpoints = await listCheckpoints(dir)
    expect(checkpoints).toHaveLength(9)
    const expected = await dataOf(whole.result.adapter)
    for (const [i, folder] of checkpoints.entries()) {
      const rest = await run(inputs(await resuming(folder)))
      expect(stepsOf(rest.events).map(({ step }) => step)).toEqual(Array.from({ length: 8 - i }, (_, k) => i + 2 + k))
      expect(stepsOf(rest.events).map(({ loss }) => loss)).toEqual(
        stepsOf(whole.events)
          .slice(i + 1)
          .map(({ loss }) => loss),
      )
      expect(await dataOf(rest.result.adapter), `from step ${i + 1}`).toEqual(expected)
    }
  })

  test('after a signal: the running step is finished and saved', async () => {
    const controller = new AbortController()
    const longer = { ...config, saveEvery: 100 }
    const stopped = await run(
      inputs({ ...saving, config: longer, signal: controller.signal }),
      (event) => void (event.type === 'step' && event.step === 4 && controller.abort()),
    )
    expect(stopped.result).toMatchObject({ steps: 4, finished: false })
    expect(stopped.events.at(-1)).toEqual({ type: 'checkpoint', step: 4, path: join('checkpoints', 'step-00000004') })
    const [folder] = await listCheckpoints(dir)
    const rest = await run(inputs({ config: longer, ...(await resuming(folder!)) }))
    const whole = await run(inputs({ config: longer }))
    expect(await dataOf(rest.result.adapter)).toEqual(await dataOf(whole.result.adapter))
  })

  test('a signal in the last step: the run is done', async () => {
    const controller = new AbortController()
    const { events, result } = await run(
      inputs({ config: { ...config, maxSteps: 2 }, signal: controller.signal }),
      (event) => void (event.type === 'step' && event.step === 2 && controller.abort()),
    )
    expect(result.finished).toBe(true)
    expect(events.at(-1)!.type).toBe('done')
  })

  test.each<[string, boolean | number]>([
    ['layers', true],
    ['one layer', 1],
  ])('with %s recomputed, training is the same', async (_what, gradientCheckpointing) => {
    const short = { ...config, maxSteps: 3 }
    const [kept, recomputed] = [
      await run(inputs({ config: short })),
      await run(inputs({ config: { ...short, gradientCheckpointing } })),
    ]
    stepsOf(recomputed.events).forEach(({ loss }, i) => expect(loss).toBeCloseTo(stepsOf(kept.events)[i]!.loss, 5))
  })
})

describe('evaluation', () => {
  test('is the mean over all labelled held-out tokens, without dropout, when it is due', async () => {
    const heldOut = samplesOf(11, 50)
    const { events, result } = await run(
      inputs({ heldOut, config: { ...config, evalEvery: 4, lora: { ...lora, dropout: 0.5 } } }),
    )
    const evaluations = events.filter((e) => e.type === 'eval')
    expect(evaluations.map(({ step }) => step)).toEqual([4, 8, 9])
    const { loss, perplexity } = evaluations.at(-1)!
    expect(loss).toBeCloseTo(meanOf(await lossesByHand(heldOut, result.adapter)), 4)
    expect(perplexity).toBeCloseTo(Math.exp(loss), 10)
    const each = await run(inputs({ heldOut }))
    expect(each.events.flatMap((e) => (e.type === 'eval' ? [e.step] : []))).toEqual([3, 6, 9])
  })
})

test('an evaluation in groups of rows is the same evaluation', async () => {
  const evaluator = new Evaluator(model, lora)
  const adapter = grown(3, lora)
  const [whole, grouped] = [
    await evaluator.run(train, adapter, { batchSize: 5, padId: 0 }),
    await evaluator.run(train, adapter, { batchSize: 5, padId: 0, groups: 3 }),
  ]
  expect(grouped.loss).toBeCloseTo(whole.loss, 5)
  expect(grouped).toMatchObject({ targetTokens: whole.targetTokens, samples: 9 })
  evaluator.dispose()
})

describe('the step computes only what LoRA needs', () => {
  /** The graphs that one training step hands to the device. */
  function graphsOf(targets: LoraConfig['targetModules'], change: Partial<Decoder> = {}): CompileGraph[] {
    const graphs: CompileGraph[] = []
    const compile = device.compile
    device.compile = (graph) => (graphs.push(graph), compile.call(device, graph))
    try {
      const settings: LoraConfig = { ...lora, dropout: 0, targetModules: targets }
      const state = initState(initAdapter(model.config, settings, 1))
      graphs.length = 0
      const stepper = new TrainingStep(
        { ...model, ...change },
        { lora: settings, adamw: { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0 }, maxGradNorm: 1 },
      )
      stepper.run(state, [collate(train, [0, 1, 2, 3, 4], { padId: 0 })], { step: 1, learningRate: 0.1, seed: 1 })
      stepper.dispose()
    } finally {
      device.compile = compile
    }
    return graphs
  }
  const dots = (graph: CompileGraph) => graph.nodes.filter(({ op }) => op === 'dot')
  const backwardLayers = (graph: CompileGraph) =>
    new Set(graph.nodes.flatMap(({ scope }) => (scope.includes('/grad') ? (/layer \d+/.exec(scope) ?? []) : [])))

  test('one program, no gradient of a base weight', () => {
    for (const targets of [['q_proj', 'v_proj'], 'all-linear'] as const) {
      const graphs = graphsOf(targets)
      expect(graphs).toHaveLength(1)
      const weights = new Set(
        [...weightShapes(model.config).values()].filter((shape) => shape.length === 2).map((shape) => shape.join()),
      )
      expect(
        graphs[0]!.nodes
          .filter(({ outputs }) => outputs.some(({ aval }) => weights.has(aval.shape.join())))
          .map(({ op }) => op),
      ).toEqual([])
      expect(graphs[0]!.nodes.some(({ op }) => op === 'linearCrossEntropyGradWeight')).toBe(false)
    }
  })

  test('every product is one that is needed: all linear layers', () => {
    const [graph] = graphsOf('all-linear')
    // Forward W, A and B; backward dB, dA and the gradient between them; and dx through W and A, but for the first
    // layer's q, k and v, below which nothing is trained.
    const modules = 21
    expect(dots(graph!).length).toBe(3 * modules + 3 * modules + 2 * (modules - 3))
  })

  test('backward stops below the first adapted layer', () => {
    const [graph] = graphsOf(['model.layers.2.self_attn.q_proj'])
    expect([...backwardLayers(graph!)]).toEqual(['layer 2'])
    // Forward 21 + 2; backward through down, gate, up and o of the last layer, then dB, d(Ax) and dA.
    expect(dots(graph!).length).toBe(23 + 4 + 3)
    expect([...backwardLayers(graphsOf(['layers.1.mlp.up_proj'])[0]!)].sort()).toEqual(['layer 1', 'layer 2'])
  })

  test('the head runs on labelled rows only', () => {
    const batch = collate(train, [0, 1, 2, 3, 4], { padId: 0 })
    const [graph] = graphsOf(['q_proj'])
    const heads = graph!.nodes.filter(({ op }) => op.startsWith('linearCrossEntropy'))
    expect(heads.map(({ op }) => op).sort()).toEqual(['linearCrossEntropy'])
    for (const { inputs: given } of heads) expect(given[0]!.aval.shape).toEqual([batch.labelRows.length, 32])
    expect(batch.labelRows.length).toBeLessThan(batch.batchSize * batch.seqLen)
    // Nothing of the vocabulary's width is made over all positions.
    expect(
      graph!.nodes.some(({ outputs }) => outputs.some(({ aval }) => aval.shape.at(-1) === 48 && aval.shape.length > 1)),
    ).toBe(false)
  })
})
