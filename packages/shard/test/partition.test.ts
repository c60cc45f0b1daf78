// What a decoder is made of exchanges what it must and nothing else.
import { afterAll, beforeAll, expect, test } from 'vitest'
import * as t from '@jora/tensor'
import type { Shape, Tensor } from '@jora/tensor'
import { openCpuDevice } from '@jora/tensor/onnx'
import {
  isCollective,
  isOp,
  removeDeadCode,
  showAval,
  simplify,
  Trace,
  withTrace,
  type Device,
  type Graph,
} from '@jora/tensor/graph'
import type { MeshDevice } from '../src/device/mesh-device'
import { partition } from '../src/partition/partition'
import { placementOf } from '../src/mesh/placement'
import { P, PartitionSpec } from '../src/mesh/sharding'
import { numbers } from './numbers'
import { both, difference, openMesh, type Placed } from './on-mesh'

let one: Device
let mesh: MeshDevice
beforeAll(async () => {
  one = await openCpuDevice({ threads: 1 })
  mesh = await openMesh(['data', 'model'], [2, 2])
})
afterAll(() => Promise.all([one.close(), mesh.close()]))

let seeds = 0
const array = (shape: Shape, spec = P()): Placed => ({ data: numbers(t.sizeOf(shape), ++seeds), shape, spec })
const integers = (values: readonly number[], shape: Shape, spec = P()): Placed => ({
  data: Int32Array.from(values),
  shape,
  spec,
  dtype: 'i32',
})

type Fn = (...args: Tensor[]) => Tensor | Tensor[]

/** The exchanges of a device's program, in order: op, axes and what a device brings to it. */
function exchanges(fn: Fn, args: readonly Placed[], { mesh: grid }: MeshDevice): string[] {
  const trace = new Trace()
  const graph: Graph<Tensor> = withTrace(trace, () => {
    const made = fn(...args.map(({ shape, dtype = 'f32' }) => trace.addInput({ shape, dtype })))
    return trace.finish([made].flat())
  })
  const inputs = args.map(({ spec }) => placementOf(grid, spec ?? P()))
  const parts = partition(simplify(graph), grid, { inputs, constants: [] }, 0)
  return simplify(removeDeadCode(parts.graph)).nodes.flatMap((node) => {
    if (!isCollective(node.op)) return []
    const name = isOp(node, 'allReduce') ? node.params.reduction : node.op
    return [`${name} ${(node.params as { axes: string[] }).axes.join()} ${showAval(node.inputs[0]!.aval)}`]
  })
}

async function expectSame(fn: Fn, args: readonly Placed[], on = mesh): Promise<void> {
  const { expected, actual } = await both(fn, args, { one, mesh: on })
  expected.forEach((values, i) => expect(difference(values, actual[i]!), `output ${i}`).toBeUndefined())
}

/** Holds a program to the exchanges told, and its results to those of one device. */
async function expectExchanges(fn: Fn, args: readonly Placed[], expected: readonly string[], on = mesh): Promise<void> {
  expect(exchanges(fn, args, on)).toEqual(expected)
  await expectSame(fn, args, on)
}

/** The sum is asked for: left alone, a result may be terms of one. */
const summed = (x: Tensor): Tensor =>
  t.shardingConstraint(
    x,
    x.shape.map((_, i) => (i === 0 ? ['data'] : [])),
  )

test('what is split is read whole', async () => {
  for (const spec of [P('data', 'model'), P('model', 'data'), P(['data', 'model']), P(null, 'data')])
    await expectExchanges((x) => t.exp(x), [array([8, 6], spec)], [])
  await expectSame((x) => x, [array([8, 6], new PartitionSpec(['data'], { unreduced: ['model'] }))])
})

test('columns, then rows: one sum', () =>
  expectExchanges(
    (x, w1, w2) => summed(t.add(x, t.linear(t.silu(t.linear(x, w1)), w2))),
    [array([4, 6], P('data')), array([8, 6], P('model')), array([6, 8], P(null, 'model'))],
    ['sum model f32[2,6]'],
  ))

test('LoRA beside a layer split by rows: still one', () =>
  expectExchanges(
    (x, w, a, b) => summed(t.add(t.linear(x, w), t.mul(t.linear(t.linear(x, a), b), 2))),
    [
      array([4, 8], P('data', 'model')),
      array([6, 8], P(null, 'model')),
      array([2, 8], P(null, 'model')),
      array([6, 2]),
    ],
    ['sum model f32[2,6]'],
  ))

