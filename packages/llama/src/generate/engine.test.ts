// The engine: who asks at once is answered as if alone, beginnings are computed once, and who leaves disturbs nobody.
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { add, mul, setDefaultDevice, tensor, type Device } from '@jora/tensor'
import { openCpuDevice } from '@jora/tensor/onnx'
import { tinyConfig, tinyWeights } from '../../test/tiny-model'
import {
  decode,
  denseLinear,
  Engine,
  Generator,
  parseConfig,
  tokenLosses,
  type Adapt,
  type AdapterTensors,
  type Decoder,
} from '../index'

const config = parseConfig({ ...tinyConfig, max_position_embeddings: 1024 })
/** An adapter that scales what the query projections give. */
const adapt: Adapt =
  ({ scale }) =>
  (name, x, weight) => {
    const y = denseLinear(name, x, weight)
    return scale && name.endsWith('q_proj') ? add(y, mul(y, scale.by!)) : y
  }

let device: Device
let decoder: Decoder
let generator: Generator
beforeAll(async () => {
  device = await openCpuDevice({ threads: 1 })
  setDefaultDevice(device)
  // Weights three times as large as usual, so that the greedy choice is not close.
  const weights = Object.fromEntries(
    tinyWeights().map(({ name, shape, data }) => [
      name,
      tensor(
        data.map((x) => (name.endsWith('norm.weight') ? x : 3 * x)),
        { shape },
      ),
    ]),
  )
  decoder = { config, weights }
  generator = new Generator(decoder, device, adapt)
})
afterAll(async () => {
  generator.dispose()
  setDefaultDevice(undefined)
  await device.close()
})

const patience = { timeout: 60_000 }
const idsOf = (length: number, seed: number) => Array.from({ length }, (_, i) => (seed + i * (7 + (seed % 5))) % 48)

async function whole(stream: AsyncGenerator<number, unknown>): Promise<number[]> {
  const ids: number[] = []
  for (;;) {
    const { done, value } = await stream.next()
    if (done) return ids
    ids.push(value)
  }
}

const alone = async (prompt: readonly number[], maxNewTokens: number, adapter: AdapterTensors = {}, of = generator) =>
  (await of.generate([prompt], { maxNewTokens, stopIds: [], adapter }))[0]!.ids

/** Spies on what computes tokens. */
const spied = (of: Generator) => vi.spyOn(of.programs as unknown as { step: (...args: unknown[]) => unknown }, 'step')

/** Tokens of prompts that the engine computes: pieces have more than one. */
function counted(engine: Engine) {
  const step = spied(engine.generator)
  const sizes = () => step.mock.calls.map((args) => (args[2] as { shape: number[] }).shape[1]!).filter((n) => n > 1)
  return { tokens: () => sizes().reduce((a, b) => a + b, 0), restore: () => vi.restoreAllMocks() }
}

describe('many at once', () => {
  // Longer than a piece, shorter than one, of one token; with room for few and for many.
  const asked = [
    [3, 20],
    [300, 9],
    [1, 40],
    [70, 1],
    [33, 90],
    [140, 12],
    [2, 5],
    [260, 70],
    [64, 64],
    [5, 30],
    [31, 31],
    [128, 3],
  ].map(([length, maxNewTokens], n) => ({ prompt: idsOf(length!, n + 1), maxNewTokens: maxNewTokens! }))

  test.each([1, 3, 8])('have the tokens each has alone, %i in a batch', async (maxRows) => {
    const engine = new Engine(generator, { maxRows, prefixBytes: 0 })
    const all = await Promise.all(
      asked.map(async ({ prompt, maxNewTokens }, n) => {
        // Some come later.
        await new Promise((resolve) => setTimeout(resolve, 15 * (n % 4)))
        return whole(engine.stream(prompt, { maxNewTokens, stopIds: [] }))
      }),
    )
    for (const [n, { prompt, maxNewTokens }] of asked.entries())
      expect(all[n], `request ${n}`).toEqual(await alone(prompt, maxNewTokens))
    expect({ running: engine.running, waiting: engine.waiting }).toEqual({ running: false, waiting: 0 })
  })

  test('with windows as Gemma 2 has them', async () => {
    const gemma = {
      ...decoder,
      config: { ...config, windows: config.windows.map((_, n) => (n === 1 ? undefined : 20)) },
    }
    const own = new Generator(gemma, device)
    const engine = new Engine(own)
    const some = asked.slice(0, 6)
    const all = await Promise.all(
      some.map(({ prompt, maxNewTokens }) => whole(engine.stream(prompt, { maxNewTokens, stopIds: [] }))),
    )
    for (const [n, { prompt, maxNewTokens }] of some.entries())
      expect(all[n], `request ${n}`).toEqual(await alone(prompt, maxNewTokens, {}, own))
    engine.dispose()
  })

  test('each with its own adapter', async () => {
    const adapters: AdapterTensors[] = [{}, { scale: { by: tensor([0.5]) } }, { scale: { by: tensor([-1.5]) } }]
    const engine = new Engine(generator)
    const prompt = idsOf(40, 9)
    const jobs = Array.from({ length: 9 }, (_, n) => adapters[n % 3]!)
    const all = await Promise.all(
      jobs.map((adapter) => whole(engine.stream(prompt, { maxNewTokens: 20, stopIds: [], adapter }))),
    )
    const expected = []
    for (const adapter of adapters) expected.push(await alone(prompt, 20, adapter))
    expect(new Set(expected.map(String)).size, 'adapters that differ').toBe(3)
    for (const [n, ids] of all.entries()) expect(ids).toEqual(expected[n % 3])
  })
})

