// The WGSL lowering table: each op is either read (an expression of one element) or run (a kernel of its own).
import type { Node } from '../ir/graph'
import type { CollectiveOp, FusedOp, OpName } from '../ir/op'
import {
  constantOf,
  convert,
  elementwise,
  indexAt,
  inputShape,
  movement,
  power,
  randomBits,
  replaced,
  sinusoid,
  sizeAt,
  type Expression,
} from './fusion/expressions'
import { argmaxKernel } from './kernels/argmax.wgsl'
import { attentionGradKernels } from './kernels/attention-grad.wgsl'
import { attentionKernel, attentionLayout } from './kernels/attention.wgsl'
import { dotKernel, dotOperand } from './kernels/dot.wgsl'
import { reduceKernel } from './kernels/reduce.wgsl'
import { rmsNormGradKernel, rmsNormKernel, softmaxKernel } from './kernels/rows.wgsl'
import { scatterAddKernel } from './kernels/scatter-add.wgsl'
import { dequantised } from './fusion/dequantise'
import type { Kernel, OperandNeed } from './fusion/context'
import { f32, Position, u32 } from './fusion/writer'

/** An op that is read: inlined where its value is used. */
interface Read<K extends OpName> {
  readonly expression: Expression<K>
  /** What one evaluation costs, in additions; decides whether a value used twice is stored. */
  readonly work: number
}

/** An op that is run: a dispatch of its own, with elementwise followers in its epilogue where it takes them. */
export interface Run<K extends OpName> {
  readonly kernel: Kernel<K>
  readonly operand: (node: Node<K>, i: number) => OperandNeed
  /** Whether followers of its first output may be computed where it is written. */
  readonly epilogue: boolean
  /** Strides of output `i` in memory, when not row-major. */
  readonly layout?: (node: Node<K>, i: number) => readonly number[] | undefined
}

const read = <K extends OpName>(work: number, expression: Expression<K>): Read<K> => ({ work, expression })
const each = (work: number, write: (...inputs: string[]) => string) => read(work, elementwise(write))
const run = <K extends OpName>(
  kernel: Kernel<K>,
  operand: OperandNeed | Run<K>['operand'],
  { epilogue = false, layout }: { epilogue?: boolean; layout?: Run<K>['layout'] } = {},
): Run<K> => ({
  kernel,
  operand: typeof operand === 'string' ? () => operand : operand,
  epilogue,
  ...(layout ? { layout } : {}),
})

const same = elementwise((x) => x)

