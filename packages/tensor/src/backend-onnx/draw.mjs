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

/** Masks of the last programs, by what they are drawn from: where many programs make one step, its backward pass draws what its forward pass drew. @type {Map<string, Uint8Array>} */
const masks = new Map()
/** Masks that are to be filled again. @type {Uint8Array[]} */
const spare = []
let maskBytes = 0
const keptMaskBytes = 2 ** 26

/** A mask that stays until others need its memory. @param {import('./draws').Draw} draw @param {ArrayLike<number>} key @param {number} size */
export function sharedMask({ name: _name, key: _key, ...draw }, key, size) {
  const id = `${JSON.stringify(draw)} ${Array.from(key).join()}`
  const known = masks.get(id)
  if (known) return known
  const at = spare.findIndex(({ length }) => length === size)
  const mask = at < 0 ? new Uint8Array(size) : /** @type {Uint8Array} */ (spare.splice(at, 1)[0])
  fillDraw({ name: '', key: '', ...draw }, key, mask)
  masks.set(id, mask)
  if (at < 0) maskBytes += size
  while (maskBytes > keptMaskBytes && spare.length > 0) maskBytes -= spare.shift()?.length ?? 0
  for (const [oldest, { byteLength }] of masks) {
    if (maskBytes <= keptMaskBytes || oldest === id) break
    masks.delete(oldest)
    maskBytes -= byteLength
  }
  return mask
}

/** The program that drew them. */
let owner = 0

/** A new step begins: no mask is drawn again, and the next ones have their memory. @param {number} program whose step it is */
export function forgetMasks(program) {
  if (owner === program) spare.push(...masks.values())
  else {
    // Those of other shapes fit no mask of this one.
    spare.length = 0
    maskBytes = 0
  }
  owner = program
  masks.clear()
}
