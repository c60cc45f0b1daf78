// Sizes of an attention call, and what a query's place alone says of the keys it can see.
import type { Node } from '../../ir/graph'
import { plus, u32, type Block } from '../fusion/writer'

/** q [batch, heads, queries, headDim], k and v [batch, kvHeads, keys, headDim]. */
export interface AttentionSizes {
  readonly batch: number
  readonly heads: number
  readonly kvHeads: number
  readonly queries: number
  readonly keys: number
  readonly headDim: number
  /** Whether a query sees no key after its own place: only a visibility without a window may say otherwise. */
  readonly causal: boolean
  /** How many keys up to its own place a query sees at most. */
  readonly window: number | undefined
}

export function attentionSizes(node: Node<'attention'> | Node<'attentionGrad'>): AttentionSizes {
  const [batch, heads, queries, headDim] = node.inputs[0]!.aval.shape as [number, number, number, number]
  const [, kvHeads, keys] = node.inputs[1]!.aval.shape as [number, number, number, number]
  const hasVisibility = node.inputs.length === (node.op === 'attention' ? 4 : 7)
  const { window } = node.params
  return { batch, heads, kvHeads, queries, keys, headDim, causal: !hasVisibility || window !== undefined, window }
}

/** How a product q·k becomes a score, in WGSL: scaled, and capped where the call says so. */
export interface Score {
  of(product: string): string
  /** The slope of a score by its product. */
  slope(score: string): string
}

export function scoreOf({ params: { scale, softcap } }: Node<'attention'> | Node<'attentionGrad'>): Score {
  const number = (x: number) => `f32(${Math.fround(x)})`
  if (softcap === undefined) return { of: (product) => `${product} * ${number(scale)}`, slope: () => number(scale) }
  // tanh within bounds, as the op's own: some drivers compute it from exponentials that overflow.
  return {
    of: (product) => `${number(softcap)} * tanh(clamp(${product} * ${number(scale / softcap)}, -15.0f, 15.0f))`,
    slope: (score) => `(${number(scale)} * (1.0f - (${score}) * (${score}) * ${number(1 / softcap ** 2)}))`,
  }
}

/** Query r has index r + `offset`. */
const offset = ({ queries, keys }: AttentionSizes): number => keys - queries

/** Conditions under which the places of query and key allow it to be seen. */
export function placeSees(sizes: AttentionSizes, query: string, key: string): string[] {
  const { causal, window } = sizes
  return [
    ...(causal ? [`${key} <= ${query} + ${offset(sizes)}u`] : []),
    ...(window === undefined ? [] : [`${key} + ${window}u > ${query} + ${offset(sizes)}u`]),
  ]
}

/** Keys that queries `first` to `first + count` may see: from (a multiple of `align`), and to. */
export function keyRange(
  block: Block,
  sizes: AttentionSizes,
  first: string,
  count: number,
  align: number,
): { from: string; to: string } {
  const { keys, causal, window } = sizes
  return {
    from:
      window === undefined
        ? '0u'
        : block.name(aligned(`(max(${plus(first, u32(offset(sizes) + 1))}, ${window}u) - ${window}u)`, align)),
    to: causal ? block.name(`min(${keys}u, ${plus(first, u32(count + offset(sizes)))})`) : u32(keys),
  }
}

/** Queries that may see a key from `first` to `first + count`: from (a multiple of `align`), and to. */
export function queryRange(
  block: Block,
  sizes: AttentionSizes,
  first: string,
  count: number,
  align: number,
): { from: string; to: string } {
  const { queries, causal, window } = sizes
  const skipped = offset(sizes)
  return {
    from: causal ? block.name(aligned(`(max(${first}, ${skipped}u) - ${skipped}u)`, align)) : '0u',
    to:
      window === undefined
        ? u32(queries)
        : block.name(`min(${queries}u, max(${plus(first, u32(count + window - 1))}, ${skipped}u) - ${skipped}u)`),
  }
}

const aligned = (index: string, align: number): string => (align === 1 ? index : `${index} / ${align}u * ${align}u`)
