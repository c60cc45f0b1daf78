// Seeded random numbers for decisions of the host: splits, mixes and the order of samples.

const GOLDEN_GAMMA = 0x9e3779b9

/** One round of the splitmix32 finaliser: 32 bits in, 32 well mixed bits out (a bijection). */
function mix32(value: number): number {
  let z = value | 0
  z = Math.imul(z ^ (z >>> 16), 0x85ebca6b)
  z = Math.imul(z ^ (z >>> 13), 0xc2b2ae35)
  return (z ^ (z >>> 16)) >>> 0
}

/**
 * Folds a seed and any further numbers or names into one 32-bit seed, so that independent decisions (`'split'`, `'mix'`,
 * epoch 3's order) never share a stream.
 *
 * @throws RangeError when a number is not a safe integer.
 */
export function deriveSeed(seed: number, ...path: readonly (number | string)[]): number {
  let state = 0
  for (const part of [seed, ...path]) {
    if (typeof part === 'string') {
      for (let i = 0; i < part.length; i++) state = mix32(state + GOLDEN_GAMMA + part.charCodeAt(i))
    } else {
      if (!Number.isSafeInteger(part)) throw new RangeError(`seed: ${part} is not an integer`)
      state = mix32(state + GOLDEN_GAMMA + (part | 0))
      // Only seeds beyond 32 bits pay a second round, so that small and large seeds stay distinct.
      const high = Math.floor(part / 2 ** 32)
      if (high !== 0 && high !== -1) state = mix32(state + GOLDEN_GAMMA + (high | 0))
    }
    state = mix32(state + 1)
  }
  return state
}

/**
 * Number `counter` of the splitmix32 sequence with this seed, an integer in [0, 2³²). Counter based: any element is had
 * without the ones before it, and every platform gives the same.
 */
export function randomUint32(seed: number, counter: number): number {
  return mix32((seed + Math.imul(counter + 1, GOLDEN_GAMMA)) | 0)
}

/** A stream of random integers: element after element of {@link randomUint32}. */
export class Random {
  #counter = 0
  readonly #seed: number

  constructor(seed: number) {
    this.#seed = deriveSeed(seed)
  }

  /** An integer in [0, limit), unbiased; limit in [1, 2³²]. */
  below(limit: number): number {
    // The incomplete last block of 2³² is rejected: a plain modulo would favour small values.
    const accept = 2 ** 32 - (2 ** 32 % limit)
    for (;;) {
      const value = randomUint32(this.#seed, this.#counter++)
      if (value < accept) return value % limit
    }
  }
}

/** A shuffled copy (Fisher–Yates from the end), the same for the same seed on every platform. */
export function shuffle<T>(array: readonly T[], seed: number): T[] {
  const result = [...array]
  const random = new Random(seed)
  for (let i = result.length - 1; i > 0; i--) {
    const j = random.below(i + 1)
    const held = result[i] as T
    result[i] = result[j] as T
    result[j] = held
  }
  return result
}
