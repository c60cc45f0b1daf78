// Fills a random draw: the generator of ops/random.ts, on the host. Plain JavaScript, as the worker that calls it.

/**
 * @param {import('./draws').Draw} draw
 * @param {ArrayLike<number>} key u32 `[2]`
 * @param {Float32Array | Uint8Array} out filled with numbers in [0, 1), or with 1 where the draw is kept
 */
export function fillDraw({ words, keepFrom }, key, out) {
  const k0 = (Number(key[0]) ^ words[0]) | 0
  const k1 = (Number(key[1]) ^ words[1]) | 0
  for (let i = 0; i < out.length; i++) {
    let x = (Math.imul(i, 0x9e3779b9) + k0) | 0
    x = Math.imul(x ^ (x >>> 16), 0x7feb352d)
    x ^= (x >>> 15) ^ k1
    x = Math.imul(x, 0x846ca68b)
    x = (x ^ (x >>> 16)) >>> 8
    out[i] = keepFrom === undefined ? x * 2 ** -24 : x >= keepFrom ? 1 : 0
  }
}
