// A mesh numbers its positions row-major, and says what is wrong with one that cannot be.
import { expect, test } from 'vitest'
import { Mesh, parseMesh, ShardingError } from './mesh'

const mesh = new Mesh(['data', 'model'], [2, 4])

test('positions are numbered row-major', () => {
  expect(mesh.size).toBe(8)
  expect(mesh.coordinates(6)).toEqual([1, 2])
  expect([mesh.coordinate(6, 'data'), mesh.coordinate(6, 'model'), mesh.coordinate(6, 'pipe')]).toEqual([1, 2, 0])
  expect([mesh.along('data'), mesh.along('model'), mesh.along('pipe')]).toEqual([2, 4, 1])
})

test('a group differs along its axes only, in the order of the mesh', () => {
  expect(mesh.group(6, ['model'])).toEqual([4, 5, 6, 7])
  expect(mesh.group(6, ['data'])).toEqual([2, 6])
  expect(mesh.group(6, ['model', 'data'])).toEqual([0, 1, 2, 3, 4, 5, 6, 7])
  expect(mesh.group(6, [])).toEqual([6])
})

test('a mesh without axes has one position', () => {
  expect(new Mesh([], []).size).toBe(1)
  expect(new Mesh([], []).coordinates(0)).toEqual([])
})

test.each([
  [['data'], [1, 2], 'mesh: 1 axes (data) and 2 sizes'],
  [['data', 'model'], [2, 0], 'mesh: axis model has size 0, expected a positive integer'],
  [['data', 'model'], [1.5, 1], 'mesh: axis data has size 1.5, expected a positive integer'],
  [['data', 'data'], [2, 2], 'mesh: axis data is named twice'],
] as const)('%j of %j is refused', (axes, sizes, message) => {
  expect(() => new Mesh(axes, sizes)).toThrow(new ShardingError(message))
})

test('text: axes in any order, those not named have one device', () => {
  expect(parseMesh('model=4, data=2')).toEqual(mesh)
  expect(`${mesh}`).toBe('data=2,model=4')
  expect(parseMesh('model=2')).toEqual(new Mesh(['data', 'model'], [1, 2]))
  expect(parseMesh('x=3', ['x']).sizes).toEqual([3])
})

const expected = 'is not AXIS=N with N ≥ 1 and AXIS one of data, model'
test.each([
  ['pipe=2', `mesh "pipe=2": "pipe=2" ${expected}`],
  ['data=0', `mesh "data=0": "data=0" ${expected}`],
  ['data=2,', `mesh "data=2,": "" ${expected}`],
  ['', `mesh "": "" ${expected}`],
  ['data', `mesh "data": "data" ${expected}`],
  ['data=2,data=2', 'mesh "data=2,data=2": data is given twice'],
])('the text %j is refused', (text, message) => {
  expect(() => parseMesh(text)).toThrow(new ShardingError(message))
})