export const wgslLowerings: {
  readonly [K in OpName]:
    | Read<K>
    | Run<K>
    | (K extends FusedOp ? 'decompose' : never)
    | (K extends CollectiveOp ? 'collective' : never)
} = {
  neg: each(1, (x) => `-(${x})`),
  exp: each(4, (x) => `exp(${x})`),
  log: each(4, (x) => `log(${x})`),
  sqrt: each(4, (x) => `sqrt(${x})`),
  rsqrt: each(4, (x) => `inverseSqrt(${x})`),
  sin: read(20, ({ same, writer }) => sinusoid(same(0), 'sin', writer)),
  cos: read(20, ({ same, writer }) => sinusoid(same(0), 'cos', writer)),
  // Some drivers compute tanh from exponentials that overflow.
  tanh: each(6, (x) => `tanh(clamp(${x}, -15.0f, 15.0f))`),
  sigmoid: each(5, (x) => `1.0f / (1.0f + exp(-(${x})))`),
  silu: each(6, (x) => `${x} / (1.0f + exp(-(${x})))`),
  abs: each(1, (x) => `abs(${x})`),
  not: each(1, (x) => `!(${x})`),
  add: each(1, (a, b) => `${a} + ${b}`),
  sub: each(1, (a, b) => `${a} - ${b}`),
  mul: each(1, (a, b) => `${a} * ${b}`),
  div: each(2, (a, b) => `${a} / ${b}`),
  pow: read(8, ({ same, writer, node, block }) =>
    node.outputs[0]!.aval.dtype === 'i32' || node.outputs[0]!.aval.dtype === 'u32'
      ? `${node.outputs[0]!.aval.dtype}(${power(`f32(${same(0)})`, `f32(${same(1)})`, block.writer)})`
      : power(same(0), same(1), writer),
  ),
  maximum: each(1, (a, b) => `max(${a}, ${b})`),
  minimum: each(1, (a, b) => `min(${a}, ${b})`),
  eq: each(1, (a, b) => `${a} == ${b}`),
  lt: each(1, (a, b) => `${a} < ${b}`),
  le: each(1, (a, b) => `${a} <= ${b}`),
  and: each(1, (a, b) => `${a} && ${b}`),
  or: each(1, (a, b) => `${a} || ${b}`),
  where: each(1, (c, a, b) => `select(${b}, ${a}, ${c})`),
  cast: read(1, ({ same, node }) => convert(same(0), node.inputs[0]!.aval.dtype, node.params.dtype)),
  stopGradient: read(0, same),
  shardingConstraint: read(0, same),
  barrier: read(0, ({ same }) => same(0)),
  full: read(0, ({ node: { params } }) => constantOf(params.dtype, params.value)),
  literal: read(1, ({ node: { params }, writer, position, block }) => {
    const { dtype, values } = params
    const names = values.map((value) =>
      dtype === 'i32' || dtype === 'u32' || dtype === 'bool'
        ? constantOf(dtype, value)
        : `bitcast<f32>(${writer.parameter(new Uint32Array(Float32Array.of(value).buffer)[0]!)})`,
    )
    const type = dtype === 'i32' || dtype === 'u32' || dtype === 'bool' ? dtype : 'f32'
    const table = block.name(`array<${type}, ${values.length}>(${names.join(', ')})`)
    const variable = writer.newName('table')
    block.push(`var ${variable} = ${table};`)
    return `${variable}[${position.flat(block)}]`
  }),
  iota: read(1, ({ node: { params }, position, block }) =>
    convert(position.coordinates(block)[params.axis]!, 'u32', params.dtype),
  ),
  sum: run(reduceKernel('sum'), 'any', { epilogue: true }),
  max: run(reduceKernel('max'), 'any', { epilogue: true }),
  argmax: run(argmaxKernel, 'cheap'),
  softmax: run(softmaxKernel, 'cheap', { epilogue: true }),
  reshape: read(0, ({ read: at, position, node, block }) => at(0, position.reshaped(inputShape(node, 0), block))),
  transpose: read(
    0,
    movement((c, node) => {
      const { permutation } = (node as Node<'transpose'>).params
      return permutation.map((_, i) => c[permutation.indexOf(i)]!)
    }),
  ),
  broadcastTo: read(0, same),
  slice: read(
    0,
    movement((c, node) => c.map((x, i) => `(${x} + ${u32((node as Node<'slice'>).params.starts[i] ?? 0)})`)),
  ),
  pad: read(3, ({ node, position, block, read: at }) => {
    const { low, value } = node.params
    const shape = inputShape(node, 0)
    const shifted = position.coordinates(block).map((c, i) => block.name(`(${c} - ${u32(low[i] ?? 0)})`))
    // Below the low edge the difference wraps around and is out of range too.
    const inside = shifted.map((c, i) => `${c} < ${u32(shape[i]!)}`).join(' && ') || 'true'
    const clamped = shifted.map((c, i) => block.name(`min(${c}, ${u32(Math.max(0, shape[i]! - 1))})`))
    const x = at(0, new Position(shape, { coordinates: clamped }))
    return `select(${constantOf(node.outputs[0]!.aval.dtype, value)}, ${x}, ${inside})`
  }),
  concat: read(2, ({ node, position, block, read: at }) => {
    const { axis } = node.params
    const coordinates = position.coordinates(block)
    const c = coordinates[axis]!
    let from = 0
    return node.inputs
      .map((value, i) => {
        const size = sizeAt(value, axis)
        const own = from === 0 ? c : block.name(`(${c} - ${u32(from)})`)
        const clamped = block.name(`min(${own}, ${u32(Math.max(0, size - 1))})`)
        const x = at(i, new Position(value.aval.shape, { coordinates: replaced(coordinates, axis, clamped) }))
        from += size
        return { x, end: from }
      })
      .reduceRight((rest, { x, end }) => (rest === '' ? x : `select(${rest}, ${x}, ${c} < ${u32(end)})`), '')
  }),
  dynamicSlice: read(2, (context) => {
    const { node, position, block, read: at } = context
    const coordinates = position.coordinates(block)
    const start = indexAt(context, 1, [])
    const moved = replaced(coordinates, node.params.axis, block.name(`(${coordinates[node.params.axis]!} + ${start})`))
    return at(0, new Position(inputShape(node, 0), { coordinates: moved }))
  }),
  dynamicUpdateSlice: read(4, (context) => {
    const { node, position, block, read: at } = context
    const { axis } = node.params
    const size = sizeAt(node.inputs[1]!, axis)
    const coordinates = position.coordinates(block)
    const own = block.name(`(${coordinates[axis]!} - ${indexAt(context, 2, [])})`)
    const clamped = block.name(`min(${own}, ${u32(size - 1)})`)
    const update = at(1, new Position(inputShape(node, 1), { coordinates: replaced(coordinates, axis, clamped) }))
    return `select(${at(0, position)}, ${update}, ${own} < ${u32(size)})`
  }),
  dot: run(dotKernel, dotOperand, { epilogue: true }),
  gather: read(3, (context) => {
    const { node, position, block, read: at } = context
    const { axis, batchDims } = node.params
    const coordinates = position.coordinates(block)
    const after = axis + inputShape(node, 1).length - batchDims
    const index = indexAt(context, 1, [...coordinates.slice(0, batchDims), ...coordinates.slice(axis, after)])
    const source = [...coordinates.slice(0, axis), index, ...coordinates.slice(after)]
    return at(0, new Position(inputShape(node, 0), { coordinates: source }))
  }),
  scatterAdd: run(scatterAddKernel, (_node, i) => (i === 0 ? 'cheap' : 'any')),
  dequantise: read(6, dequantised),
  randomUniform: read(9, (context) => `f32(${randomBits(context, 0)}) * ${f32(2 ** -24)}`),
  dropout: read(10, (context) => {
    const { node, position, read: at } = context
    const { rate } = node.params
    const bits = randomBits(context, 1)
    const scaled = `${at(0, position)} * ${f32(1 / (1 - rate))}`
    return `select(0.0f, ${scaled}, ${bits} >= ${u32(Math.round(rate * 2 ** 24))})`
  }),
  rmsNorm: run(rmsNormKernel, 'cheap', { epilogue: true }),
  rmsNormGrad: run(rmsNormGradKernel, 'cheap', { epilogue: true }),
  rope: read(6, ({ node, position, block, read: at }) => {
    const [b, h, s, d] = position.coordinates(block) as [string, string, string, string]
    const half = inputShape(node, 0)[3]! / 2
    const table = inputShape(node, 1)
    const low = block.name(`${d} < ${u32(half)}`)
    const partner = block.name(`select(${d} - ${u32(half)}, ${d} + ${u32(half)}, ${low})`)
    const column = block.name(`select(${d} - ${u32(half)}, ${d}, ${low})`)
    const angle = new Position(table, { coordinates: [table[0] === 1 ? '0u' : b, s, column] })
    const x = at(0, position)
    const y = at(0, new Position(position.shape, { coordinates: [b, h, s, partner] }))
    const sine = at(2, angle)
    return `${x} * ${at(1, angle)} + ${y} * select(${sine}, -${sine}, ${low})`
  }),
  attention: run(attentionKernel, 'view', { layout: attentionLayout }),
  attentionGrad: run(attentionGradKernels, 'view', { layout: attentionLayout }),
  linearCrossEntropy: 'decompose',
  linearCrossEntropyGradInput: 'decompose',
  linearCrossEntropyGradWeight: 'decompose',
  allReduce: 'collective',
  allGather: 'collective',
  reduceScatter: 'collective',
}
