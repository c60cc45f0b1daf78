// Work that is the same for every row of a wide matrix, done for some rows after others: an MLP's activations are larger than a
// processor's cache, and a pass over elements that come from memory takes six times as long as one over those that a product has just left
// in the cache.
import { dtypeBytes } from '../../dtype'
import { isOp, makeNode, type Graph, type Node, type Value } from '../../ir/graph'
import { readsOf, type OpParams } from '../../ir/op'
import { sizeOf, type Shape } from '../../shape'

/** What is cut, and how small. */
export interface BlockSizes {
  /** A matrix of fewer bytes stays in the cache as it is. */
  readonly wideBytes: number
  /** Bytes of a block of the widest matrix. */
  readonly blockBytes: number
  /** Of fewer rows, products would read their weight more often than it is worth. */
  readonly leastRows: number
}

const cacheSizes: BlockSizes = { wideBytes: 2 ** 23, blockBytes: 2 ** 22, leastRows: 256 }

/** Rows, the last axis but one, of which there are `batch` times so many; those of a block; the bytes of a matrix that is worth it. */
interface Rows {
  readonly batch: number
  readonly count: number
  readonly block: number
  readonly wideBytes: number
}

const columnsOf = ({ aval: { shape } }: Value): number => shape.at(-1) ?? 1
const bytesOf = ({ aval: { shape, dtype } }: Value): number => dtypeBytes[dtype] * sizeOf(shape)

/** The product of rows of x and a matrix that is the same for all of them. */
const isLinear = (node: Node): node is Node<'dot'> =>
  isOp(node, 'dot') && !node.params.transposeA && node.inputs[1]!.aval.shape.length === 2

/** A product over rows: x yᵀ of columns, a sum of what blocks of rows give. */
const sumsRows = (node: Node): node is Node<'dot'> =>
  isOp(node, 'dot') &&
  node.params.transposeA &&
  !node.params.transposeB &&
  node.inputs.every(({ aval }) => aval.shape.length === 2)

/** Ops that read elements at their own places, and know their shape from what they read. */
const isElementwise = (node: Node): boolean =>
  !isOp(node, 'reshape') &&
  !isOp(node, 'broadcastTo') &&
  node.inputs.length > 0 &&
  node.inputs.every((_, i) => readsOf(node.op, i) === 'same')

const isLastAxis = (axes: readonly number[], { aval: { shape } }: Value): boolean =>
  axes.length === 1 && axes[0] === shape.length - 1

/** Whether a value has these rows: by axes, or those of a whole batch one after another. */
function hasRows({ aval: { shape } }: Value, { batch, count }: Rows): boolean {
  if (shape.length < 2) return false
  const lead = sizeOf(shape.slice(0, -2))
  return (shape.at(-2) === count && lead === batch) || (shape.length === 2 && shape[0] === batch * count)
}

/** Whether all rows of another value read the same of this one. */
const isShared = ({ aval: { shape } }: Value): boolean =>
  shape.length < 2 || (shape.at(-2) === 1 && sizeOf(shape.slice(0, -1)) === 1)

/** Whether a block of rows of `node` reads a block of its input `at`: all of another. */
function isCut(node: Node, at: number, rows: Rows): boolean {
  if ((isLinear(node) || isOp(node, 'barrier')) && at === 1) return false
  return hasRows(node.inputs[at]!, rows)
}

/** Whether `node` does the same for each row, or sums over them. */
function isByRow(node: Node, rows: Rows): boolean {
  const [x] = node.inputs
  const own = node.outputs[0]!
  if (x === undefined || node.outputs.length !== 1) return false
  if (sumsRows(node)) return node.inputs.every((value) => hasRows(value, rows))
  if (!hasRows(own, rows)) return false
  if (isLinear(node) || isOp(node, 'barrier')) return hasRows(x, rows)
  if (isOp(node, 'reshape')) return hasRows(x, rows) && columnsOf(x) === columnsOf(own)
  if (isOp(node, 'sum') || isOp(node, 'max'))
    return node.params.keepDims && isLastAxis(node.params.axes, x) && hasRows(x, rows)
  return (
    isElementwise(node) &&
    node.inputs.every((v) => isShared(v) || (hasRows(v, rows) && v.aval.shape.length === own.aval.shape.length))
  )
}

