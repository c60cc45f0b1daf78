// What the definitions that go over blocks have in common.
import { apply } from '../ops/apply'
import { cast, mul, square, sub, tanh } from '../ops/elementwise'
import type { Tensor } from '../tensor'

/** `x`, once all of `done` exist: blocks follow one another, so that one's scores are gone before the next one's are made. */
export const onceDone = (x: Tensor, done: readonly Tensor[]): Tensor =>
  done.reduce((held, token) => apply('barrier', [held, token], {}), x)

/** Numbers kept within ± cap, and the slope of that at each. */
export interface Capped {
  readonly x: Tensor
  readonly slope: Tensor | undefined
}

/** cap · tanh(x / cap); x itself without a cap. */
export function capped(x: Tensor, cap: number | undefined): Capped {
  if (cap === undefined) return { x, slope: undefined }
  const t = tanh(mul(x, 1 / cap))
  return { x: mul(t, cap), slope: sub(1, square(t)) }
}

/** The cotangent of what was capped. */
export const throughCap = (g: Tensor, slope: Tensor | undefined): Tensor => (slope ? mul(g, slope) : g)

/** What is summed or exponentiated is f32 whatever the tensors are. */
export const inF32 = (x: Tensor): Tensor => cast(x, 'f32')