describe('beginnings', () => {
  const context = idsOf(200, 4)

  test('are computed once for many questions', async () => {
    const own = new Generator(decoder, device)
    const engine = new Engine(own)
    const count = counted(engine)
    const prompts = Array.from({ length: 12 }, (_, n) => [...context, ...idsOf(3 + n, n)])
    const all = await Promise.all(
      prompts.map((prompt) => whole(engine.stream(prompt, { maxNewTokens: 6, stopIds: [] }))),
    )
    // The first whole, of the others one small piece.
    expect(count.tokens()).toBe(256 + 5 * 8 + 6 * 16)
    count.restore()
    for (const [n, prompt] of prompts.entries()) expect(all[n]).toEqual(await alone(prompt, 6))
    engine.dispose()
  })

  test('of long contexts are read where they are by those who ask at once: the tokens are those of each alone', async () => {
    const engine = new Engine(generator, { maxRows: 4 })
    const step = spied(generator)
    const asked = Array.from({ length: 20 }, (_, n) => [...idsOf(300, 4 + (n % 2)), ...idsOf(2 + 3 * n, n)])
    const prompts = [...asked, idsOf(90, 13)]
    const all = await Promise.all(
      prompts.map((prompt, n) => whole(engine.stream(prompt, { maxNewTokens: 10 + (n % 7), stopIds: [] }))),
    )
    const together = step.mock.calls.filter((args) => (args[7] as unknown[]).length > 0)
    vi.restoreAllMocks()
    // Sharing takes a quarter of a place: more are decoded together than there are places.
    expect(Math.max(...together.map((args) => (args[2] as { shape: number[] }).shape[0]!))).toBeGreaterThan(4)
    for (const [n, prompt] of prompts.entries())
      expect(all[n], `request ${n}`).toEqual(await alone(prompt, 10 + (n % 7)))
  })

  test('of fifty questions on one context of 2,000 tokens, at most 0.15 of fifty contexts are computed', async () => {
    const wide = { ...decoder, config: { ...config, maxPositions: 4096 } }
    const own = new Generator(wide, device)
    const engine = new Engine(own)
    const count = counted(engine)
    const long = idsOf(2000, 3)
    const prompts = Array.from({ length: 50 }, (_, n) => [...long, ...idsOf(20, n)])
    await Promise.all(prompts.map((prompt) => whole(engine.stream(prompt, { maxNewTokens: 1, stopIds: [] }))))
    const apart = prompts.reduce((sum, { length }) => sum + length, 0)
    expect(count.tokens() / apart).toBeLessThanOrEqual(0.15)
    count.restore()
    engine.dispose()
  })

  test('of two contexts, a conversation that goes on, and one prompt twice', async () => {
    const engine = new Engine(generator)
    const other = [...context.slice(0, 40), ...idsOf(150, 11)]
    const turns = [context, other, [...context, 7, 8], [...other, 9], [...context, 7, 8, ...idsOf(60, 2)], other, other]
    for (const prompt of turns)
      expect(await whole(engine.stream(prompt, { maxNewTokens: 8, stopIds: [] }))).toEqual(await alone(prompt, 8))
  })

  test('of another adapter are not the same', async () => {
    const engine = new Engine(generator)
    const adapter = { scale: { by: tensor([0.5]) } }
    await whole(engine.stream(context, { maxNewTokens: 2, stopIds: [] }))
    const ids = await whole(engine.stream(context, { maxNewTokens: 8, stopIds: [], adapter }))
    expect(ids).toEqual(await alone(context, 8, adapter))
  })

  test('are kept within a budget of bytes', async () => {
    // Of one prompt: layers, keys and values, heads, columns, elements of a head, bytes of each.
    const bytes = 3 * 2 * 2 * 256 * 8 * 4
    const engine = new Engine(new Generator(decoder, device), { prefixBytes: 1.5 * bytes })
    const count = counted(engine)
    const [a, b] = [idsOf(200, 1), idsOf(200, 2)]
    for (const prompt of [a, b, b, a]) await whole(engine.stream(prompt, { maxNewTokens: 2, stopIds: [] }))
    // The second `b` is one small piece; `a` had to go for `b`.
    expect(count.tokens()).toBe(3 * 256 + 8)
    count.restore()
    engine.dispose()
  })
})

