// Initializers of a session, made of the tensors of its weights; see prepared.ts. Plain JavaScript, as the worker is.

/** Half precision as f32. @param {Uint16Array} halves */
function halvesAsFloats(halves) {
  const out = new Float32Array(halves.length)
  for (let i = 0; i < halves.length; i++) {
    const bits = halves[i] ?? 0
    const [exponent, fraction] = [(bits >> 10) & 31, bits & 1023]
    const size =
      exponent === 0
        ? fraction * 2 ** -24
        : exponent === 31
          ? fraction
            ? NaN
            : Infinity
          : (1 + fraction / 1024) * 2 ** (exponent - 15)
    out[i] = bits & 0x8000 ? -size : size
  }
  return out
}

/** @param {ArrayBufferView} data @returns {Float32Array} */
const asFloats = (data) => (data instanceof Float32Array ? data : halvesAsFloats(/** @type {Uint16Array} */ (data)))

/** The middle of the codes that a weight with minima has: half of the power of two above them. @param {Uint8Array} codes */
function middleOf(codes) {
  let all = 0
  for (let i = 0; i < codes.length; i++) all |= codes[i] ?? 0
  return 2 ** (32 - Math.clz32(all)) / 2
}

/** Code `i` of a row, a byte each. @param {Uint8Array} codes @param {4 | 8} bits @param {number} group */
function eachCode(codes, bits, group) {
  if (bits === 8) return codes
  const half = group / 2
  const out = new Uint8Array(codes.length * 2)
  for (let at = 0, to = 0; at < codes.length; at += half, to += group)
    for (let j = 0; j < half; j++) {
      const both = codes[at + j] ?? 0
      out[to + j] = both & 15
      out[to + half + j] = both >> 4
    }
  return out
}

/** @param {Uint8Array} codes @param {number} group */
function nibbles(codes, group) {
  const half = group / 2
  const out = new Uint8Array(codes.length)
  for (let at = 0; at < codes.length; at += half)
    for (let j = 0; j < half; j += 2) {
      const [first = 0, second = 0] = [codes[at + j], codes[at + j + 1]]
      out[at + j / 2] = (first & 15) | ((second & 15) << 4)
      out[at + half / 2 + j / 2] = (first >> 4) | (second & 0xf0)
    }
  return out
}

/** Bytes 128 lower or higher, which is their first bit turned. @param {Uint8Array | Int8Array} codes */
function moved(codes) {
  const out = new Uint8Array(codes.length)
  out.set(codes)
  const words = new Uint32Array(out.buffer, 0, out.length >> 2)
  for (let i = 0; i < words.length; i++) words[i] = Number(words[i]) ^ 0x80808080
  for (let i = words.length * 4; i < out.length; i++) out[i] = Number(out[i]) ^ 0x80
  return out.buffer
}

/** Rows of a matrix by their largest element: codes, or the scale of each. @param {Float32Array} values @param {number} rows @param {boolean} asScales */
function rounded(values, rows, asScales) {
  const columns = values.length / rows
  const scales = new Float32Array(rows)
  const codes = new Int8Array(asScales ? 0 : values.length)
  for (let row = 0; row < rows; row++) {
    const [from, to] = [row * columns, (row + 1) * columns]
    let largest = 0
    for (let i = from; i < to; i++) largest = Math.max(largest, Math.abs(values[i] ?? 0))
    scales[row] = largest / 127
    const inverse = scales[row] ? 1 / Number(scales[row]) : 0
    if (!asScales) for (let i = from; i < to; i++) codes[i] = Math.round((values[i] ?? 0) * inverse)
  }
  return asScales ? scales : codes
}

/** Rows that are read at once, a cache line of each. */
const together = 64

/** Columns as rows. @param {Int8Array} matrix @param {number} rows */
function turned(matrix, rows) {
  const columns = matrix.length / rows
  const out = new Int8Array(matrix.length)
  for (let first = 0; first < rows; first += together) {
    const last = Math.min(rows, first + together)
    for (let column = 0; column < columns; column++)
      for (let row = first, at = column * rows + first; row < last; row++, at++)
        out[at] = matrix[row * columns + column] ?? 0
  }
  return out
}

/** @typedef {Extract<import('./prepared').Recipe, { kind: 'rows' }>} Rows */

/** Whether a weight has what is asked for: rows of 8 bits with a scale each. @param {Rows} recipe @param {readonly any[]} parts */
const areRows = ({ rows, bits, codebook }, [, scales, mins]) =>
  bits === 8 && !codebook && !mins && scales.length === rows

