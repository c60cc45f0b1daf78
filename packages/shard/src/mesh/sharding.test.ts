// What a PartitionSpec says of an array, and what it is told when it does not fit.
import { expect, test } from 'vitest'
import { Mesh, ShardingError } from './mesh'
import { localShape, partStart, placementOf, replicated, specOf } from './placement'
import { NamedSharding, P, PartitionSpec } from './sharding'

const mesh = new Mesh(['data', 'model'], [2, 4])
const terms = new PartitionSpec(['data'], { unreduced: ['model'] })

test('a spec reads as it is written', () => {
  expect(`${P('data', null, ['data2', 'model'])}`).toBe("P('data', null, ['data2', 'model'])")
  expect(`${P()}`).toBe('P()')
  expect(`${terms}`).toBe("P('data'; unreduced model)")
})

test('a device has a part of each dimension that is split', () => {
  const shardShape = (spec: PartitionSpec, shape: number[]) => new NamedSharding(mesh, spec).shardShape(shape)
  expect(shardShape(P('data', 'model'), [4, 8, 3])).toEqual([2, 2, 3])
  expect(shardShape(P(null, ['data', 'model']), [4, 8])).toEqual([4, 1])
  expect(shardShape(terms, [4, 8])).toEqual([2, 8])
  expect(shardShape(P('pipe'), [3])).toEqual([3])
})

test.each([
  [P(null, 'model'), [4, 6], 'dimension 1 of [4,6] does not divide by 4 (model of mesh data=2,model=4)'],
  [P(['data', 'model']), [4], 'dimension 0 of [4] does not divide by 8 (data × model of mesh data=2,model=4)'],
  [P('data', null), [4], "P('data', null) has 2 dimensions, the array [4] has 1"],
] as const)('%s of %j is refused', (spec, shape, message) => {
  expect(() => new NamedSharding(mesh, spec).shardShape(shape)).toThrow(new ShardingError(message))
})

test('an axis is used once', () => {
  expect(() => P('data', ['model', 'data'])).toThrow(
    new ShardingError("P('data', ['model', 'data']): axis data is used twice"),
  )
  expect(() => new PartitionSpec(['data'], { unreduced: ['data'] })).toThrow(
    new ShardingError("P('data'; unreduced data): axis data is used twice"),
  )
})

test('placements say the same', () => {
  expect(placementOf(mesh, P('model', 'data'))).toEqual([1, 0])
  expect(placementOf(mesh, P(null, ['data', 'model']))).toEqual([1, 1])
  expect(placementOf(mesh, terms)).toEqual([0, 'unreduced'])
  expect(placementOf(new Mesh(['data', 'model'], [1, 4]), terms)).toEqual(['replicated', 'unreduced'])
  expect(placementOf(mesh, P('pipe'))).toEqual(replicated(mesh))
  for (const spec of [P('model', 'data'), P(null, ['data', 'model']), terms])
    expect(`${specOf(mesh, placementOf(mesh, spec), spec.dimensions.length)}`).toBe(`${spec}`)
})

test('axes of one dimension are named in the order of the mesh', () => {
  expect(() => placementOf(mesh, P(null, ['model', 'data']))).toThrow(
    new ShardingError("P(null, ['model', 'data']): mesh data=2,model=4 has data before model; name them in this order"),
  )
  // An axis that the mesh lacks splits nothing.
  expect(placementOf(mesh, P(['data', 'pipe', 'model']))).toEqual([0, 0])
})

test('parts follow one another, the earlier axis coarsest', () => {
  const both = placementOf(mesh, P(['data', 'model']))
  expect(localShape(mesh, both, [16, 2])).toEqual([2, 2])
  expect(Array.from({ length: 8 }, (_, position) => partStart(mesh, both, 0, 16, position))).toEqual([
    0, 2, 4, 6, 8, 10, 12, 14,
  ])
  const one = placementOf(mesh, P('model'))
  expect(Array.from({ length: 8 }, (_, position) => partStart(mesh, one, 0, 16, position))).toEqual([
    0, 4, 8, 12, 0, 4, 8, 12,
  ])
})
