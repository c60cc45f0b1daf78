// The numbers of tooling/reference/formula.py, which goldens name as their inputs.

const hash32 = (x: number): number => {
  x = Math.imul(x ^ (x >>> 16), 0x7feb352d)
  x = Math.imul(x ^ (x >>> 15), 0x846ca68b)
  return (x ^ (x >>> 16)) >>> 0
}

/** `size` numbers within `scale` of `base`, the same for the same name. */
export function formula(name: string, size: number, scale: number, base = 0): Float32Array {
  let seed = 0x811c9dc5
  for (const byte of new TextEncoder().encode(name)) seed = Math.imul(seed ^ byte, 0x01000193) >>> 0
  const start = hash32(seed)
  return Float32Array.from({ length: size }, (_, i) => base + scale * (hash32((start + i) >>> 0) / 2 ** 31 - 1))
}
