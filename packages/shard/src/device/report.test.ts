// A report says how a program's tensors are placed, what its devices send and how much that is.
import { expect, test } from 'vitest'
import { linear, scope, silu, type Tensor } from '@jora/tensor'
import { Trace, withTrace } from '@jora/tensor/graph'
import { Mesh } from '../mesh/mesh'
import { partition } from '../partition/partition'
import { placementOf } from '../mesh/placement'
import { describeProgram } from './report'
import { schedule } from '../segments/schedule'
import { P } from '../mesh/sharding'

/** Of a layer split by columns and one split by rows, for activations [4, 8] split by rows. */
function reportOn(mesh: Mesh) {
  const trace = new Trace()
  const graph = withTrace(trace, () => {
    const [x, up, down] = [
      [4, 8],
      [16, 8],
      [8, 16],
    ].map((shape) => trace.addInput({ shape, dtype: 'f32' })) as [Tensor, Tensor, Tensor]
    return trace.finish([silu(scope('mlp', () => linear(silu(linear(x, up)), down)))])
  })
  const inputs = [P('data'), P('model'), P(null, 'model')].map((spec) => placementOf(mesh, spec))
  const parts = partition(graph, mesh, { inputs, constants: [] }, 0)
  return describeProgram(graph, mesh, { inputs, constants: [] }, parts.outputs, schedule(parts.graph), 2)
}

test('of two devices that split the layers', () => {
  expect(reportOn(new Mesh(['data', 'model'], [2, 2]))).toEqual({
    mesh: 'data=2,model=2',
    constants: [],
    inputs: [
      { name: 'input 0', aval: 'f32[4,8]', spec: "P('data', null)", bytes: 64 },
      { name: 'input 1', aval: 'f32[16,8]', spec: "P('model', null)", bytes: 256 },
      { name: 'input 2', aval: 'f32[8,16]', spec: "P(null, 'model')", bytes: 256 },
    ],
    outputs: [{ name: 'output 0', aval: 'f32[4,8]', spec: "P('data', null)", bytes: 64 }],
    // Terms of [2, 8] for the one other device of the group.
    communications: [{ op: 'allReduce', axes: ['model'], scope: '', bytes: 64 }],
    segments: 2,
    compiled: 2,
  })
})

test('a device sends its terms to each of three others', () => {
  const { communications } = reportOn(new Mesh(['data', 'model'], [1, 4]))
  expect(communications.map(({ bytes }) => bytes)).toEqual([3 * 128])
})

test('where nothing is split nothing moves', () => {
  const { communications, segments, outputs } = reportOn(new Mesh(['data', 'model'], [4, 1]))
  expect([communications, segments, outputs[0]!.bytes]).toEqual([[], 1, 32])
})