test('LoRA beside a layer split by columns: none', () =>
  expectExchanges(
    (x, w, a, b) => t.tanh(t.add(t.linear(x, w), t.mul(t.linear(t.linear(x, a), b), 2))),
    [array([4, 6], P('data')), array([8, 6], P('model')), array([2, 6]), array([8, 2], P('model'))],
    [],
  ))

test('an embedding split by vocabulary: one sum', () =>
  expectExchanges(
    (table, ids) => summed(t.gather(table, ids)),
    [array([8, 6], P('model')), integers([0, 3, 7, 4, 1, 2, 6, 5], [4, 2], P('data'))],
    ['sum model f32[2,2,6]'],
  ))

test('attention by heads: none inside, one sum after', () =>
  expectExchanges(
    (x, wq, wk, wv, wo) => {
      const heads = (w: Tensor) => t.transpose(t.reshape(t.linear(x, w), [2, 3, -1, 2]), [0, 2, 1, 3])
      const mixed = t.transpose(t.attention(heads(wq), heads(wk), heads(wv)), [0, 2, 1, 3])
      return summed(t.linear(t.reshape(mixed, [2, 3, 8]), wo))
    },
    [
      array([2, 3, 6], P('data')),
      array([8, 6], P('model')),
      array([4, 6], P('model')),
      array([4, 6], P('model')),
      array([6, 8], P(null, 'model')),
    ],
    ['sum model f32[1,3,6]'],
  ))

test('a head split by vocabulary: one maximum, and one sum of two numbers a row', () =>
  expectExchanges(
    (h, w, labels) => t.linearCrossEntropy(h, w, labels),
    [array([4, 6], P('data')), array([8, 6], P('model')), integers([0, 7, -1, 3], [4], P('data'))],
    ['max model f32[2]', 'sum model f32[4]'],
  ))

test('gradients of what every device has: sums over the batch alone', () =>
  expectExchanges(
    (x, w1, w2) => {
      const loss = ([a, b]: [Tensor, Tensor]) => t.sum(t.tanh(t.linear(t.silu(t.linear(x, a)), b)))
      return t
        .grad(loss)([w1!, w2!])
        .map((g) => t.neg(t.shardingConstraint(g, [[], []])))
    },
    [array([4, 6], P('data')), array([8, 6]), array([6, 8])],
    ['sum data f32[8,6]', 'sum data f32[6,8]'],
  ))

test('query heads split by two axes, of which the second alone divides the kv heads', async () => {
  const wide = await openMesh(['data', 'model'], [4, 2])
  const attended = ([q, k, v]: Tensor[]) => t.attention(q!, k!, v!)
  const args = [array([1, 8, 2, 2], P(null, ['data', 'model'])), array([1, 2, 2, 2]), array([1, 2, 2, 2])]
  await expectSame((...qkv) => [attended(qkv), ...t.grad((x: Tensor[]) => t.sum(t.sin(attended(x))))(qkv)], args, wide)
  await wide.close()
})

test('a product that runs while a sum is on its way', () =>
  expectSame(
    (x, w, v) => t.add(summed(t.linear(x, w)), t.linear(v, w)),
    [array([1024, 1024], P('data', 'model')), array([1024, 1024]), array([1024, 1024], P('data'))],
  ))

test('large sums between four devices are made by parts', async () => {
  const four = await openMesh(['data', 'model'], [1, 4])
  await expectSame(
    (x, w) => t.sin(t.linear(x, w)),
    [array([101, 64], P(null, 'model')), array([103, 64], P(null, 'model'))],
    four,
  )
  // Of activations each device sums its tokens, which are gathered before the next layer.
  await expectExchanges(
    (x, wide, back, gain, next) => {
      const rows = t.add(x, t.linear(t.linear(x, wide), back))
      return t.silu(t.linear(t.rmsNorm(rows, gain, 0.1), next))
    },
    [
      array([2, 256, 512]),
      array([8, 512], P('model')),
      array([512, 8], P(null, 'model')),
      array([512]),
      array([1024, 512], P('model')),
    ],
    ['reduceScatter model f32[2,256,512]', 'allGather model f32[2,64,512]'],
    four,
  )
  await four.close()
})
