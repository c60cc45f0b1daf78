// The largest singular values of a matrix and their vectors, without the others: Golub–Kahan–Lanczos bidiagonalisation.
import { Random } from '@jora/data'

/** A singular value with its vectors: W ≈ Σ value · left ⊗ right. */
export interface SingularTriplet {
  readonly value: number
  /** `[rows]`, of length 1. */
  readonly left: Float64Array
  /** `[columns]`, of length 1. */
  readonly right: Float64Array
}

const dot = (a: Float64Array, b: Float64Array): number => {
  let sum = 0
  for (let i = 0; i < a.length; i++) sum += a[i]! * b[i]!
  return sum
}

/**
 * Makes `vector` orthogonal to `basis`, whose vectors are orthonormal, and of length 1; a vector that is in their span
 * becomes zero. Twice is enough (Giraud et al. 2005).
 * @param vector changed in place
 * @returns its length before it was divided by it
 */
export function orthonormalise(vector: Float64Array, basis: readonly Float64Array[]): number {
  const before = Math.sqrt(dot(vector, vector))
  for (let pass = 0; pass < 2; pass++)
    for (const other of basis) {
      const along = dot(vector, other)
      for (let i = 0; i < vector.length; i++) vector[i]! -= along * other[i]!
    }
  const length = Math.sqrt(dot(vector, vector))
  const isZero = !(length > 1e-14 * before)
  for (let i = 0; i < vector.length; i++) vector[i] = isZero ? 0 : vector[i]! / length
  return isZero ? 0 : length
}

/** W x */
function times(matrix: Float32Array, x: Float64Array, rows: number): Float64Array {
  const columns = x.length
  const out = new Float64Array(rows)
  for (let row = 0, at = 0; row < rows; row++) {
    let sum = 0
    for (let i = 0; i < columns; i++) sum += matrix[at++]! * x[i]!
    out[row] = sum
  }
  return out
}

/** Wᵀ y */
function transposedTimes(matrix: Float32Array, y: Float64Array, columns: number): Float64Array {
  const out = new Float64Array(columns)
  for (let row = 0, at = 0; row < y.length; row++) {
    const factor = y[row]!
    for (let i = 0; i < columns; i++) out[i]! += matrix[at++]! * factor
  }
  return out
}

/**
 * Eigenvalues of a symmetric tridiagonal matrix by QL steps with implicit shifts (Dubrulle, Martin & Wilkinson 1968).
 * @param diagonal `[n]`, in which the eigenvalues are left
 * @param beside `[n]`: entry i is between i and i + 1, the last is 0; used up
 * @param rows rows of a matrix `[…, n]`, multiplied by the eigenvectors from the right: those of the identity become their own
 */
function diagonalise(diagonal: Float64Array, beside: Float64Array, rows: readonly Float64Array[]): void {
  const n = diagonal.length
  const isSmall = (i: number) =>
    Math.abs(beside[i]!) <= Number.EPSILON * (Math.abs(diagonal[i]!) + Math.abs(diagonal[i + 1]!))
  for (let first = 0; first < n; first++)
    for (;;) {
      let last = first
      while (last < n - 1 && !isSmall(last)) last++
      if (last === first) break
      const slope = (diagonal[first + 1]! - diagonal[first]!) / (2 * beside[first]!)
      const shift = beside[first]! / (slope + (slope < 0 ? -1 : 1) * Math.hypot(slope, 1))
      let bulge = diagonal[last]! - diagonal[first]! + shift
      let [sine, cosine, moved] = [1, 1, 0]
      let i = last - 1
      for (; i >= first; i--) {
        const [over, kept] = [sine * beside[i]!, cosine * beside[i]!]
        const length = Math.hypot(over, bulge)
        beside[i + 1] = length
        if (length === 0) {
          diagonal[i + 1]! -= moved
          break
        }
        sine = over / length
        cosine = bulge / length
        const corner = diagonal[i + 1]! - moved
        const turn = (diagonal[i]! - corner) * sine + 2 * cosine * kept
        moved = sine * turn
        diagonal[i + 1] = corner + moved
        bulge = cosine * turn - kept
        for (const row of rows) {
          const [one, other] = [row[i]!, row[i + 1]!]
          row[i + 1] = sine * one + cosine * other
          row[i] = cosine * one - sine * other
        }
      }
      beside[last] = 0
      if (i >= first) continue
      diagonal[first]! -= moved
      beside[first] = bulge
    }
}

/** Residual of a triplet, in units of the largest singular value, below which it is taken. */
const tolerance = 1e-6

/** Steps that are taken when neighbouring singular values are too close to be told apart sooner. */
const mostSteps = (rank: number): number => 6 * rank + 64

const combined = (basis: readonly Float64Array[], weights: readonly number[]): Float64Array => {
  const out = new Float64Array(basis[0]!.length)
  for (const [k, vector] of basis.entries())
    for (let i = 0, factor = weights[k]!; i < out.length; i++) out[i]! += factor * vector[i]!
  return out
}

/** Numbers of the largest entries, largest first. */
const largestFirst = (values: Float64Array): number[] => [...values.keys()].sort((i, j) => values[j]! - values[i]!)

/**
 * The `rank` largest singular values of a matrix with their vectors, largest first; fewer for a matrix of a lower rank. They
 * are exact to about 1e-6 of the largest one; where the singular values are so close that this takes too many steps, the
 * vectors span nearly the best subspace instead.
 * @param matrix `[rows, columns]`, row-major
 */
