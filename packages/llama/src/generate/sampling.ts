// Choosing the next token from logits, on the host.

/** How the next token is chosen from logits; without options the most likely one is. */
export interface SamplingOptions {
  /** 0 is greedy; otherwise logits are divided by it. */
  readonly temperature?: number
  /** Keep only the k most likely tokens (0: all). */
  readonly topK?: number
  /** Keep the fewest tokens whose probabilities reach p (1: all). */
  readonly topP?: number
  /** Divides positive and multiplies negative logits of tokens already seen, prompt included (Keskar et al. 2019); 1 is off. */
  readonly repetitionPenalty?: number
  /** Subtracted from logits of tokens already generated. */
  readonly presencePenalty?: number
  /** Subtracted once for each time a token was already generated. */
  readonly frequencyPenalty?: number
}

/**
 * Checks the options' ranges.
 * @throws RangeError naming the option, its value and what was expected
 */
export function checkSampling(options: SamplingOptions): void {
  const check = (name: keyof SamplingOptions, ok: (value: number) => boolean, expected: string) => {
    const value = options[name]
    if (value !== undefined && !ok(value)) throw new RangeError(`${name} is ${value}, expected ${expected}`)
  }
  check('temperature', (v) => v >= 0, 'a number ≥ 0')
  check('topK', (v) => Number.isInteger(v) && v >= 0, 'an integer ≥ 0')
  check('topP', (v) => v > 0 && v <= 1, 'a number in (0, 1]')
  check('repetitionPenalty', (v) => v > 0, 'a number > 0')
  check('presencePenalty', Number.isFinite, 'a number')
  check('frequencyPenalty', Number.isFinite, 'a number')
}

function penalise(
  logits: Float32Array,
  prompt: readonly number[],
  generated: readonly number[],
  options: SamplingOptions,
): void {
  const { repetitionPenalty = 1, presencePenalty = 0, frequencyPenalty = 0 } = options
  if (repetitionPenalty !== 1) {
    for (const id of new Set([...prompt, ...generated])) {
      const value = logits[id]
      if (value !== undefined) logits[id] = value > 0 ? value / repetitionPenalty : value * repetitionPenalty
    }
  }
  if (presencePenalty === 0 && frequencyPenalty === 0) return
  const counts = new Map<number, number>()
  for (const id of generated) counts.set(id, (counts.get(id) ?? 0) + 1)
  for (const [id, count] of counts) logits[id]! -= presencePenalty + frequencyPenalty * count
}

function greatest(logits: Float32Array): number {
  let best = 0
  for (let i = 1; i < logits.length; i++) if (logits[i]! > logits[best]!) best = i
  return best
}

/** Ids within so many temperatures of the likeliest are looked through first, then within twice as many. */
const margins = [8, 16, 32, Infinity]

/**
 * Ids from the likeliest on, equals in their order: at least `count`, and so many that their weights reach `mass`. Few of a vocabulary
 * are sorted.
 */
function likeliest(
  logits: Float32Array,
  weights: Float64Array,
  { top, temperature, count, mass }: Record<'top' | 'temperature' | 'count' | 'mass', number>,
): number[] {
  let ids: number[] = []
  for (const margin of margins) {
    const least = top - margin * temperature
    ids = []
    let reached = 0
    for (let id = 0; id < logits.length; id++) {
      if (logits[id]! < least) continue
      ids.push(id)
      reached += weights[id]!
    }
    if (ids.length >= count && reached >= mass) break
  }
  return ids.sort((a, b) => logits[b]! - logits[a]! || a - b)
}

/**
 * The next token id: penalties, then temperature, top-k and top-p in that order, as transformers applies them.
 * @param logits `[vocab]`, changed in place
 * @param random a number in [0, 1)
 */
export function sampleToken(
  logits: Float32Array,
  prompt: readonly number[],
  generated: readonly number[],
  options: SamplingOptions,
  random: () => number,
): number {
  penalise(logits, prompt, generated, options)
  const { temperature = 0, topK = 0, topP = 1 } = options
  const best = greatest(logits)
  if (temperature === 0) return best
  const top = logits[best]!
  const weights = new Float64Array(logits.length)
  let total = 0
  for (let id = 0; id < logits.length; id++) total += weights[id] = Math.exp((logits[id]! - top) / temperature)
  if (topK === 0 && topP === 1) return drawn(weights.keys(), weights, random() * total)
  const count = Math.min(topK, logits.length)
  let candidates = likeliest(logits, weights, { top, temperature, count, mass: topK > 0 ? 0 : topP * total })
  if (topK > 0) {
    candidates = candidates.slice(0, topK)
    total = candidates.reduce((sum, id) => sum + weights[id]!, 0)
  }
  if (topP < 1) {
    let kept = 0
    let mass = 0
    while (kept < candidates.length && mass < topP * total) mass += weights[candidates[kept++]!]!
    candidates = candidates.slice(0, kept)
    total = mass
  }
  return drawn(candidates, weights, random() * total)
}

/** The id in which `at` falls, of weights one after another; the last beyond them. */
function drawn(ids: Iterable<number>, weights: Float64Array, at: number): number {
  let left = at
  let last = 0
  for (const id of ids) {
    left -= weights[id]!
    last = id
    if (left < 0) break
  }
  return last
}

/** Numbers in [0, 1) of a seed, for {@link sampleToken}. */
export function randomOf(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    // Mulberry32: small, seeded, good enough to pick tokens.
    state = (state + 0x6d2b79f5) >>> 0
    let x = Math.imul(state ^ (state >>> 15), state | 1)
    x ^= x + Math.imul(x ^ (x >>> 7), x | 61)
    return ((x ^ (x >>> 14)) >>> 0) / 2 ** 32
  }
}
