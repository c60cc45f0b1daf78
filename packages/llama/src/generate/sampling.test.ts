// Sampling: greedy, temperature, top-k and top-p cut-offs and the three penalties, against numbers worked out by hand.
import { describe, expect, test } from 'vitest'
import { checkSampling, sampleToken, type SamplingOptions } from './sampling'

const sample = (
  logits: readonly number[],
  options: SamplingOptions,
  at = 0,
  { prompt = [] as number[], generated = [] as number[] } = {},
): number => sampleToken(Float32Array.from(logits), prompt, generated, options, () => at)

/** The share of each id over evenly spaced random numbers: the exact distribution, to 1 / steps. */
function distribution(logits: readonly number[], options: SamplingOptions, seen = {}): number[] {
  const steps = 2000
  const counts = logits.map(() => 0)
  for (let i = 0; i < steps; i++) counts[sample(logits, options, (i + 0.5) / steps, seen)]!++
  return counts.map((n) => n / steps)
}

/** softmax(logits / temperature) over the ids kept. */
function softmax(logits: readonly number[], temperature: number, kept = [...logits.keys()]): number[] {
  const weights = logits.map((x, i) => (kept.includes(i) ? Math.exp(x / temperature) : 0))
  const total = weights.reduce((a, b) => a + b, 0)
  return weights.map((w) => w / total)
}

function expectNear(actual: readonly number[], expected: readonly number[]): void {
  expected.forEach((p, i) => expect(Math.abs(actual[i]! - p), `id ${i}`).toBeLessThan(1.5e-3))
}

// Probabilities 0.1, 0.4, 0.3, 0.2 at temperature 1.
const logits = [0.1, 0.4, 0.3, 0.2].map(Math.log)

describe('greedy', () => {
  test('takes the greatest, the first of equals, whatever the random number', () => {
    expect(sample([1, 3, 2], {}, 0.99)).toBe(1)
    expect(sample([2, 3, 3], { temperature: 0 })).toBe(1)
    expect(sample([-5, -Infinity, -4], {})).toBe(2)
  })
})

describe('temperature', () => {
  for (const temperature of [0.5, 1, 2]) {
    test(`${temperature}: softmax of logits / temperature`, () =>
      expectNear(distribution(logits, { temperature }), softmax(logits, temperature)))
  }
  test('near 0 it is greedy, and large logits do not overflow', () => {
    expect(distribution([1000, 1001, -1000], { temperature: 1e-3 })).toEqual([0, 1, 0])
  })
  test('a token of −∞ is never taken', () => {
    expect(distribution([0, -Infinity, 0], { temperature: 1 })).toEqual([0.5, 0, 0.5])
  })
})

describe('top-k', () => {
  test('keeps the k most likely', () => {
    expectNear(distribution(logits, { temperature: 1, topK: 2 }), [0, 4 / 7, 3 / 7, 0])
    expectNear(distribution(logits, { temperature: 1, topK: 1 }), [0, 1, 0, 0])
    for (const topK of [0, 4, 99]) expectNear(distribution(logits, { temperature: 1, topK }), [0.1, 0.4, 0.3, 0.2])
  })
})

describe('top-p', () => {
  test('keeps the fewest whose probabilities reach p', () => {
    expectNear(distribution(logits, { temperature: 1, topP: 0.39 }), [0, 1, 0, 0])
    expectNear(distribution(logits, { temperature: 1, topP: 0.41 }), [0, 4 / 7, 3 / 7, 0])
    expectNear(distribution(logits, { temperature: 1, topP: 0.69 }), [0, 4 / 7, 3 / 7, 0])
    expectNear(distribution(logits, { temperature: 1, topP: 0.71 }), [0, 4 / 9, 3 / 9, 2 / 9])
    expectNear(distribution(logits, { temperature: 1, topP: 1 }), [0.1, 0.4, 0.3, 0.2])
    expectNear(distribution(logits, { temperature: 1, topP: 1e-9 }), [0, 1, 0, 0])
  })
  test('counts probabilities after temperature and top-k, renormalised', () => {
    // At temperature 0.5 they are 1/30, 16/30, 9/30, 4/30; of the first two of them 0.64 and 0.36.
    expectNear(distribution(logits, { temperature: 0.5, topP: 0.6 }), [0, 16 / 25, 9 / 25, 0])
    expectNear(distribution(logits, { temperature: 0.5, topK: 2, topP: 0.6 }), [0, 1, 0, 0])
  })
})

describe('penalties', () => {
  test('repetition: positive logits are divided, negative multiplied, once a token, prompt included', () => {
    const options = { temperature: 1, repetitionPenalty: 2 }
    const seen = { prompt: [0, 0], generated: [1, 1, 0] }
    expectNear(distribution([1, -1, 0.5, -0.5], options, seen), softmax([0.5, -2, 0.5, -0.5], 1))
  })
  test('presence: once for what was generated, not for the prompt', () => {
    const seen = { prompt: [3], generated: [1, 1, 2] }
    expectNear(distribution([1, 1, 1, 1], { temperature: 1, presencePenalty: 0.5 }, seen), softmax([1, 0.5, 0.5, 1], 1))
  })
  test('frequency: once for each time', () => {
    const seen = { prompt: [3], generated: [1, 1, 2] }
    expectNear(distribution([1, 1, 1, 1], { temperature: 1, frequencyPenalty: 0.5 }, seen), softmax([1, 0, 0.5, 1], 1))
  })
  test('all three together, before temperature; negative ones encourage', () => {
    const seen = { prompt: [0], generated: [1, 1] }
    const options = { temperature: 2, repetitionPenalty: 2, presencePenalty: 0.25, frequencyPenalty: -0.5 }
    // id 0: 2/2; id 1: 2/2 − 0.25 + 2·0.5; id 2 untouched.
    expectNear(distribution([2, 2, 2], options, seen), softmax([1, 1.75, 2], 2))
  })
  test('they act on greedy choice as well', () => {
    expect(sample([3, 2], { repetitionPenalty: 2 }, 0, { prompt: [0] })).toBe(1)
    expect(sample([3, 2], { presencePenalty: 2 }, 0, { generated: [0] })).toBe(1)
  })
})

describe('settings that make no sense are refused by name', () => {
  const bad: [SamplingOptions, string][] = [
    [{ temperature: -1 }, 'temperature is -1, expected a number ≥ 0'],
    [{ temperature: NaN }, 'temperature is NaN, expected a number ≥ 0'],
    [{ topK: 1.5 }, 'topK is 1.5, expected an integer ≥ 0'],
    [{ topP: 0 }, 'topP is 0, expected a number in (0, 1]'],
    [{ topP: 1.1 }, 'topP is 1.1, expected a number in (0, 1]'],
    [{ repetitionPenalty: 0 }, 'repetitionPenalty is 0, expected a number > 0'],
    [{ presencePenalty: Infinity }, 'presencePenalty is Infinity, expected a number'],
    [{ frequencyPenalty: NaN }, 'frequencyPenalty is NaN, expected a number'],
  ]
  for (const [options, message] of bad)
    test(`${message}`, () => expect(() => checkSampling(options)).toThrow(new RangeError(message)))
  test('the defaults pass', () => checkSampling({}))
})
