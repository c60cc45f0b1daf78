// Quantised weights as kernels read them: one element, or four neighbours of a row from one word of codes.
import { isOp, type Node, type Value } from '../../ir/graph'
import { codebooks, groupSize, type QuantisedParams } from '../../ir/ops/quantised'
import type { KernelContext } from './context'
import type { Expression } from './expressions'
import type { OpName } from '../../ir/op'
import { isWhole } from './storage'
import { f32, nestedIndex, over, Position, times, u32, type Block, type KernelWriter } from './writer'

type Params = QuantisedParams['dequantise']

/** The value that a code stands for, before its group's scale; `vec4u` where there are four. */
function levelOf(code: string, four: boolean, { bits, codebook }: Params, hasMins: boolean, writer: KernelWriter) {
  if (codebook) {
    const values = codebooks[codebook].map(f32).join(', ')
    const table = writer.global(codebook, `const $${codebook} = array<f32, 16>(${values});`)
    const names = four ? [0, 1, 2, 3].map((c) => `${table}[${code}[${c}]]`) : [`${table}[${code}]`]
    return four ? `vec4f(${names.join(', ')})` : names[0]!
  }
  const value = `${four ? 'vec4f' : 'f32'}(${code})`
  return hasMins ? value : `(${value} - ${f32(2 ** (bits - 1))})`
}

/** Where the code of element `k` of a row is: its byte there, and how far up in it. */
function codePlace(k: string, group: number, bits: Params['bits'], block: Block): { byte: string; shift: string } {
  if (bits === 8) return { byte: k, shift: '0u' }
  const half = group / 2
  const byte = block.name(`${times(over(k, group), half)} + ${k} % ${u32(half)}`)
  return { byte, shift: block.name(`(${k} % ${u32(group)}) / ${u32(half)} * 4u`) }
}

const groupOf = (node: Node<'dequantise'>): number =>
  groupSize(node.inputs[0]!.aval, node.inputs[1]!.aval, node.params.bits)

/** One element of a quantised weight. */
export const dequantised: Expression<'dequantise'> = ({ node, position, block, read, writer }) => {
  const { params, inputs } = node
  const [codes, scales] = [inputs[0]!.aval.shape, inputs[1]!.aval.shape]
  const coordinates = position.coordinates(block)
  const [lead, k] = [coordinates.slice(0, -1), block.name(coordinates.at(-1)!)]
  const { byte, shift } = codePlace(k, groupOf(node), params.bits, block)
  const stored = read(0, new Position(codes, { coordinates: [...lead, byte] }))
  const code = params.bits === 8 ? stored : block.name(`(${stored} >> ${shift}) & 15u`)
  const at = new Position(scales, { coordinates: [...lead, block.name(over(k, groupOf(node)))] })
  const scaled = `${levelOf(code, false, params, inputs.length > 2, writer)} * ${read(1, at)}`
  return inputs.length > 2 ? `${scaled} + ${read(2, at)}` : scaled
}

/**
 * How four neighbours in a row of a quantised matrix are read, from the first's row and column, which is a multiple of 4;
 * undefined where `value` is none, or its groups are too small for that.
 */
export function dequantisedQuad(
  context: KernelContext<OpName>,
  value: Value,
): ((row: string, column: string, block: Block) => string) | undefined {
  const { node } = value
  if (!isOp(node, 'dequantise') || value.aval.shape.length !== 2 || context.viewOf(value)) return undefined
  const views = node.inputs.map((input) => context.viewOf(input))
  const [codes, scales, mins] = views
  const group = groupOf(node)
  const [rowBytes, rowScales] = [node.inputs[0]!.aval.shape[1]!, node.inputs[1]!.aval.shape[1]!]
  if (!codes || !scales || !views.every((view) => view && isWhole(view))) return undefined
  if (group % (node.params.bits === 4 ? 8 : 4) !== 0 || rowBytes % 4 !== 0 || codes.storage.length % 4 !== 0)
    return undefined
  return (row, column, block) => {
    const { writer } = block
    const first = block.name(column)
    const { byte, shift } = codePlace(first, group, node.params.bits, block)
    const word = block.name(writer.load4(codes.storage, block.name(over(nestedIndex(row, rowBytes, byte), 4))))
    const bytes = `vec4u(${word}, ${word} >> 8u, ${word} >> 16u, ${word} >> 24u)`
    const code = block.name(
      node.params.bits === 8 ? `${bytes} & vec4u(255u)` : `(${bytes} >> vec4u(${shift})) & vec4u(15u)`,
    )
    const at = block.name(nestedIndex(row, rowScales, block.name(over(first, group))))
    const scale = block.name(writer.load(scales.storage, at))
    const scaled = `${levelOf(code, true, node.params, mins !== undefined, writer)} * ${scale}`
    return block.name(mins ? `${scaled} + ${block.name(writer.load(mins.storage, at))}` : scaled)
  }
}
