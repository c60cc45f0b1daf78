// Quantised weights in ONNX operators, where the worker does not unpack them (unpacked.ts). For x Wᵀ, MatMulBnb4 unpacks those of nf4
// (its form without the transpose gives wrong numbers on the CPU). Others, and gradients, are unpacked one weight at a time, with
// DequantizeLinear over groups as rows: its own blocks, and GatherBlockQuantized, were slower, and have no minima; MatMulNBits, for
// which x has to be put in another order, was no faster.
import { isOp, type Node, type Value } from '../../ir/graph'
import { codebooks, groupSize } from '../../ir/ops/quantised'
import type { OnnxBuilder } from '../builder'
import { onnxType } from '../model-proto'

/** The codes of each group in a row of their own, u8 `[groups, group]`. */
function codesByGroup(b: OnnxBuilder, codes: string, bits: 4 | 8, group: number): string {
  if (bits === 8) return b.node('Reshape', [codes, b.int64s([-1, group])])
  const bytes = b.node('Reshape', [codes, b.int64s([-1, group / 2])])
  const low = b.node('BitwiseAnd', [bytes, b.scalar('u8', 15)])
  const high = b.node('BitShift', [bytes, b.scalar('u8', 4)], { direction: 'RIGHT' })
  return b.node('Concat', [low, high], { axis: 1n })
}

/** Groups that the operator takes. */
const blockSizes = [16, 32, 64, 128, 256]

/** The weight of `node`, a product x Wᵀ, when one operator multiplies by it as it is. */
export function productWeight(node: Node): Node<'dequantise'> | undefined {
  if (!isOp(node, 'dot') || node.params.transposeA || !node.params.transposeB) return undefined
  const [x, w] = node.inputs as [Value, Value]
  if (!isOp(w.node, 'dequantise') || w.aval.shape.length !== 2 || x.aval.dtype !== 'f32') return undefined
  const { inputs, params } = w.node
  const suits = params.codebook === 'nf4' && inputs.every((v) => v.aval.dtype !== 'f16')
  return suits && blockSizes.includes(groupSize(inputs[0]!.aval, inputs[1]!.aval, 4)) ? w.node : undefined
}

/**
 * x Wᵀ for the node `product`, and for the parts of the weight that {@link productWeight} gave. The operator has neighbours
 * in a byte, where ours are half a group apart: the columns of x are put into that order.
 */
export function quantisedProduct(
  b: OnnxBuilder,
  x: string,
  product: Node<'dot'>,
  weight: Node<'dequantise'>,
  [codes, scales]: readonly string[],
): string {
  const [n, k] = weight.outputs[0]!.aval.shape as [number, number]
  const group = groupSize(weight.inputs[0]!.aval, weight.inputs[1]!.aval, 4)
  const ordered = b.shared(`${x} for groups of ${group}`, () => {
    // A place in a group is a row here: rows are moved whole. To turn each group's two halves alone took a fifth of a step.
    const places = b.node('Transpose', [b.node('Reshape', [x, b.int64s([-1, group])])], { perm: [1, 0] })
    const halves = b.node('Reshape', [places, b.int64s([2, group / 2, -1])])
    // The first of two neighbours is in a byte's high half.
    const turned = b.node('Slice', [halves, b.int64s([-1]), b.int64s([-3]), b.int64s([0]), b.int64s([-1])])
    const pairs = b.node('Reshape', [b.node('Transpose', [turned], { perm: [1, 0, 2] }), b.int64s([group, -1])])
    const back = b.node('Transpose', [pairs], { perm: [1, 0] })
    return b.node('Reshape', [back, b.int64s(product.inputs[0]!.aval.shape)])
  })
  const attributes = { K: BigInt(k), N: BigInt(n), block_size: BigInt(group), quant_type: 1n }
  const packed = b.node('Reshape', [codes!, b.int64s([(n * k) / 2])])
  const factors = b.node('Reshape', [scales!, b.int64s([(n * k) / group])])
  return b.node('MatMulBnb4', [ordered, packed, factors], attributes, 'com.microsoft')
}

/** The elements of a quantised weight, a group a row until the end: what is scaled is together. */
export function dequantised(
  b: OnnxBuilder,
  [codes, scales, mins]: readonly string[],
  { params: { bits, codebook, dtype }, inputs, outputs }: Node<'dequantise'>,
): string {
  const group = groupSize(inputs[0]!.aval, inputs[1]!.aval, bits)
  const byGroup = codesByGroup(b, codes!, bits, group)
  /** The numbers of groups, f32, as the last axis or as rows of their own. */
  const ofGroups = (x: string, i: number, shape: readonly number[]): string => {
    const shaped = b.node('Reshape', [x, b.int64s(shape)])
    return inputs[i]!.aval.dtype === 'f32' ? shaped : b.node('Cast', [shaped], { to: BigInt(onnxType.f32) })
  }
  let scaled: string
  if (codebook) {
    const table = b.shared(`codebook ${codebook}`, () =>
      b.constant('f32', [16], Float32Array.from(codebooks[codebook])),
    )
    const indices = b.node('Cast', [byGroup], { to: BigInt(onnxType.i32) })
    scaled = b.node('Mul', [b.node('Gather', [table, indices], { axis: 0n }), ofGroups(scales!, 1, [-1, 1])])
  } else {
    // One pass, where converting, shifting and scaling are three, each with memory of its own.
    const factors = ofGroups(scales!, 1, [-1])
    const middle = () => b.node('Expand', [b.scalar('u8', 2 ** (bits - 1)), b.node('Shape', [factors])])
    const zeros = mins === undefined ? [middle()] : []
    scaled = b.node('DequantizeLinear', [byGroup, factors, ...zeros], { axis: 0n })
  }
  const values = mins === undefined ? scaled : b.node('Add', [scaled, ofGroups(mins, 2, [-1, 1])])
  const { shape } = outputs[0]!.aval
  // Rows that were gathered are as many as the codes say, which other runs of the model may have more of.
  const lead = () => b.node('Shape', [codes!], { end: -1n })
  const target =
    shape.length > 2 ? b.node('Concat', [lead(), b.int64s(shape.slice(-1))], { axis: 0n }) : b.int64s(shape)
  const shaped = b.node('Reshape', [values, target])
  return dtype === 'f32' ? shaped : b.node('Cast', [shaped], { to: BigInt(onnxType[dtype]) })
}
