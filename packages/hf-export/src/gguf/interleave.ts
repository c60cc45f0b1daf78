// The order of rows in query and key projections: Hugging Face's halves, llama.cpp's neighbours.

/**
 * Rows of whole heads in llama.cpp's order. Rotary embedding turns pairs of a head's rows by one angle: Hugging Face pairs
 * row i with row i + headDim / 2, llama.cpp's llama architecture row 2i with row 2i + 1. So row 2i + s is row
 * i + s · headDim / 2 of the same head.
 * @param values `[heads * headDim, columns]`
 */
export function interleaveRows(values: Float32Array, headDim: number, columns: number): Float32Array {
  const out = new Float32Array(values.length)
  const half = headDim / 2
  const rows = values.length / columns
  for (let row = 0; row < rows; row++) {
    const inHead = row % headDim
    const from = row - inHead + (inHead >> 1) + (inHead & 1) * half
    out.set(values.subarray(from * columns, (from + 1) * columns), row * columns)
  }
  return out
}
