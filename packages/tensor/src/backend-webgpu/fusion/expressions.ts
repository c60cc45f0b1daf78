// Ops that are read rather than run: the WGSL expression of one element, given those of the inputs.
import type { DType } from '../../dtype'
import type { Node, Value } from '../../ir/graph'
import type { OpName } from '../../ir/op'
import { drawLayout, keyWords } from '../../ops/random'
import { sizeOf } from '../../shape'
import { f32, plus, Position, times, u32, type Block, type KernelWriter } from './writer'

export interface ExpressionContext<K extends OpName> {
  readonly node: Node<K>
  readonly writer: KernelWriter
  readonly block: Block
  /** Which element of the output. */
  readonly position: Position
  /** Input `i` at a position of its own. */
  read(i: number, position: Position): string
  /** Input `i` where broadcasting reads it. */
  same(i: number): string
}

export type Expression<K extends OpName> = (context: ExpressionContext<K>) => string

export const elementwise =
  (write: (...inputs: string[]) => string): Expression<OpName> =>
  ({ node, same }) =>
    write(...node.inputs.map((_, i) => same(i)))

export const inputShape = (node: Node, i: number): readonly number[] => node.inputs[i]!.aval.shape

/** Sine and cosine with the argument brought into ±π/4 in three parts (Cody and Waite): the builtins' error grows with the argument. */
export function sinusoid(x: string, kind: 'sin' | 'cos', writer: KernelWriter): string {
  return `${writer.global(
    'sinusoid',
    `fn $sinusoid(x: f32, quarter: i32) -> f32 {
  let n = round(x * 0.6366197723675814f);
  let r = ((x - n * 1.5703125f) - n * 4.837512969970703e-4f) - n * 7.549789948768648e-8f;
  let q = (i32(n) + quarter) & 3;
  let s = r * r;
  let sine = r + r * s * (-1.6666654611e-1f + s * (8.3321608736e-3f - s * 1.9515295891e-4f));
  let cosine = 1.0f - 0.5f * s + s * s * (4.166664568298827e-2f + s * (-1.388731625493765e-3f + s * 2.443315711809948e-5f));
  let y = select(sine, cosine, (q & 1) == 1);
  return select(y, -y, q >= 2);
}`,
  )}(${x}, ${kind === 'sin' ? 0 : 1})`
}

/** xʸ for a negative base too, where y is an integer. */
export function power(x: string, y: string, writer: KernelWriter): string {
  return `${writer.global(
    'power',
    `fn $power(x: f32, y: f32) -> f32 {
  if (y == 0.0f) { return 1.0f; }
  let p = pow(abs(x), y);
  return select(p, -p, x < 0.0f && abs(y - 2.0f * round(y * 0.5f)) == 1.0f);
}`,
  )}(${x}, ${y})`
}

export function constantOf(dtype: DType, value: number): string {
  switch (dtype) {
    case 'i32':
      return `i32(${Math.trunc(value)})`
    case 'u32':
      return `${Math.trunc(value)}u`
    case 'bool':
      return value === 0 ? 'false' : 'true'
    default:
      return f32(value)
  }
}

const isFloating = (dtype: DType) => dtype === 'f32' || dtype === 'f16' || dtype === 'bf16'

export function convert(x: string, from: DType, to: DType): string {
  if (from === to || (isFloating(from) && isFloating(to))) return x
  if (to === 'bool') return `(${x} != ${constantOf(from, 0)})`
  const type = isFloating(to) ? 'f32' : to
  return from === 'bool' ? `select(${constantOf(to, 0)}, ${constantOf(to, 1)}, ${x})` : `${type}(${x})`
}

/** The 24 random bits of the element, under the key that is input `i`; the generator of ops/random.ts. */
export function randomBits(context: ExpressionContext<'randomUniform' | 'dropout'>, i: number): string {
  const { node, position, block, read } = context
  const { writer } = block
  const { stream, window } = node.params
  const hash = writer.global(
    'hash',
    `fn $hash(i: u32, k0: u32, k1: u32) -> u32 {
  var x = i * 0x9e3779b9u + k0;
  x = x ^ (x >> 16u);
  x = x * 0x7feb352du;
  x = (x ^ (x >> 15u)) ^ k1;
  x = x * 0x846ca68bu;
  return (x ^ (x >> 16u)) >> 8u;
}`,
  )
  const keyShape = inputShape(node, i)
  const rowKeys = keyShape.length === 2
  const isFlat = !rowKeys && !window
  // Without a window a row is numbered through: one quotient and one remainder instead of one a dimension.
  const { shape } = position
  const here = rowKeys && !window ? position.reshaped([shape[0]!, sizeOf(shape.slice(1))], block) : position
  const coordinates = isFlat ? [] : here.coordinates(block)
  const { strides, offset } = drawLayout(here.shape, keyShape, window)
  const summed = coordinates.reduce((sum, c, axis) => plus(sum, times(c, strides[axis]!)), u32(offset >>> 0))
  const index = isFlat ? position.flat(block) : block.name(summed)
  const words = keyWords(stream).map((word, w) => {
    const at = new Position(keyShape, rowKeys ? { coordinates: [coordinates[0]!, u32(w)] } : { flat: u32(w) })
    return block.name(`${read(i, at)} ^ ${writer.parameter(word)}`)
  })
  return block.name(`${hash}(${index}, ${words[0]}, ${words[1]})`)
}

/** Index value `i` (i32) at `coordinates`, as u32. */
export const indexAt = (
  { read, node, block }: Pick<ExpressionContext<OpName>, 'read' | 'node' | 'block'>,
  i: number,
  coordinates: readonly string[],
): string => block.name(`u32(${read(i, new Position(inputShape(node, i), { coordinates }))})`)

export const replaced = (coordinates: readonly string[], axis: number, by: string): string[] =>
  coordinates.map((c, i) => (i === axis ? by : c))

export const sizeAt = (value: Value, axis: number): number => value.aval.shape[axis]!

/** A transposed, sliced or broadcast read, where strides could not say it. */
export const movement =
  (move: (coordinates: readonly string[], node: Node) => readonly string[]): Expression<OpName> =>
  (context) => {
    const { node, position, block, read } = context
    return read(
      0,
      new Position(inputShape(node, 0), {
        coordinates: move(position.coordinates(block), node).map((c) => block.name(c)),
      }),
    )
  }
