// The product a merge adds: scale · B · A, row by row.

/**
 * Adds rows `from…` of scale · B·A to `weights`, each element summed in float64 and rounded to float32 once.
 * @param weights `[rows, in]`, changed in place
 * @param loraA `[r, in]`
 * @param loraB `[out, r]`
 */
export function addLowRank(
  weights: Float32Array,
  from: number,
  loraA: Float32Array,
  loraB: Float32Array,
  r: number,
  scale: number,
): void {
  const inFeatures = loraA.length / r
  const rows = weights.length / inFeatures
  const sums = new Float64Array(inFeatures)
  for (let row = 0; row < rows; row++) {
    sums.fill(0)
    const b = (from + row) * r
    // Four ranks a pass: a quarter of the traffic on the sums.
    let k = 0
    for (; k + 4 <= r; k += 4) {
      const [b0, b1, b2, b3] = [loraB[b + k]!, loraB[b + k + 1]!, loraB[b + k + 2]!, loraB[b + k + 3]!]
      const [a0, a1, a2, a3] = [k * inFeatures, (k + 1) * inFeatures, (k + 2) * inFeatures, (k + 3) * inFeatures]
      for (let i = 0; i < inFeatures; i++) {
        sums[i]! += b0 * loraA[a0 + i]! + b1 * loraA[a1 + i]! + b2 * loraA[a2 + i]! + b3 * loraA[a3 + i]!
      }
    }
    for (; k < r; k++) {
      const bk = loraB[b + k]!
      const a = k * inFeatures
      for (let i = 0; i < inFeatures; i++) sums[i]! += bk * loraA[a + i]!
    }
    const w = row * inFeatures
    for (let i = 0; i < inFeatures; i++) weights[w + i] = weights[w + i]! + scale * sums[i]!
  }
}
