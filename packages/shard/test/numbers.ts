// Numbers for tests that are the same each time.

/** Deterministic numbers around 0. */
export function numbers(count: number, seed = 1): Float32Array {
  let x = seed * 2654435761
  return Float32Array.from({ length: count }, () => {
    x = Math.imul(x ^ (x >>> 15), 0x2c1b3c6d) + 0x9e3779b9
    return ((x >>> 8) / 2 ** 24 - 0.5) * 2
  })
}
