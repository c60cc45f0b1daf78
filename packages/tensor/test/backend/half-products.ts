// Products of f16 matrices in every orientation that a training step has, against plain sums.
import { add, cast, dot, jit, tensor } from '../../src/index'
import type { Shape, Tensor } from '../../src/index'
import { sizeOf } from '../../src/shape'
import { numbers } from './reference'

export interface Product {
  readonly name: string
  readonly a: Shape
  readonly b: Shape
  readonly transposeA?: boolean
  readonly transposeB?: boolean
}

export const products: Product[] = [
  { name: 'x·Wᵀ, as forward', a: [2, 40, 48], b: [72, 48], transposeB: true },
  { name: 'g·W, as backward', a: [80, 48], b: [48, 72] },
  { name: 'aᵀ·b', a: [48, 80], b: [48, 72], transposeA: true },
  { name: 'batches', a: [3, 64, 48], b: [3, 64, 48], transposeB: true },
]

const inHalf = (shape: Shape, seed: number): Float32Array =>
  Float32Array.from(numbers(shape, seed).data, (x) => Math.round(x * 256) / 256)

/** @throws when an element of a·b + 1 is not what plain sums say */
export async function checkProduct({ a, b, transposeA = false, transposeB = false }: Product): Promise<void> {
  const [x, y] = [inHalf(a, 1), inHalf(b, 2)]
  const run = jit((l: Tensor, r: Tensor, c: Tensor) =>
    add(cast(dot(cast(l, 'f16'), cast(r, 'f16'), { transposeA, transposeB }), 'f32'), c),
  )
  const [left, right] = [tensor(x, { shape: a }), tensor(y, { shape: b })]
  const result = run(left, right, tensor([1]))
  const actual = await result.data()
  const [m, n] = result.shape.slice(-2) as [number, number]
  const k = a.at(transposeA ? -2 : -1)!
  const shared = b.length === 2
  for (let at = 0; at < sizeOf(result.shape); at += 7) {
    const [batch, row, column] = [Math.floor(at / (m * n)), Math.floor(at / n) % m, at % n]
    let sum = 1
    for (let i = 0; i < k; i++) {
      const l = x[batch * m * k + (transposeA ? i * m + row : row * k + i)]!
      sum += l * y[(shared ? 0 : batch * k * n) + (transposeB ? column * k + i : i * n + column)]!
    }
    if (Math.abs(actual[at]! - sum) > 1e-4) throw new Error(`element ${at} is ${actual[at]}, expected ${sum}`)
  }
}
