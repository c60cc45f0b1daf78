// Targets of Reshape that hold for other sizes of the same tensors.
import type { Shape } from '../shape'

/**
 * `to` as Reshape takes it: leading sizes that stay are 0, a single size that is neither at the beginning nor at the end of
 * both is −1.
 */
export function reshapeTarget(from: Shape, to: Shape): readonly number[] {
  if (from.includes(0) || to.includes(0)) return to
  let kept = 0
  while (kept < Math.min(from.length, to.length) && from[kept] === to[kept]) kept++
  let last = 0
  while (last < Math.min(from.length, to.length) - kept && from.at(-1 - last) === to.at(-1 - last)) last++
  const middle = to.length - kept - last
  return to.map((d, i) => (i < kept ? 0 : i < kept + middle && middle === 1 ? -1 : d))
}
