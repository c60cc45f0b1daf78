// Seeded random choices for the recipe.

/** @param {number} seed */
export function makeRandom(seed) {
  let state = seed >>> 0
  const next = () => {
    state = (state + 0x6d2b79f5) >>> 0
    let x = Math.imul(state ^ (state >>> 15), state | 1)
    x ^= x + Math.imul(x ^ (x >>> 7), x | 61)
    return ((x ^ (x >>> 14)) >>> 0) / 2 ** 32
  }
  /** @param {number} n an integer in 0..n−1 */
  const below = (n) => Math.floor(next() * n)
  /** @template T @param {readonly T[]} list @returns {T} */
  const pick = (list) => /** @type {T} */ (list[below(list.length)])
  /** @template T @param {readonly T[]} list @param {number} count @returns {T[]} `count` different items */
  const sample = (list, count) => {
    const pool = list.slice()
    return Array.from(
      { length: Math.min(count, pool.length) },
      () => /** @type {T} */ (pool.splice(below(pool.length), 1)[0]),
    )
  }
  return { next, below, pick, sample }
}
