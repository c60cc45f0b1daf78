// Random programs on random shardings: a seed gives a graph, the arrays it takes and how these are placed on a mesh.
import * as t from '@jora/tensor'
import type { DType, HostArray, Shape, Tensor } from '@jora/tensor'
import { Trace, withTrace, type Graph } from '@jora/tensor/graph'
import type { Mesh } from '../src/mesh/mesh'
import type { PartitionSpec } from '../src/mesh/sharding'
import { Random, randomSpec } from './random'

/** An array a program takes. */
export interface Argument {
  readonly shape: Shape
  readonly dtype: DType
  readonly data: HostArray
  readonly spec: PartitionSpec
  /** Whether the program closes over it, as over a frozen weight. */
  readonly constant: boolean
}

export interface RandomProgram {
  readonly graph: Graph<Tensor>
  /** One for each input of the graph. */
  readonly arguments: readonly Argument[]
}

/** Largest number of elements of a value. */
const most = 2048

class Builder {
  readonly args: Argument[] = []
  readonly floats: Tensor[] = []
  /** Values whose bits do not depend on the order of any sum: what may be compared. */
  readonly exact: Tensor[] = []
  readonly others: Tensor[] = []

  constructor(
    readonly random: Random,
    readonly mesh: Mesh,
    readonly trace: Trace,
  ) {}

  argument(shape: Shape, dtype: 'f32' | 'i32' | 'u32'): Tensor {
    const count = shape.reduce((n, d) => n * d, 1)
    const { random } = this
    const data =
      dtype === 'f32'
        ? Float32Array.from({ length: count }, () => random.next() * 2 - 1)
        : dtype === 'i32'
          ? Int32Array.from({ length: count }, () => random.below(16))
          : Uint32Array.from({ length: count }, () => random.below(2 ** 32))
    const spec = randomSpec(random, shape, this.mesh, dtype === 'f32' ? 0.3 : 0)
    this.args.push({ shape, dtype, data, spec, constant: this.args.length > 0 && random.chance(0.25) })
    return this.trace.addInput({ shape, dtype })
  }

  input(shape: Shape): Tensor {
    const x = this.argument(shape, 'f32')
    this.floats.push(x)
    this.exact.push(x)
    return x
  }

  size(): number {
    return this.random.pick([1, 2, 2, 3, 4, 4, 4, 6, 8, 8])
  }

  shape(rank = 1 + this.random.below(4)): number[] {
    const shape = Array.from({ length: rank }, () => this.size())
    while (shape.reduce((n, d) => n * d, 1) > 512) shape[this.random.below(rank)] = 2
    return shape
  }

  /** A value made before, the last ones rather than the first. */
  float(): Tensor {
    const { floats, random } = this
    return random.chance(0.5) ? floats.at(-1 - random.below(Math.min(3, floats.length)))! : random.pick(floats)
  }

  /** A float tensor of this shape: one that exists, one made of another, or an array of its own. */
  of(shape: Shape): Tensor {
    const { random } = this
    const fits = this.floats.filter((x) => x.shape.join() === shape.join())
    if (fits.length > 0 && random.chance(0.7)) return random.pick(fits)
    const size = shape.reduce((n, d) => n * d, 1)
    const larger = this.floats.filter((x) => x.size >= size && x.size > 0)
    if (larger.length > 0 && random.chance(0.3)) {
      const x = random.pick(larger)
      return t.reshape(t.slice(t.reshape(x, [x.size]), [0], [size]), shape)
    }
    return this.input(shape)
  }

  /** i32 of this shape, below `limit`. */
  indices(shape: Shape, limit: number): Tensor {
    const x = this.argument(shape, 'i32')
    return limit >= 16 ? x : t.minimum(x, limit - 1)
  }

  /** A shape that broadcasts to `shape`. */
  narrower(shape: Shape): number[] {
    const { random } = this
    const kept = shape.slice(random.chance(0.3) ? random.below(shape.length + 1) : 0)
    return kept.map((d) => (random.chance(0.2) ? 1 : d))
  }

  add(x: Tensor): void {
    if (x.size > most || x.size === 0) return
    this.floats.push(x)
  }

  step(): void {
    const { random } = this
    const kinds = Object.values(steps)
    random.pick(kinds)(this, random)
  }
}

const dims = (x: Tensor): number[] => x.shape.map((_, i) => i)