describe('who leaves', () => {
  test('is gone from the queue and from the batch; others go on', async () => {
    const engine = new Engine(generator, { maxRows: 2 })
    const reason = new Error('enough')
    const [before, during, waiting] = [new AbortController(), new AbortController(), new AbortController()]
    before.abort(reason)
    const options = { maxNewTokens: 60, stopIds: [] }
    await expect(whole(engine.stream([1], { ...options, signal: before.signal }))).rejects.toBe(reason)
    const long = whole(engine.stream(idsOf(20, 3), options))
    const aborted = engine.stream(idsOf(30, 5), { ...options, signal: during.signal })
    const read: number[] = []
    const reading = (async () => {
      for await (const id of aborted) if (read.push(id) === 4) during.abort(reason)
    })()
    const queued = whole(engine.stream([1, 2], { ...options, signal: waiting.signal }))
    waiting.abort(reason)
    await expect(queued).rejects.toBe(reason)
    await expect(reading).rejects.toBe(reason)
    expect(read).toEqual((await alone(idsOf(30, 5), 60)).slice(0, 4))
    for await (const _ of engine.stream(idsOf(9, 1), options)) break
    expect(await long).toEqual(await alone(idsOf(20, 3), 60))
    await vi.waitFor(() =>
      expect({ running: engine.running, waiting: engine.waiting }).toEqual({ running: false, waiting: 0 }),
    )
  })

  test('by an error of the device takes those with it who were computed together', async () => {
    const own = new Generator(decoder, device)
    const engine = new Engine(own)
    const step = vi.spyOn(own.programs as unknown as { step: (...args: unknown[]) => unknown }, 'step')
    step.mockImplementationOnce(() => {
      throw new Error('no memory')
    })
    const options = { maxNewTokens: 5, stopIds: [] }
    await expect(whole(engine.stream([1, 2, 3], options))).rejects.toThrow('no memory')
    vi.restoreAllMocks()
    expect(await whole(engine.stream([1, 2, 3], options))).toEqual(await alone([1, 2, 3], 5))
    engine.dispose()
  })
})

describe('an engine that is disposed', () => {
  const options = { maxNewTokens: 200, stopIds: [] }

  test('fails the one that is decoded, the one whose prompt is computed, those that wait, and who comes later', async () => {
    const own = new Generator(decoder, device)
    const engine = new Engine(own, { maxRows: 2 })
    const decoded = engine.stream(idsOf(20, 3), options)
    await decoded.next()
    // Of several pieces: it is not done when the engine is disposed.
    const { tokens } = counted(engine)
    const all = [
      whole(decoded),
      whole(engine.stream(idsOf(900, 5), options)),
      whole(engine.stream(idsOf(9, 1), options)),
      engine.exclusively(async () => 'never'),
    ].map((asked) => asked.then(String, (error: Error) => error.message))
    await vi.waitFor(() => expect(tokens()).toBeGreaterThan(0), patience)
    engine.dispose()
    expect(await Promise.all(all)).toEqual(Array.from({ length: 4 }, () => 'the model was closed'))
    await expect(whole(engine.stream([1], options))).rejects.toThrow('the model was closed')
    await expect(engine.exclusively(async () => {})).rejects.toThrow('the model was closed')
    expect({ running: engine.running, waiting: engine.waiting }).toEqual({ running: false, waiting: 0 })
    vi.restoreAllMocks()
    // What was in flight when it was disposed leaves no program behind.
    await device.synchronize()
    await new Promise((resolve) => setTimeout(resolve, 20))
    expect(Object.values(own.programs).map(({ programs }) => programs)).toEqual(
      Object.values(own.programs).map(() => 0),
    )
  })

  test('fails work that has the generator alone', async () => {
    const engine = new Engine(new Generator(decoder, device))
    const work = engine.exclusively(() => new Promise<void>(() => {}))
    await vi.waitFor(() => expect(engine.running).toBe(true), patience)
    engine.dispose()
    await expect(work).rejects.toThrow('the model was closed')
  })
})

