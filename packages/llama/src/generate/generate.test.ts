// Generation: the KV cache against full forward passes, batches against single prompts, streams, limits and aborts.
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { jit, setDefaultDevice, tensor, type Device, type Tensor } from '@jora/tensor'
import { openCpuDevice } from '@jora/tensor/onnx'
import { tinyConfig, tinyWeights } from '../../test/tiny-model'
import { decode, Generator, logits, parseConfig, type Decoder } from '../index'

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
  decoder = { config: parseConfig(tinyConfig), weights }
  generator = new Generator(decoder)
})
afterAll(async () => {
  generator.dispose()
  setDefaultDevice(undefined)
  await device.close()
})

/** Greedy ids by a whole forward pass a token, in one shape: causal attention does not see the fill behind. */
async function byFullForward(prompt: readonly number[], count: number, of: Decoder = decoder): Promise<number[]> {
  const width = prompt.length + count
  const forward = jit((tokens: Tensor) => logits(of, decode(of, { tokens }).hidden))
  const ids = [...prompt]
  for (let i = 0; i < count; i++) {
    const tokens = tensor(
      Int32Array.from({ length: width }, (_, at) => ids[at] ?? 0),
      { shape: [1, width] },
    )
    const row = ((await forward(tokens).data()) as Float32Array).subarray((ids.length - 1) * 48, ids.length * 48)
    ids.push(row.indexOf(Math.max(...row)))
  }
  forward.dispose()
  return ids.slice(prompt.length)
}

const prompts = [[1, 5, 9], [1], [1, 40, 3, 17, 8, 22, 31, 4], Array.from({ length: 35 }, (_, i) => (i * 7) % 48)]
const greedy = { maxNewTokens: 12, stopIds: [] }

describe('greedy', () => {
  test('each step equals a full forward pass', async () => {
    for (const prompt of prompts) {
      const [result] = await generator.generate([prompt], greedy)
      expect(result).toEqual({ ids: await byFullForward(prompt, 12), finishReason: 'length' })
    }
  })

  test('a batch of different lengths gives what each prompt gives alone', async () => {
    const together = await generator.generate(prompts, greedy)
    for (const [i, prompt] of prompts.entries())
      expect((await generator.generate([prompt], greedy))[0]).toEqual(together[i])
  })

  test('a stream gives the same ids and the same result', async () => {
    const [expected] = await generator.generate([prompts[0]!], greedy)
    const stream = generator.stream(prompts[0]!, greedy)
    const ids: number[] = []
    let next = await stream.next()
    for (; !next.done; next = await stream.next()) ids.push(next.value)
    expect(ids).toEqual(expected!.ids)
    expect(next.value).toEqual(expected)
  })

  test('tokens are told as they come, row by row', async () => {
    const told: number[][] = [[], []]
    const results = await generator.generate(prompts.slice(0, 2), greedy, (row, id) => told[row]!.push(id))
    expect(told).toEqual(results.map(({ ids }) => ids))
  })
})

describe('families', () => {
  const families = {
    mistral: { sliding_window: 7 },
    qwen2: { use_sliding_window: true, sliding_window: 5, max_window_layers: 1 },
    qwen3: { head_dim: 8 },
    gemma: { head_dim: 8 },
    gemma2: { head_dim: 8, sliding_window: 6, query_pre_attn_scalar: 4, attn_logit_softcapping: 3 },
  }
  test.each(Object.entries(families))(
    '%s: in one pass, with a cache, and behind a shared context',
    async (type, keys) => {
      const raw = { ...tinyConfig, model_type: type, ...keys }
      const weights = Object.fromEntries(
        tinyWeights(raw).map(({ name, shape, data }) => {
          const isNorm = name.endsWith('norm.weight')
          return [name, tensor(isNorm && type.startsWith('gemma') ? data.map((x) => x - 1) : data, { shape })]
        }),
      )
      const of: Decoder = { config: parseConfig(raw), weights }
      const families = new Generator(of)
      const expected: number[][] = []
      for (const prompt of prompts) expected.push(await byFullForward(prompt, 12, of))
      const results = await families.generate(prompts, greedy)
      expect(results.map(({ ids }) => ids)).toEqual(expected)
      // Questions that see 20, 31 and 35 tokens of a context: windows end before it, in it, and at a gap.
      const context = prompts[3]!
      const asked = [20, 31, 35].map((contextLength) => ({ ids: [4, 44, contextLength], contextLength }))
      const shared = await families.generateShared([{ context, prompts: asked }], greedy)
      const apart = await families.generate(
        asked.map(({ ids, contextLength }) => [...context.slice(0, contextLength), ...ids]),
        greedy,
      )
      expect(shared.map(({ ids }) => ids)).toEqual(apart.map(({ ids }) => ids))
      expect(new Set(apart.map(({ ids }) => ids.join())).size).toBe(3)
      families.dispose()
    },
  )
})

