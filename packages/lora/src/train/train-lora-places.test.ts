// Directories that hold a run, adapters to start from, settings and places that cannot be used.
import { appendFile, mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { loadConfig } from '@jora/llama'
import { JoraConfig, listCheckpoints, loadAdapter, type TrainEvent, lowRankOf } from '../index'
import { modelPath, root, out, configOf, train, begin, metrics, adapterBytes, setUp } from './train-lora-harness'

setUp()

describe('a directory that holds a run', () => {
  test('is not written over', async () => {
    await train()
    const before = await adapterBytes(out)
    await expect(train(configOf({ seed: 4 }))).rejects.toThrow(
      /already has a run; continue it with --resume or choose another output directory/,
    )
    expect(await adapterBytes(out)).toEqual(before)
    expect((await metrics()).at(-1)!.type).toBe('done')
  })

  test('is resumed after a kill: lines past the checkpoint go, and the adapter is that of an uninterrupted run', async () => {
    await train(configOf(), join(root, 'whole'))
    const [killed] = await begin()
    for await (const event of killed) if (event.type === 'step' && event.step === 3) break
    await expect(Promise.resolve(killed)).rejects.toThrow('the run was left before its end')
    await appendFile(join(out, 'metrics.jsonl'), '{"type":"step","st')
    const unfinished = ['.step-00000004.tmp-1', '.step-00000002.tmp-31337']
    const others = ['.step-4.tmp-1', '.step-00000004.tmp-x', 'step-00000004.tmp-1', '.step-00000004.tmp-1.bak']
    for (const name of [...unfinished, ...others]) await mkdir(join(out, 'checkpoints', name))
    const summary = await train(configOf(), out, { resume: 'auto' })
    expect(summary).toMatchObject({ finished: true, steps: 4 })
    const [events, whole] = [await metrics(), await metrics(join(root, 'whole'))]
    expect(events.map(({ type }) => type)).toEqual(whole.map(({ type }) => type))
    const losses = (list: TrainEvent[]) =>
      list.flatMap((e) => (e.type === 'step' || e.type === 'eval' ? [[e.step, e.loss]] : []))
    expect(losses(events)).toEqual(losses(whole))
    expect(await adapterBytes(out)).toEqual(await adapterBytes(join(root, 'whole')))
    expect((await readdir(join(out, 'checkpoints'))).sort()).toEqual(
      [...others, 'step-00000002', 'step-00000004'].sort(),
    )
  })

  test('is resumed after a kill between a checkpoint and its line: the line is written', async () => {
    await train(configOf(), join(root, 'whole'))
    const [killed] = await begin()
    for await (const event of killed) if (event.type === 'checkpoint') break
    await expect(Promise.resolve(killed)).rejects.toThrow('the run was left before its end')
    const lines = (await metrics()).filter(({ type }) => type !== 'checkpoint').map((event) => JSON.stringify(event))
    await writeFile(join(out, 'metrics.jsonl'), `${lines.join('\n')}\n`)
    await train(configOf(), out, { resume: 'auto' })
    const course = (list: TrainEvent[]) =>
      list.map((event) => [event.type, 'step' in event && event.step, 'path' in event && event.path])
    expect(course(await metrics())).toEqual(course(await metrics(join(root, 'whole'))))
  })

  test.each([
    ['a step that fits', {}, undefined],
    ['a step that does not', { deviceMemory: '1MB' }, 2],
    ['one that does not, where all is to be kept', { deviceMemory: '1MB', gradientCheckpointing: 'off' }, undefined],
  ] as const)('recomputes layers as the memory asks: %s', async (_, settings, layers) => {
    await train(configOf({ maxSteps: 1, ...settings }))
    const { checkpointLayers } = JSON.parse(await readFile(join(out, 'run.json'), 'utf8')) as Record<string, unknown>
    expect(checkpointLayers).toBe(layers)
  })

  test('is resumed after a signal, and again once it is done', async () => {
    const controller = new AbortController()
    const onEvent = (event: TrainEvent) => {
      if (event.type === 'step' && event.step === 1) controller.abort()
    }
    const stopped = train(configOf({ saveEvery: 100 }), out, { signal: controller.signal, onEvent })
    expect(await stopped).toMatchObject({ finished: false, steps: 1 })
    expect(await readdir(out)).not.toContain('adapter_model.safetensors')
    expect((await listCheckpoints(out)).map((path) => path.slice(-13))).toEqual(['step-00000001'])
    await train(configOf({ saveEvery: 100 }), out, { resume: 'auto' })
    await train(configOf({ saveEvery: 100 }), join(root, 'whole'))
    const expected = await adapterBytes(join(root, 'whole'))
    expect(await adapterBytes(out)).toEqual(expected)
    const again = await train(configOf({ saveEvery: 100 }), out, { resume: 'auto' })
    const { finalLoss } = await train(configOf({ saveEvery: 100 }), join(root, 'other'))
    expect(again).toMatchObject({ finished: true, steps: 4, finalLoss })
    expect(await adapterBytes(out)).toEqual(expected)
    expect(await readFile(join(out, 'README.md'), 'utf8')).toMatch(/\n- Last training loss: \d.*\n- Held-out loss: \d/)
    expect((await metrics()).filter(({ type }) => type === 'done')).toHaveLength(1)
  })

  test.each(['', '/', '//'])('is resumed from a checkpoint folder named with %j at its end', async (end) => {
    const onEvent = (event: TrainEvent) => {
      if (event.type === 'step' && event.step === 3) throw new Error('enough')
    }
    await expect(train(configOf(), out, { onEvent })).rejects.toThrow('enough')
    await train(configOf(), out, { resume: `${join(out, 'checkpoints/step-00000002')}${end}` })
    expect((await metrics()).flatMap((event) => (event.type === 'step' ? [event.step] : []))).toEqual([1, 2, 3, 4])
  })

  test('of other settings is not resumed, and stays as it is', async () => {
    await train()
    const files = () => Promise.all(['run.json', 'metrics.jsonl'].map((name) => readFile(join(out, name), 'utf8')))
    const before = await files()
    await expect(train(configOf({ learningRate: 0.02 }), out, { resume: 'auto' })).rejects.toThrow(
      /was made with other settings \(learningRate was [\d.]+, is 0\.02\)/,
    )
    for (const change of [{ promptTemplate: 'alpaca' }, { split: 0.7 }] as const)
      await expect(train(configOf(change), out, { resume: 'auto' })).rejects.toThrow(/was made with other settings/)
    await expect(train(configOf(), out, { resume: join(root, 'none') })).rejects.toThrow(/none is not a checkpoint/)
    expect(await files()).toEqual(before)
  })

  test('resume in an empty directory starts anew', async () => {
    expect(await train(configOf(), out, { resume: 'auto' })).toMatchObject({ finished: true, steps: 4 })
  })
})

describe('an adapter to start from', () => {
  test('is continued when it fits, and refused when it does not', async () => {
    await train()
    const longer = join(root, 'longer')
    let first: TrainEvent | undefined
    await train(configOf({ initAdapter: out }), longer, { onEvent: (event) => void (first ??= event) })
    const [fresh] = await metrics()
    expect(first!.type === 'step' && fresh!.type === 'step' && first!.loss < fresh!.loss).toBe(true)
    await expect(train(configOf({ initAdapter: out, loraR: 8 }), join(root, 'other'))).rejects.toThrow(
      /has r 4, alpha 8, rsLoRA false; the run has r 8, alpha 8, rsLoRA false/,
    )
    await expect(train(configOf({ initAdapter: root }), join(root, 'other'))).rejects.toThrow(
      /adapter_config\.json does not exist/,
    )
  })
})

describe('settings and places that cannot be used', () => {
  test('settings, by name', () => {
    const bad: [Record<string, unknown>, RegExp][] = [
      [{ learnigRate: 1 }, /JoraConfig has no setting "learnigRate"/],
      [{ loraR: 0 }, /loraR is 0, expected an integer ≥ 1/],
      [{ maxSeqLength: 1 }, /maxSeqLength is 1, expected an integer ≥ 2/],
      [{ split: 0 }, /split is 0, expected a number over 0 and up to 1/],
      [{ alpacaMix: 1 }, /alpacaMix is 1, expected a number from 0 to below 1/],
      [{ onOverflow: 'cut' }, /onOverflow is cut, expected error, drop or truncate/],
      [{ device: 'tpu' }, /device is tpu, expected auto, cpu or webgpu/],
    ]
    for (const [change, message] of bad) expect(() => new JoraConfig({ modelPath: 'x', ...change })).toThrow(message)
    expect(new JoraConfig({ modelPath: 'x', epochs: undefined as unknown as number }).settings.epochs).toBe(7)
  })

  test('an output directory that is a file', async () => {
    await writeFile(out, 'x')
    await expect(train()).rejects.toThrow(/output directory .*run cannot be written: /)
  })

  test('a target the model does not have leaves no adapter', async () => {
    await expect(train(configOf({ targetModules: ['c_attn'] }))).rejects.toThrow(
      /target module "c_attn" is not in the model/,
    )
  })

  test('a run starts once', async () => {
    const [run] = await begin()
    expect(await run).toMatchObject({ finished: true })
    expect(await run).toMatchObject({ finished: true }) // the same summary, not another run
    const events = run[Symbol.asyncIterator]()
    await expect(events.next()).rejects.toThrow('this run was already started')
    expect(await run).toMatchObject({ finished: true })
  })
})

test('ranks and alphas by pattern are trained, kept in checkpoints, and must be the same to go on or to start from', async () => {
  const patterns = {
    rankPattern: { 'layers.0.self_attn.q_proj': 2 },
    alphaPattern: { v_proj: 3 },
    layersToTransform: [0],
  }
  const whole = await train(configOf(patterns))
  const shapes = Object.values(lowRankOf(whole.adapter)).map(({ loraA, loraB }) => [loraA.shape[0], loraB.shape[1]])
  expect(shapes).toEqual([
    [2, 2],
    [4, 4],
  ])
  const { config } = await loadAdapter(out, await loadConfig(modelPath))
  expect(config).toMatchObject(patterns)

  const parted = join(root, 'parted')
  const stop = new AbortController()
  const onEvent = (event: TrainEvent) => {
    if (event.type === 'checkpoint') stop.abort()
  }
  await train(configOf(patterns), parted, { signal: stop.signal, onEvent })
  await train(configOf(patterns), parted, { resume: 'auto' })
  expect(await adapterBytes(parted)).toEqual(await adapterBytes(out))

  const [checkpoint] = await listCheckpoints(parted)
  await expect(
    train(configOf({ layersToTransform: [0] }), join(root, 'other'), { resume: checkpoint }),
  ).rejects.toThrow(/was made with other settings/)
  await expect(train(configOf({ layersToTransform: [0], initAdapter: out }), join(root, 'third'))).rejects.toThrow(
    /ranks \{"layers\.0\.self_attn\.q_proj":2\}, alphas \{"v_proj":3\}; the run has r 4, alpha 8, rsLoRA false$/,
  )
  await train(configOf({ ...patterns, initAdapter: out }), join(root, 'fourth'))
})