/** Whether {@link prepare} makes of a weight's codes the same ones with a sign. @param {import('./prepared').Recipe} recipe @param {readonly any[]} parts */
export const isSigned = (recipe, parts) => recipe.kind === 'rows' && recipe.part === 'codes' && areRows(recipe, parts)

/** The codes that signed ones were made of. @param {Int8Array} codes */
export const unsigned = (codes) => new Uint8Array(moved(codes))

/** @type {{ [K in import('./prepared').Recipe['kind']]: (recipe: Extract<import('./prepared').Recipe, { kind: K }>, parts: any[]) => ArrayBufferView }} */
const makers = {
  nibbles: ({ group }, [codes]) => nibbles(codes, group),
  bytes({ hasMins, codebook, group }, [codes]) {
    if (!hasMins && !codebook) return codes
    const values = codebook ? eachCode(codes, 4, group) : codes
    const shift = codebook ? 128 : 128 - middleOf(values)
    return values.map((/** @type {number} */ code) => (codebook?.[code] ?? code) + shift)
  },
  scales({ times }, [scales]) {
    if (times === 1) return scales
    const out = new Float32Array(scales.length * times)
    for (let i = 0; i < out.length; i++) out[i] = scales[Math.floor(i / times)]
    return out
  },
  offsets({ bits, groups }, [mins, scales, codes]) {
    const middle = bits === 4 ? 8 : middleOf(codes)
    const out = new Float32Array(mins.length)
    const rows = out.length / groups
    for (let row = 0, i = 0; row < rows; row++)
      for (let at = row; at < out.length; at += rows, i++) out[at] = mins[i] + middle * scales[i]
    return out
  },
  rows(recipe, parts) {
    const { part, rows, bits, codebook } = recipe
    const [codes, scales] = parts
    const isReady = areRows(recipe, parts)
    // A copy: both are released, and memory that two tensors had would be given to two others.
    if (isReady && part === 'scales') return asFloats(scales).slice()
    const floats = () =>
      /** @type {Float32Array} */ (makers.floats({ kind: 'floats', bits, ...(codebook ? { codebook } : {}) }, parts))
    const made = isReady ? new Int8Array(moved(codes)) : rounded(floats(), rows, part === 'scales')
    return part === 'turned' ? turned(/** @type {Int8Array} */ (made), rows) : made
  },
  floats({ bits, codebook }, [codes, scaleParts, minParts]) {
    if (!bits) return asFloats(codes)
    const [scales, mins] = [asFloats(scaleParts), minParts && asFloats(minParts)]
    const group = (codes.length * 8) / bits / scales.length
    const values = eachCode(codes, bits, group)
    const zero = mins ? 0 : 2 ** (bits - 1)
    const out = new Float32Array(values.length)
    for (let g = 0; g < scales.length; g++) {
      const [scale = 0, min = 0] = [scales[g], mins?.[g]]
      for (let i = g * group; i < (g + 1) * group; i++) {
        const code = values[i] ?? 0
        out[i] = codebook ? scale * (codebook[code] ?? 0) : scale * (code - zero) + min
      }
    }
    return out
  },
}

/** Rows of matrices of `groups` rows, side by side. @param {Float32Array[]} matrices @param {number} groups */
function sideBySide(matrices, groups) {
  const out = new Float32Array(matrices.reduce((sum, { length }) => sum + length, 0))
  let at = 0
  for (let group = 0; group < groups; group++)
    for (const matrix of matrices) {
      const columns = matrix.length / groups
      out.set(matrix.subarray(group * columns, (group + 1) * columns), at)
      at += columns
    }
  return out
}

/** @param {ArrayBufferView} data */
const bytesOf = ({ buffer, byteOffset, byteLength }) => new Uint8Array(buffer, byteOffset, byteLength)

/** The bytes of an initializer. @param {import('./prepared').Recipe} recipe @param {ArrayBufferView[][]} weights the parts of each */
export function prepare(recipe, weights) {
  const made = weights.map((parts) => makers[recipe.kind](/** @type {never} */ (recipe), parts))
  const [first] = made
  if (first && made.length === 1) return bytesOf(first)
  if (recipe.kind === 'offsets') return bytesOf(sideBySide(/** @type {Float32Array[]} */ (made), recipe.groups))
  return Buffer.concat(made.map(bytesOf))
}
