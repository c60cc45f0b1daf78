// The smooth conformance cases with inputs and activations in f16, against the float64 reference.
import { add, cast, jit, makeGraph, mul, sum, treeLeaves, valueAndGrad } from '../../src/index'
import type { Tensor } from '../../src/index'
import { cases, type Case } from './cases'
import { asList, expectClose, toTensors } from './compare'
import { evaluate, numbers, type Nd } from './reference'

/** The nearest f16, for inputs that are exact in both. */
function toHalf(x: number): number {
  const unit = 2 ** (Math.max(-14, Math.floor(Math.log2(Math.abs(x) || 1))) - 10)
  return Math.round(x / unit) * unit
}

/** Random bits, integers and tables are the same in any type; rotations take their angles in f32. */
const isHalf = (c: Case, i: number): boolean => c.inputs[i]!.dtype === 'f32' && !c.inputs[i]!.frozen
// stopGradient's case multiplies by a frozen input, which stays f32 here; quantised weights say what type they unpack to.
const isOther = ({ name, inputs }: Case): boolean =>
  name === 'stopGradient' || inputs.some(({ dtype }) => dtype === 'u8')
export const halfCases = cases.filter((c) => c.smooth && !isOther(c) && c.inputs.some((_, i) => isHalf(c, i)))

const inHalf = (c: Case, inputs: readonly Tensor[]): Tensor[] => {
  const outputs = asList(c.fn(...inputs.map((x, i) => (isHalf(c, i) ? cast(x, 'f16') : x))))
  return outputs.map((x) => cast(x, 'f32'))
}

/** f16 has 11 bits; a chain of a few roundings stays within this share of the largest element. */
const tolerance = 6e-3

/** @throws when value or gradients are not what the reference computes */
export async function checkHalf(c: Case): Promise<void> {
  const host = c.inputs.map(({ shape, dtype, make }, i): Nd => {
    const { data } = numbers(shape, i + 1)
    return { shape, data: data.map((x, at) => (dtype === 'f32' ? toHalf(make(x, at)) : make(x, at))) }
  })
  const inputs = toTensors(c, host)
  const chosen = c.inputs.flatMap((_, i) => (isHalf(c, i) ? [i] : []))
  const step = (floats: Tensor[], all: Tensor[]) =>
    valueAndGrad((xs: Tensor[]) => {
      const merged = all.slice()
      chosen.forEach((at, i) => (merged[at] = xs[i]!))
      return inHalf(c, merged)
        .map((out) => sum(mul(out, 1 / out.size)))
        .reduce((a, b) => add(a, b))
    })(floats)
  const floats = chosen.map((i) => inputs[i]!)
  const expected = evaluate(makeGraph(step)(floats, inputs), [...chosen.map((i) => host[i]!), ...host])
  const actual = treeLeaves(jit(step)(floats, inputs))
  for (const [i, x] of actual.entries())
    expectClose(await x.data(), expected[i]!.data, tolerance, i === 0 ? 'value' : `gradient ${i - 1}`)
}