/** The rows that are worth blocks: of linear layers that give or read a wide matrix. */
function rowsOf(graph: Graph, { wideBytes, blockBytes, leastRows }: BlockSizes): Rows[] {
  const widest = new Map<string, { batch: number; count: number; bytes: number }>()
  for (const node of graph.nodes) {
    if (!isLinear(node)) continue
    const wide = [node.inputs[0]!, node.outputs[0]!].reduce((a, b) => (bytesOf(b) > bytesOf(a) ? b : a))
    const { shape } = wide.aval
    const [batch, count, bytes] = [sizeOf(shape.slice(0, -2)), shape.at(-2)!, bytesOf(wide)]
    const key = `${batch} ${count}`
    if (bytes >= wideBytes && bytes > (widest.get(key)?.bytes ?? 0)) widest.set(key, { batch, count, bytes })
  }
  return [...widest.values()].flatMap(({ batch, count, bytes }) => {
    const blocks = Math.min(Math.ceil(bytes / blockBytes), Math.floor((batch * count) / leastRows), count)
    return blocks < 2 ? [] : [{ batch, count, block: Math.ceil(count / blocks), wideBytes }]
  })
}

/** The shape of a block of `rows` rows of a value. */
function blockShape(shape: Shape, { batch, count }: Rows, rows: number): Shape {
  if (shape.at(-2) === count && sizeOf(shape.slice(0, -2)) === batch) return shape.toSpliced(-2, 1, rows)
  return [batch * rows, shape[1]!]
}

/** Rewrites a graph node by node; see {@link inRowBlocks}. */
class Blocks {
  readonly nodes: Node[] = []
  /** Blocks of values, in order of rows. */
  readonly #cut = new Map<Value, readonly Value[]>()
  readonly #whole = new Map<Value, Value>()
  /** The group of nodes that is gathered, to go through it a block of rows at a time, and the nodes that wait for all its blocks. */
  #members: Node[] = []
  #waiting: Node[] = []
  /** What the group gives in blocks, and what is there only after the last of them. */
  readonly #inGroup = new Set<Value>()
  readonly #late = new Set<Value>()

  constructor(readonly rows: Rows) {}

