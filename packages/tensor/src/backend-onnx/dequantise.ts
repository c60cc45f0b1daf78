// Quantised weights in ONNX operators. MatMulNBits and DequantizeLinear have no minima or codebooks of ours, no other
// direction of a product, and were no faster; these operators run over all cores and keep nothing.
import type { Node } from '../ir/graph'
import { codebooks, groupSize } from '../ir/ops/quantised'
import { sizeOf } from '../shape'
import type { OnnxBuilder } from './builder'
import { onnxType } from './model-proto'

/** The codes of each group in a row of their own, u8 `[groups, group]`. */
function codesByGroup(b: OnnxBuilder, codes: string, bits: 4 | 8, group: number): string {
  if (bits === 8) return b.node('Reshape', [codes, b.int64s([-1, group])])
  const bytes = b.node('Reshape', [codes, b.int64s([-1, group / 2])])
  const low = b.node('BitwiseAnd', [bytes, b.scalar('u8', 15)])
  const high = b.node('BitShift', [bytes, b.scalar('u8', 4)], { direction: 'RIGHT' })
  return b.node('Concat', [low, high], { axis: 1n })
}

/** The elements of a quantised weight, a group a row until the end: what is scaled is together. */
export function dequantised(
  b: OnnxBuilder,
  [codes, scales, mins]: readonly string[],
  { params: { bits, codebook, dtype }, inputs, outputs }: Node<'dequantise'>,
): string {
  const group = groupSize(inputs[0]!.aval, inputs[1]!.aval, bits)
  const byGroup = codesByGroup(b, codes!, bits, group)
  const column = (x: string, i: number): string => {
    const flat = b.node('Reshape', [x, b.int64s([sizeOf(inputs[i]!.aval.shape), 1])])
    return inputs[i]!.aval.dtype === 'f32' ? flat : b.node('Cast', [flat], { to: BigInt(onnxType.f32) })
  }
  const asFloat = () => b.node('Cast', [byGroup], { to: BigInt(onnxType.f32) })
  let levels: string
  if (codebook) {
    const table = b.shared(`codebook ${codebook}`, () =>
      b.constant('f32', [16], Float32Array.from(codebooks[codebook])),
    )
    levels = b.node('Gather', [table, b.node('Cast', [byGroup], { to: BigInt(onnxType.i32) })], { axis: 0n })
  } else levels = mins === undefined ? b.node('Sub', [asFloat(), b.scalar('f32', 2 ** (bits - 1))]) : asFloat()
  const scaled = b.node('Mul', [levels, column(scales!, 1)])
  const values = mins === undefined ? scaled : b.node('Add', [scaled, column(mins, 2)])
  const shaped = b.node('Reshape', [values, b.int64s(outputs[0]!.aval.shape)])
  return dtype === 'f32' ? shaped : b.node('Cast', [shaped], { to: BigInt(onnxType[dtype]) })
}