describe('ends', () => {
  test('at a stop id, which is not returned; other rows go on', async () => {
    const [a, b] = await generator.generate(prompts.slice(0, 2), greedy)
    const stop = a!.ids.find((id, i) => i > 0 && !b!.ids.includes(id) && a!.ids.indexOf(id) === i)!
    const results = await generator.generate(prompts.slice(0, 2), { ...greedy, stopIds: [stop] })
    expect(results[0]).toEqual({ ids: a!.ids.slice(0, a!.ids.indexOf(stop)), finishReason: 'stop' })
    expect(results[1]).toEqual(b)
  })

  test('at once when the first token is a stop id', async () => {
    const [{ ids } = { ids: [] }] = await generator.generate([[1]], greedy)
    expect(await generator.generate([[1]], { ...greedy, stopIds: [ids[0]!] })).toEqual([
      { ids: [], finishReason: 'stop' },
    ])
  })

  test("after maxNewTokens, and at the model's last position", async () => {
    const [one] = await generator.generate([[1, 2]], { ...greedy, maxNewTokens: 1 })
    expect(one!.ids).toHaveLength(1)
    const [most] = await generator.generate([Array.from({ length: 90 }, () => 3)], { ...greedy, maxNewTokens: 50 })
    expect(most).toMatchObject({ finishReason: 'length' })
    expect(most!.ids).toHaveLength(6)
  })

  test("at the model's own EOS ids when none are given", async () => {
    const [plain] = await generator.generate([prompts[0]!], greedy)
    const eos = new Generator({ ...decoder, config: { ...decoder.config, eosTokenIds: [plain!.ids[0]!] } })
    expect(await eos.generate([prompts[0]!], { maxNewTokens: 12 })).toEqual([{ ids: [], finishReason: 'stop' }])
    eos.dispose()
  })
})

describe('sampling', () => {
  const warm = { ...greedy, temperature: 1.5, topK: 20, topP: 0.95 }
  test('is the same for the same seed and another for another', async () => {
    const run = async (seed: number) => (await generator.generate([prompts[0]!], { ...warm, seed }))[0]!.ids
    expect(await run(1)).toEqual(await run(1))
    expect(await run(2)).not.toEqual(await run(1))
  })
  test('a repetition penalty changes what repeats', async () => {
    const [plain] = await generator.generate([[1]], { ...greedy, maxNewTokens: 40 })
    const [varied] = await generator.generate([[1]], { ...greedy, maxNewTokens: 40, frequencyPenalty: 100 })
    expect(new Set(varied!.ids).size).toBe(40)
    expect(new Set(plain!.ids).size).toBeLessThan(40)
  })
})