/** What a program is made of. Each keeps values near 1. */
const steps: Record<string, (b: Builder, random: Random) => void> = {
  unary: (b, random) => {
    const x = b.float()
    const square = () => t.add(t.mul(x, x), 0.5)
    const ops = [
      () => t.neg(x),
      () => t.exp(t.minimum(x, 1)),
      () => t.log(square()),
      () => t.sqrt(square()),
      () => t.rsqrt(square()),
      () => t.sin(x),
      () => t.cos(x),
      () => t.tanh(x),
      () => t.sigmoid(x),
      () => t.silu(x),
      () => t.gelu(x),
      () => t.stopGradient(x),
    ]
    b.add(random.pick(ops)())
  },
  binary: (b, random) => {
    const x = b.float()
    const y = b.of(b.narrower(x.shape))
    const ops = [
      () => t.add(x, y),
      () => t.sub(y, x),
      () => t.mul(x, y),
      () => t.div(x, t.add(t.mul(y, y), 0.5)),
      () => t.pow(t.add(t.mul(x, x), 0.5), t.tanh(y)),
      () => t.add(x, x),
      () => t.mul(x, 0.5),
      () => t.div(x, 2),
    ]
    b.add(random.pick(ops)())
  },
  compared: (b, random) => {
    const x = random.pick(b.exact)
    const y = random.chance(0.5) ? b.input(b.narrower(x.shape)) : 0.1
    const ops = [() => t.lt(x, y), () => t.le(x, y), () => t.eq(x, x), () => t.logicalNot(t.gt(x, y))]
    const c = random.pick(ops)()
    b.others.push(c)
    if (random.chance(0.3)) b.others.push(t.logicalOr(c, t.logicalAnd(c, t.lt(x, 0))))
    if (random.chance(0.3)) b.add(t.cast(c, 'f32'))
    b.add(t.where(c, b.of(random.chance(0.8) ? c.shape : b.narrower(c.shape)), random.chance(0.3) ? 0 : b.of(c.shape)))
  },
  extremes: (b, random) => {
    const x = random.pick(b.exact)
    const y = b.input(b.narrower(x.shape))
    const z = random.pick([() => t.maximum(x, y), () => t.minimum(x, y), () => t.abs(x)])()
    b.exact.push(z)
    b.add(z)
  },
  dot: (b, random) => {
    const [m, n, k] = [b.size(), b.size(), random.pick([2, 4, 6, 8])]
    const batch = random.chance(0.4) ? b.shape(1 + random.below(2)).map((d) => Math.min(d, 4)) : []
    const [transposeA, transposeB] = [random.chance(0.4), random.chance(0.5)]
    const [batchA, batchB] = random.chance(0.3)
      ? [batch, b.narrower(batch)]
      : random.chance(0.3)
        ? [b.narrower(batch), batch]
        : [batch, batch]
    const x = b.of([...batchA, ...(transposeA ? [k, m] : [m, k])])
    const y = b.of([...batchB, ...(transposeB ? [n, k] : [k, n])])
    b.add(t.mul(t.dot(x, y, { transposeA, transposeB }), 1 / k))
  },
  mlp: (b, random) => {
    const x = b.float()
    const k = x.shape.at(-1) ?? 1
    if (x.shape.length < 2) return
    const n = random.pick([4, 8])
    const h = t.linear(x, b.input([n, k]))
    b.add(t.mul(t.linear(random.chance(0.5) ? t.silu(h) : h, b.input([k, n])), 1 / k))
  },
  /** LoRA's two factors beside a layer. */
  lowRank: (b, random) => {
    const x = b.float()
    if (x.shape.length < 2) return
    const [k, n] = [x.shape.at(-1)!, random.pick([2, 4, 8])]
    const low = t.linear(t.linear(x, b.input([2, k])), b.input([n, 2]))
    b.add(t.mul(t.add(t.linear(x, b.input([n, k])), t.mul(low, 2)), 1 / k))
  },
  reshape: (b, random) => {
    const x = b.float()
    const factors: number[] = []
    let rest = x.size
    while (rest > 1 && factors.length < 4) {
      const divisors = Array.from({ length: rest }, (_, i) => i + 1).filter((d) => rest % d === 0)
      const d = random.pick(divisors)
      factors.push(d)
      rest /= d
    }
    // Dimensions merged or cut in two, as models do, besides any other shape.
    const merged = () => {
      const at = random.below(Math.max(1, x.shape.length - 1))
      return x.shape.length < 2 ? x.shape : [...x.shape.slice(0, at), -1, ...x.shape.slice(at + 2)]
    }
    const cut = () => {
      const at = random.below(x.shape.length)
      const d = x.shape[at] ?? 1
      return x.shape.length === 0 || d % 2 !== 0
        ? x.shape
        : [...x.shape.slice(0, at), ...(random.chance(0.5) ? [2, d / 2] : [d / 2, 2]), ...x.shape.slice(at + 1)]
    }
    const shape = random.pick([() => [...factors, rest], merged, cut, cut])()
    b.add(t.reshape(x, shape))
  },
  transpose: (b, random) => {
    const x = b.float()
    b.add(t.transpose(x, random.shuffled(dims(x))))
  },
  broadcast: (b, random) => {
    const x = b.float()
    const shape = x.shape.map((d) => (d === 1 ? b.size() : d))
    b.add(t.broadcastTo(x, random.chance(0.5) ? shape : [random.pick([2, 4]), ...shape]))
  },
  slice: (b, random) => {
    const x = b.float()
    const starts = x.shape.map((d) => (random.chance(0.6) ? 0 : random.below(d)))
    const limits = x.shape.map((d, i) => (random.chance(0.6) ? d : starts[i]! + 1 + random.below(d - starts[i]!)))
    b.add(t.slice(x, starts, limits))
  },
  pad: (b, random) => {
    const x = b.float()
    const amounts = () => x.shape.map(() => (random.chance(0.6) ? 0 : random.below(3)))
    b.add(t.pad(x, amounts(), amounts(), random.chance(0.3) ? 0.5 : 0))
  },
  concat: (b, random) => {
    const x = b.float()
    if (x.shape.length === 0) return
    const axis = random.below(x.shape.length)
    const like = () => b.of(x.shape.map((d, i) => (i === axis ? b.size() : d)))
    b.add(t.concat(random.shuffled([x, like(), ...(random.chance(0.3) ? [like()] : [])]), axis))
  },
  dynamic: (b, random) => {
    const x = b.float()
    if (x.shape.length === 0) return
    const axis = random.below(x.shape.length)
    const size = 1 + random.below(x.shape[axis]!)
    const start = b.indices([], x.shape[axis]! - size + 1)
    b.add(t.dynamicSlice(x, start, axis, size))
    if (random.chance(0.5))
      b.add(t.dynamicUpdateSlice(x, b.of(x.shape.map((d, i) => (i === axis ? size : d))), start, axis))
  },
  sum: (b, random) => {
    const x = b.float()
    const axis = dims(x).filter(() => random.chance(0.5))
    if (axis.length === 0) return
    const count = axis.reduce((n, a) => n * x.shape[a]!, 1)
    const total = t.sum(x, { axis, keepDims: random.chance(0.4) })
    b.add(random.chance(0.5) ? t.mul(total, 1 / count) : t.div(total, Math.sqrt(count)))
  },
  max: (b, random) => {
    const x = random.pick(b.exact)
    const axis = dims(x).filter(() => random.chance(0.5))
    if (axis.length === 0) return
    const largest = t.max(x, { axis, keepDims: random.chance(0.4) })
    b.exact.push(largest)
    b.add(largest)
  },
  softmax: (b) => {
    const x = b.float()
    if (x.shape.length > 0) b.add(t.softmax(x))
  },
  logSumExp: (b, random) => {
    const x = b.input(b.shape(1 + random.below(3)))
    b.add(t.logSumExp(x, { axis: random.below(x.shape.length), keepDims: random.chance(0.5) }))
  },
  argmax: (b, random) => {
    const x = random.pick(b.exact)
    if (x.shape.length === 0) return
    b.others.push(t.argmax(x, random.below(x.shape.length)))
  },
  integers: (b, random) => {
    const x = b.argument(b.shape(1 + random.below(2)), 'i32')
    const y = random.pick([
      () => t.sum(x, { axis: 0 }),
      () => t.max(x, { axis: 0 }),
      () => t.add(x, x),
      () => t.mul(x, 3),
    ])()
    b.others.push(y)
    if (random.chance(0.5)) b.add(t.mul(t.cast(y, 'f32'), 0.01))
    if (random.chance(0.3)) b.others.push(t.cast(b.exact[0]!, 'i32'))
  },
  gather: (b, random) => {
    const x = b.float()
    if (x.shape.length === 0) return
    if (x.shape.length >= 2 && random.chance(0.4)) {
      const indices = b.indices([x.shape[0]!, ...b.shape(1 + random.below(2)).map((d) => Math.min(d, 4))], x.shape[1]!)
      return b.add(t.gather(x, indices, 1, { batchDims: 1 }))
    }
    const axis = random.below(x.shape.length)
    b.add(t.gather(x, b.indices(b.shape(random.below(3)), x.shape[axis]!), axis))
  },
  embedding: (b, random) => {
    const table = b.input([random.pick([4, 8, 16]), b.size()])
    b.add(t.gather(table, b.indices(b.shape(1 + random.below(2)), table.shape[0]!)))
  },
  scatterAdd: (b, random) => {
    const x = b.float()
    if (x.shape.length === 0) return
    const size = random.pick([2, 3, 4, 8])
    const batched = x.shape.length >= 2 && random.chance(0.4)
    const rank = batched ? 2 : 1 + random.below(Math.min(2, x.shape.length))
    const indices = b.indices(x.shape.slice(0, rank), size)
    b.add(t.mul(t.scatterAdd(indices, x, size, { batchDims: batched ? 1 : 0 }), 0.5))
  },
  dropout: (b, random) => {
    const x = b.float()
    const rows = x.shape[0]
    const rowKeys = rows !== undefined && random.chance(0.5)
    b.add(t.dropout(x, 0.3, b.argument(rowKeys ? [rows, 2] : [2], 'u32'), random.below(3)))
  },
  draws: (b, random) => b.add(t.randomUniform(b.argument([2], 'u32'), b.shape(), random.below(3))),
  made: (b, random) => {
    const shape = b.shape(1 + random.below(2))
    b.add(t.mul(t.cast(t.iota(shape, random.below(shape.length)), 'f32'), 0.1))
    if (random.chance(0.5)) b.add(t.full(b.shape(1 + random.below(2)), 0.25))
    else b.add(t.literal([0.1, -0.2, 0.3, 0.4]))
  },
  rmsNorm: (b) => {
    const x = b.float()
    if (x.shape.length > 0) b.add(t.rmsNorm(x, b.of(x.shape.slice(-1)), 0.01))
  },
  rope: (b, random) => {
    const shape = [random.pick([1, 2, 4]), random.pick([1, 2, 4]), random.pick([2, 3, 4]), random.pick([2, 4, 8])]
    const table = b.of([random.chance(0.5) ? 1 : shape[0]!, shape[2]!, shape[3]! / 2])
    b.add(t.rope(b.of(shape), t.stopGradient(t.cos(table)), t.stopGradient(t.sin(table))))
  },
  attention: (b, random) => {
    const [batch, group, kvHeads] = [random.pick([1, 2, 4]), random.pick([1, 1, 2, 3, 4]), random.pick([1, 2, 3, 4])]
    const [queries, headDim] = [random.pick([2, 4]), random.pick([2, 4])]
    const withVisibility = random.chance(0.4)
    const keys = withVisibility ? queries : queries + random.below(2)
    const q = b.of([batch, group * kvHeads, queries, headDim])
    const [k, v] = [b.of([batch, kvHeads, keys, headDim]), b.of([batch, kvHeads, keys, headDim])]
    const softcap = random.chance(0.3) ? 1.5 : undefined
    if (!withVisibility) return b.add(t.attention(q, k, v, { softcap }))
    // Causal with a prefix of one key and a branch that begins at the query itself.
    const rows = random.chance(0.5) ? 1 : batch
    const index = t.iota([rows, queries, 1], 1)
    const zero = t.full([rows, queries, 1], 0, 'i32')
    b.add(t.attention(q, k, v, { softcap, visibility: t.concat([index, zero, t.add(zero, 1), index], 2) }))
  },
  crossEntropy: (b, random) => {
    const [rows, width, vocabulary] = [b.size(), random.pick([2, 4, 8]), random.pick([4, 6, 8, 16])]
    const labels = t.sub(b.indices([rows], vocabulary), random.chance(0.5) ? 1 : 0)
    const softcap = random.chance(0.3) ? 1.5 : undefined
    const losses = t.linearCrossEntropy(b.of([rows, width]), b.of([vocabulary, width]), labels, { softcap })
    b.add(random.chance(0.5) ? losses : t.sum(losses))
  },
  constraint: (b, random) => {
    const x = b.float()
    const { dimensions } = randomSpec(random, x.shape, b.mesh)
    b.add(t.shardingConstraint(x, dimensions))
  },
}

/** The program of a seed, for `mesh`. */
export function randomProgram(seed: number, mesh: Mesh): RandomProgram {
  const random = new Random(seed)
  const trace = new Trace()
  return withTrace(trace, () => {
    const b = new Builder(random, mesh, trace)
    for (let i = 0; i <= random.below(2); i++) b.input(b.shape())
    const count = 2 + random.below(6)
    for (let i = 0; i < count; i++) b.step()
    const outputs = [b.floats.at(-1)!]
    while (random.chance(0.5)) outputs.push(random.pick([...b.floats, ...b.others]))
    if (random.chance(0.1)) outputs.push(outputs[0]!)
    return { graph: trace.finish(outputs), arguments: b.args }
  })
}