test('log probabilities are those of the loss, whatever the sampling, and of the likeliest first', async () => {
  const engine = new Engine(generator)
  const prompt = idsOf(70, 3)
  const made = []
  for await (const token of engine.tokens(prompt, {
    maxNewTokens: 6,
    stopIds: [],
    temperature: 3,
    seed: 5,
    logprobs: 48,
  }))
    made.push(token)
  const ids = made.map(({ id }) => id)
  const whole = [...prompt, ...ids]
  const losses = tokenLosses(
    decoder,
    { tokens: tensor(Int32Array.from(whole), { shape: [1, whole.length] }) },
    {
      labelRows: tensor(Int32Array.from(ids, (_, i) => prompt.length - 1 + i)),
      labels: tensor(Int32Array.from(ids)),
    },
  )
  const expected = [...((await losses.data()) as Float32Array)]
  for (const [i, { id, logprob, top }] of made.entries()) {
    expect(logprob).toBeCloseTo(-expected[i]!, 3)
    expect(top!.find((other) => other.id === id)!.logprob).toBe(logprob)
    expect(top!.reduce((sum, other) => sum + Math.exp(other.logprob), 0)).toBeCloseTo(1, 5)
    expect(top!.map((other) => other.logprob)).toEqual(top!.map((other) => other.logprob).sort((a, b) => b - a))
  }
  const plain = engine.tokens(prompt, { maxNewTokens: 1, stopIds: [] })
  expect((await plain.next()).value).not.toHaveProperty('logprob')
  for await (const { id, top } of engine.tokens(prompt, { maxNewTokens: 3, stopIds: [], logprobs: 1 }))
    expect(top!.map((other) => other.id)).toEqual([id])
})

test('a text as a vector is the mean of its last hidden states, of length 1, beside answers that are made', async () => {
  const engine = new Engine(generator)
  const ids = idsOf(45, 7)
  const answer = whole(engine.stream(idsOf(40, 2), { maxNewTokens: 30, stopIds: [] }))
  const [vector, again, other] = await Promise.all([ids, ids, ids.slice(1)].map((text) => engine.embed(text)))
  const { hidden } = decode(decoder, { tokens: tensor(Int32Array.from(ids), { shape: [1, ids.length] }) })
  const states = (await hidden.data()) as Float32Array
  const size = config.hiddenSize
  const sums = Array.from({ length: size }, (_, d) => ids.reduce((sum, _id, i) => sum + states[i * size + d]!, 0))
  const length = Math.hypot(...sums)
  expect(vector!.length).toBe(size)
  for (const [d, x] of vector!.entries()) expect(x).toBeCloseTo(sums[d]! / length, 5)
  expect(again).toEqual(vector)
  expect(other).not.toEqual(vector)
  expect(await answer).toEqual(await alone(idsOf(40, 2), 30))
  await expect(engine.embed([])).rejects.toThrow('the text is empty')
  await expect(engine.embed([99])).rejects.toThrow('the text has id 99, the vocabulary has 48')
  await expect(engine.embed(idsOf(1025, 1))).rejects.toThrow('the text has 1025 tokens, the model takes at most 1024')
  await expect(engine.embed([1], { signal: AbortSignal.abort(new Error('gone')) })).rejects.toThrow('gone')
})

describe('work that needs the generator alone', () => {
  /** Work that lasts until it is released. */
  function held() {
    let release!: () => void
    const until = new Promise<void>((resolve) => (release = resolve))
    return { until, release }
  }

  test('runs one at a time, in the order it came, behind answers that are being made and before those that come later', async () => {
    const engine = new Engine(generator)
    const order: string[] = []
    const options = { maxNewTokens: 30, stopIds: [] }
    const first = held()
    const all = [
      whole(engine.stream([1, 2], options)).then(() => order.push('answer')),
      engine.exclusively(async () => {
        await first.until
        order.push('first')
      }),
      engine.exclusively(async () => void order.push('second')),
      whole(engine.stream([3, 4], options)).then(() => order.push('later answer')),
    ]
    await vi.waitFor(() => expect(order).toEqual(['answer']), patience)
    expect({ running: engine.running, waiting: engine.waiting }).toEqual({ running: true, waiting: 2 })
    first.release()
    await Promise.all(all)
    expect(order).toEqual(['answer', 'first', 'second', 'later answer'])
  })

  test('who is aborted while waiting leaves the queue; a failure hands the turn on', async () => {
    const engine = new Engine(generator)
    const first = held()
    const running = engine.exclusively(async () => {
      await first.until
      throw new Error('failed')
    })
    const abort = new AbortController()
    const gone = engine.exclusively(async () => 'never', abort.signal)
    abort.abort(new Error('gone'))
    await expect(gone).rejects.toThrow('gone')
    const next = engine.exclusively(async () => 'next')
    first.release()
    await expect(running).rejects.toThrow('failed')
    expect(await next).toBe('next')
    await expect(engine.exclusively(async () => {}, AbortSignal.abort(new Error('before')))).rejects.toThrow('before')
  })
})