export function largestSingular(matrix: Float32Array, rows: number, columns: number, rank: number): SingularTriplet[] {
  // The smaller side is spanned whole by as many steps as it is long.
  const isWide = rows < columns
  const [tall, full] = isWide ? [columns, rows] : [rows, columns]
  const apply = (x: Float64Array) => (isWide ? transposedTimes(matrix, x, columns) : times(matrix, x, rows))
  const applyTransposed = (y: Float64Array) => (isWide ? times(matrix, y, rows) : transposedTimes(matrix, y, columns))
  const wanted = Math.min(rank, full)
  const [lefts, rights]: [Float64Array[], Float64Array[]] = [[], []]
  /** W V = U B, with B upper bidiagonal: these beside its diagonal. */
  const [alphas, betas]: [number[], number[]] = [[], []]
  const random = new Random(1)
  const fresh = (): Float64Array => Float64Array.from({ length: full }, () => random.below(2 ** 24) / 2 ** 23 - 1)
  let next = fresh()
  orthonormalise(next, [])
  const steps = Math.min(full, mostSteps(wanted))
  for (let step = 0; ; step++) {
    rights.push(next)
    const left = apply(next)
    if (step > 0) for (let i = 0, beta = betas[step - 1]!; i < tall; i++) left[i]! -= beta * lefts[step - 1]![i]!
    alphas.push(orthonormalise(left, lefts))
    lefts.push(left)
    next = applyTransposed(left)
    for (let i = 0, alpha = alphas[step]!; i < full; i++) next[i]! -= alpha * rights[step]![i]!
    betas.push(orthonormalise(next, rights))
    const size = step + 1
    const isLast = size === steps
    if (!isLast && (size < wanted || size % 8 !== 0) && betas[step] !== 0) continue
    const ends = new Float64Array(size)
    ends[step] = 1
    const squares = eigenvalues([ends])
    const order = largestFirst(squares)
    const value = (k: number) => Math.sqrt(Math.max(0, squares[order[k]!]!))
    // Of WᵀU − V Bᵀ, which is β v ⊗ e: a left vector's last entry is α q / σ.
    const isExact = Array.from({ length: Math.min(wanted, size) }, (_, k) => k).every(
      (k) => betas[step]! * alphas[step]! * Math.abs(ends[order[k]!]!) <= tolerance * value(0) * value(k),
    )
    if (isLast || (isExact && size >= wanted)) return triplets()
    // An invariant subspace: what remains is looked for elsewhere.
    if (betas[step] === 0) {
      next = fresh()
      orthonormalise(next, rights)
    }
  }

  /** Of BᵀB, the squares of the singular values; see {@link diagonalise}. */
  function eigenvalues(vectors: readonly Float64Array[]): Float64Array {
    const size = alphas.length
    const diagonal = Float64Array.from({ length: size }, (_, i) => alphas[i]! ** 2 + (i === 0 ? 0 : betas[i - 1]! ** 2))
    const beside = Float64Array.from({ length: size }, (_, i) => (i + 1 < size ? alphas[i]! * betas[i]! : 0))
    diagonalise(diagonal, beside, vectors)
    return diagonal
  }

  function triplets(): SingularTriplet[] {
    const size = alphas.length
    const vectors = Array.from({ length: size }, (_, i) =>
      Float64Array.from({ length: size }, (_u, j) => (i === j ? 1 : 0)),
    )
    const squares = eigenvalues(vectors)
    const best = largestFirst(squares).slice(0, wanted)
    // Below is what the rounding of f32 leaves of zeros, as numpy's matrix_rank has it.
    const floor = (2 ** -23 * tall) ** 2 * squares[best[0]!]!
    return best
      .filter((k) => squares[k]! > floor)
      .map((k) => {
        const value = Math.sqrt(squares[k]!)
        const right = vectors.map((row) => row[k]!)
        const left = right.map((q, i) => (alphas[i]! * q + (i + 1 < size ? betas[i]! * right[i + 1]! : 0)) / value)
        const [one, other] = [combined(lefts, left), combined(rights, right)]
        return isWide ? { value, left: other, right: one } : { value, left: one, right: other }
      })
  }
}

/** A part of a weight `[out, in]`, as a product of B `[out, r]` and A `[r, in]`. */
export interface Factors {
  readonly loraA: Float32Array
  readonly loraB: Float32Array
}

/**
 * A = √(S/s)·Vᵀ and B = U·√(S/s), so that s·B A is the best approximation of a matrix of that rank; rows and columns beyond the
 * matrix's own rank are 0.
 */
export function principalFactors(
  matrix: Float32Array,
  { rows, columns, r }: { readonly rows: number; readonly columns: number; readonly r: number },
  scale: number,
): Factors {
  const loraA = new Float32Array(r * columns)
  const loraB = new Float32Array(rows * r)
  for (const [k, { value, left, right }] of largestSingular(matrix, rows, columns, r).entries()) {
    const factor = Math.sqrt(value / scale)
    for (let i = 0; i < columns; i++) loraA[k * columns + i] = factor * right[i]!
    for (let i = 0; i < rows; i++) loraB[i * r + k] = factor * left[i]!
  }
  return { loraA, loraB }
}
