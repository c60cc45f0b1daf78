// Fills a random draw: the generator of ops/random.ts, on the host. Plain JavaScript, as the worker that calls it.

/**
 * @param {import('./draws').Draw} draw
 * @param {ArrayLike<number>} key u32 `[2]`, or `[rows, 2]`
 * @param {Float32Array | Uint8Array} out filled with numbers in [0, 1), or with 1 where the draw is kept
 */
export function fillDraw({ words, dims, strides, offset, rowKeys, keepFrom }, key, out) {
  // The innermost dimensions whose elements are numbered one after another are one run.
  let [axis, run] = [dims.length - 1, 1]
  for (; axis >= 0 && strides[axis] === run; axis--) run *= dims[axis] ?? 1
  const rowLength = rowKeys ? out.length / (dims[0] ?? 1) : out.length
  for (let from = 0; from < out.length; from += run) {
    let index = offset
    for (let i = axis, outer = from / run; i >= 0; i--) {
      const size = dims[i] ?? 1
      index += (outer % size) * (strides[i] ?? 0)
      outer = Math.floor(outer / size)
    }
    const at = rowKeys ? 2 * Math.floor(from / rowLength) : 0
    fillRun(out, from, from + run, index, Number(key[at]) ^ words[0], Number(key[at + 1]) ^ words[1], keepFrom)
  }
}

/**
 * @param {Float32Array | Uint8Array} out
 * @param {number} from @param {number} to elements of `out`
 * @param {number} index of the first of them
 * @param {number} k0 @param {number} k1 words of the key
 * @param {number | undefined} keepFrom
 */
function fillRun(out, from, to, index, k0, k1, keepFrom) {
  const first = (Math.imul(index - from, 0x9e3779b9) + k0) | 0
  for (let i = from; i < to; i++) {
    let x = (Math.imul(i, 0x9e3779b9) + first) | 0
    x = Math.imul(x ^ (x >>> 16), 0x7feb352d)
    x ^= (x >>> 15) ^ k1
    x = Math.imul(x, 0x846ca68b)
    x = (x ^ (x >>> 16)) >>> 8
    out[i] = keepFrom === undefined ? x * 2 ** -24 : x >= keepFrom ? 1 : 0
  }
}
