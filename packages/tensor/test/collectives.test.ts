// Ops between the devices of a mesh: their shapes, and who refuses them.
import { describe, expect, test } from 'vitest'
import { openPlanningDevice, referenceGpu } from '../src/backend-webgpu/index'
import { Trace, activeTrace, inferAvals, makeNode, withTrace, type OpParams, type CollectiveOp } from '../src/graph'
import { grad, shardingConstraint, sum, type Tensor } from '../src/index'

const x = { shape: [4, 6], dtype: 'f32' } as const
const shape = <K extends CollectiveOp>(op: K, params: OpParams[K]) => inferAvals(op, [x], params)[0]!.shape

describe('collectives', () => {
  test('shapes', () => {
    expect(shape('allReduce', { axes: ['data'], count: 2, reduction: 'sum' })).toEqual([4, 6])
    expect(shape('allGather', { axes: ['data', 'model'], count: 4, dim: 1 })).toEqual([4, 24])
    expect(shape('reduceScatter', { axes: ['model'], count: 2, dim: 0 })).toEqual([2, 6])
    expect(() => shape('reduceScatter', { axes: ['model'], count: 4, dim: 1 })).toThrow(
      'reduceScatter: dimension 1 of [4,6] is not a multiple of 4 devices',
    )
    expect(() => shape('allGather', { axes: ['model'], count: 2, dim: 2 })).toThrow(
      'allGather: dimension 2 is outside [4,6]',
    )
  })

  const reduced = (v: Tensor) =>
    activeTrace()!.record('allReduce', [v], { axes: ['data'], count: 2, reduction: 'sum' })[0]!

  test('have no gradient', () => {
    const trace = new Trace()
    withTrace(trace, () =>
      expect(() => grad((v: Tensor) => sum(reduced(v)))(trace.addInput(x))).toThrow(
        'allReduce: is written by the partitioner, after differentiation; differentiate first',
      ),
    )
  })

  test('are refused by a backend of one device', () => {
    const trace = new Trace()
    const graph = withTrace(trace, () => trace.finish([reduced(trace.addInput(x))]))
    expect(() => openPlanningDevice(referenceGpu).compile({ ...graph, constants: [] })).toThrow(
      'allReduce: runs between devices of a mesh; compile this graph for a mesh device',
    )
  })
})

describe('shardingConstraint', () => {
  test('names every dimension, and an axis once', () => {
    const constrain = (spec: string[][]) =>
      makeNode('shardingConstraint', { spec }, [{ aval: x, node: null, index: 0 }])
    expect(() => constrain([['data']])).toThrow('shardingConstraint: a spec of 1 dimensions for f32[4,6]')
    expect(() => constrain([['data'], ['data']])).toThrow('a mesh axis splits two dimensions in [data,data]')
  })

  test('the gradient is split the same way', () => {
    const trace = new Trace()
    withTrace(trace, () => {
      grad((v: Tensor) => sum(shardingConstraint(v, [['data'], ['model', 'fsdp']])))(trace.addInput(x))
    })
    const specs = trace.nodes.flatMap((n) => (n.op === 'shardingConstraint' ? [n.params] : []))
    expect(specs).toEqual(Array(2).fill({ spec: [['data'], ['model', 'fsdp']] }))
  })
})