  #emit<K extends Node['op']>(op: K, params: OpParams[K], inputs: readonly Value[], like: Node): Value {
    const node = makeNode(op, params, inputs, like.scope, like.region)
    this.nodes.push(node)
    return node.outputs[0]!
  }

  #ranges(): (readonly [number, number])[] {
    const { count, block } = this.rows
    return Array.from({ length: Math.ceil(count / block) }, (_, i) => [i * block, Math.min(count, (i + 1) * block)])
  }

  /** All rows of `value`, of blocks where it is in blocks. */
  #wholeOf(value: Value, like: Node): Value {
    const known = this.#whole.get(value)
    if (known) return known
    const blocks = this.#cut.get(value)
    if (!blocks) return value
    const { batch, count } = this.rows
    const { shape } = value.aval
    const flat = !(shape.at(-2) === count && sizeOf(shape.slice(0, -2)) === batch)
    const parts = flat
      ? blocks.map((b) => this.#emit('reshape', { shape: [batch, b.aval.shape[0]! / batch, shape[1]!] }, [b], like))
      : blocks
    const joined = this.#emit('concat', { axis: parts[0]!.aval.shape.length - 2 }, parts, like)
    const whole = flat ? this.#emit('reshape', { shape }, [joined], like) : joined
    this.#whole.set(value, whole)
    return whole
  }

  /** A block of a value that is whole. */
  #blockOf(value: Value, [from, to]: readonly [number, number], like: Node): Value {
    const { batch, count } = this.rows
    const { shape } = value.aval
    const byAxes = blockShape(shape, this.rows, to - from)
    const flat = byAxes.length === 2 && byAxes[0] !== to - from
    const x = flat ? this.#emit('reshape', { shape: [batch, count, shape[1]!] }, [value], like) : value
    const { shape: full } = x.aval
    const axis = full.length - 2
    const block = this.#emit(
      'slice',
      { starts: full.map((_, i) => (i === axis ? from : 0)), limits: full.map((d, i) => (i === axis ? to : d)) },
      [x],
      like,
    )
    return flat ? this.#emit('reshape', { shape: byAxes }, [block], like) : block
  }

  /** A node as it was, reading whole values. */
  #keep(node: Node): void {
    const inputs = node.inputs.map((value, i) => {
      const blocks = this.#cut.get(value)
      // What waits for the last block waits for all.
      return isOp(node, 'barrier') && i === 1 && blocks ? blocks.at(-1)! : this.#wholeOf(value, node)
    })
    if (inputs.every((value, i) => value === node.inputs[i])) {
      this.nodes.push(node)
      return
    }
    const copy = makeNode(node.op, node.params, inputs, node.scope, node.region)
    this.nodes.push(copy)
    node.outputs.forEach((value, i) => this.#whole.set(value, copy.outputs[i]!))
  }

  take(node: Node): void {
    if (this.#mustWait(node) && this.#isWorth(node)) this.flush()
    if (this.#isWorth(node)) {
      this.#members.push(node)
      for (const value of node.outputs) (sumsRows(node) ? this.#late : this.#inGroup).add(value)
    } else if (node.inputs.some((value) => this.#inGroup.has(value) || this.#late.has(value))) {
      this.#waiting.push(node)
      for (const value of node.outputs) this.#late.add(value)
    } else this.#keep(node)
  }

  /** Whether it reads what is there only after the last block of the group. */
  #mustWait(node: Node): boolean {
    const isToken = (at: number) => isOp(node, 'barrier') && at === 1
    return node.inputs.some(
      (value, at) => this.#late.has(value) || (this.#inGroup.has(value) && !isCut(node, at, this.rows) && !isToken(at)),
    )
  }

  /** Nodes of wide matrices, and those that read blocks alone. */
  #isWorth(node: Node): boolean {
    const { rows } = this
    if (!isByRow(node, rows)) return false
    const cut = node.inputs.filter((_, at) => isCut(node, at, rows))
    const isWide = (value: Value) => hasRows(value, rows) && bytesOf(value) >= rows.wideBytes
    return [...cut, ...node.outputs].some(isWide) || cut.every((value) => this.#inGroup.has(value))
  }

  flush(): void {
    const [members, waiting] = [this.#members, this.#waiting]
    this.#members = []
    this.#waiting = []
    if (members.filter(isLinear).length > 0 && members.length > 2) this.#inBlocks(members)
    else for (const node of members) this.#keep(node)
    this.#inGroup.clear()
    this.#late.clear()
    for (const node of waiting) this.#keep(node)
  }

  /** Emits `members` once for each block of rows. */
  #inBlocks(members: readonly Node[]): void {
    const made = new Set(members.flatMap(({ outputs }) => outputs))
    const read = new Set(members.flatMap(({ inputs }) => inputs))
    const last = [...made].filter((value) => !read.has(value))
    const parts = new Map<Value, Value[]>()
    const sums = new Map<Value, Value>()
    let before: readonly Value[] = []
    this.#ranges().forEach((range, i) => {
      const block = new Map<Value, Value>()
      const of = (value: Value, node: Node): Value => {
        const known = block.get(value)
        if (known) return known
        const cut = this.#cut.get(value)?.[i]
        // One block after another: what they hold is to stay in the cache.
        const own =
          cut ??
          before.reduce(
            (held, token) => this.#emit('barrier', {}, [held, token], node),
            this.#blockOf(this.#whole.get(value) ?? value, range, node),
          )
        block.set(value, own)
        return own
      }
      for (const node of members) {
        const inputs = node.inputs.map((value, at) => {
          if (isCut(node, at, this.rows)) return of(value, node)
          return (
            (isOp(node, 'barrier') && (block.get(value) ?? this.#cut.get(value)?.[i])) || this.#wholeOf(value, node)
          )
        })
        const own = node.outputs[0]!
        const params = isOp(node, 'reshape')
          ? { shape: blockShape(own.aval.shape, this.rows, range[1] - range[0]) }
          : node.params
        const result = this.#emit(node.op, params as never, inputs, node)
        if (!sumsRows(node)) {
          block.set(own, result)
          parts.set(own, [...(parts.get(own) ?? []), result])
          continue
        }
        const sum = sums.get(own)
        sums.set(own, sum ? this.#emit('add', {}, [sum, result], node) : result)
      }
      before = last.map((value) => sums.get(value) ?? block.get(value)!)
    })
    for (const [value, blocks] of parts) this.#cut.set(value, blocks)
    for (const [value, sum] of sums) this.#whole.set(value, sum)
  }

  finish<T>(graph: Graph<T>): Graph<T> {
    this.flush()
    const like = graph.nodes.at(-1)!
    const outputs = graph.outputs.map((value) => this.#wholeOf(value, like))
    return { ...graph, nodes: this.nodes, outputs }
  }
}

/** `graph` with linear layers of many rows, and what is between them, over blocks of rows. */
export function inRowBlocks<T>(graph: Graph<T>, sizes: BlockSizes = cacheSizes): Graph<T> {
  return rowsOf(graph, sizes).reduce((current, rows) => {
    const blocks = new Blocks(rows)
    for (const node of current.nodes) blocks.take(node)
    return blocks.finish(current)
  }, graph)
}