describe('refuses', () => {
  const bad: [string, readonly (readonly number[])[], object, string][] = [
    ['an empty prompt', [[1], []], {}, 'prompt 1 is empty'],
    ['ids outside the vocabulary', [[1, 48]], {}, 'prompt 0 has id 48, the vocabulary has 48'],
    ['negative ids', [[-1]], {}, 'prompt 0 has id -1, the vocabulary has 48'],
    [
      'a prompt that is too long',
      [Array.from({ length: 96 }, () => 1)],
      {},
      'the prompt has 96 tokens, the model takes at most 96',
    ],
    ['maxNewTokens 0', [[1]], { maxNewTokens: 0 }, 'maxNewTokens is 0, expected an integer ≥ 1'],
    ['a temperature below 0', [[1]], { temperature: -1 }, 'temperature is -1, expected a number ≥ 0'],
  ]
  for (const [what, given, options, message] of bad) {
    test(`${what}`, async () => expect(generator.generate(given, options)).rejects.toThrow(new RangeError(message)))
  }
  test('nothing for no prompts', async () => expect(await generator.generate([])).toEqual([]))
  test('a stream tells errors too', async () =>
    expect(generator.stream([]).next()).rejects.toThrow('prompt 0 is empty'))
})

describe('stopping', () => {
  test('an aborted signal ends it with its reason, before or during', async () => {
    const reason = new Error('enough')
    await expect(generator.generate([[1]], { ...greedy, signal: AbortSignal.abort(reason) })).rejects.toBe(reason)
    const controller = new AbortController()
    let count = 0
    const running = generator.generate(
      [[1]],
      { ...greedy, signal: controller.signal },
      () => void (++count === 3 && controller.abort(reason)),
    )
    await expect(running).rejects.toBe(reason)
    expect(count).toBe(3)
  })

  test('leaving a stream early stops the generation', async () => {
    let made = 0
    class Counting extends Generator {
      override generate(...[given, options, onToken]: Parameters<Generator['generate']>) {
        return super.generate(given, options, (row, id) => (made++, onToken?.(row, id)))
      }
    }
    const counting = new Counting(decoder)
    let read = 0
    for await (const _id of counting.stream([1], { ...greedy, maxNewTokens: 60 })) if (++read === 3) break
    expect(read).toBe(3)
    expect(made).toBeLessThan(10)
    counting.dispose()
  })

  test('a failing callback ends it', async () => {
    const fail = () => {
      throw new Error('from the caller')
    }
    await expect(generator.generate([[1]], greedy, fail)).rejects.toThrow('from the caller')
    expect((await generator.generate([[1]], greedy))[0]!.ids).toHaveLength(12)
  })
})

describe('prompts that share a context', () => {
  const context = Array.from({ length: 37 }, (_, i) => 1 + ((i * 11) % 47))
  const groups = [
    { context, prompts: [{ ids: [5, 9] }, { ids: [40, 3, 17, 8, 22] }, { ids: [7], contextLength: 20 }] },
    { context: [1, 2, 3], prompts: [{ ids: [8, 8, 4] }] },
    { context: [4], prompts: [{ ids: [31, 30], contextLength: 0 }, { ids: [12] }] },
  ]
  const wholes = groups.flatMap((group) =>
    group.prompts.map(({ ids, ...at }) => [
      ...group.context.slice(0, 'contextLength' in at ? at.contextLength : undefined),
      ...ids,
    ]),
  )

  test('are continued as each would be with the context before it', async () => {
    const alone = []
    for (const whole of wholes) alone.push(...(await generator.generate([whole], greedy)))
    expect(await generator.generateShared(groups, greedy)).toEqual(alone)
    expect(await generator.generateShared(groups.slice(0, 1), greedy)).toEqual(alone.slice(0, 3))
  })

  test('tell ids by row, as they come', async () => {
    const told: number[][] = wholes.map(() => [])
    const results = await generator.generateShared(groups, greedy, (row, id) => told[row]!.push(id))
    expect(told).toEqual(results.map(({ ids }) => ids))
  })

  test('need a token of their own', async () => {
    await expect(generator.generateShared([{ context, prompts: [{ ids: [] }] }])).rejects.toThrow(
      'prompt 0 has no token of its own behind its context',
    )
  })
})
