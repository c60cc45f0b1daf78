// Linear layers and what is between them over blocks of rows: the same numbers, and no wide matrix that is whole.
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { openCpuPlan } from '../src/backend-onnx/planning'
import * as j from '../src/index'
import type { Graph, Node, OpParams, Tensor, Value } from '../src/index'
import { simplify } from '../src/graph'
import { inRowBlocks } from '../src/jit/passes/row-blocks'
import { expectClose } from './backend/compare'
import { evaluate, numbers } from './backend/reference'

beforeAll(() => void j.setDefaultDevice(openCpuPlan()))
afterAll(() => void j.setDefaultDevice(undefined))

const [narrow, wide, rank] = [4, 16, 2]
const random = (shape: readonly number[], seed: number) =>
  j.tensor(Float32Array.from(numbers(shape, seed).data), { shape })

/** Loss and gradients of a gated MLP with adapters on all its layers, `[…, narrow]`. */
function step(lead: readonly number[]): Graph {
  const frozen = {
    gate: random([wide, narrow], 1),
    up: random([wide, narrow], 2),
    down: random([narrow, wide], 3),
  }
  const shapes = { gate: [narrow, wide], up: [narrow, wide], down: [wide, narrow] } as const
  const names = ['gate', 'up', 'down'] as const
  type Adapter = Record<(typeof names)[number], { a: Tensor; b: Tensor }>
  const adapter = Object.fromEntries(
    names.map((name, i) => [
      name,
      { a: random([rank, shapes[name][0]], 10 + i), b: random([shapes[name][1], rank], 20 + i) },
    ]),
  ) as Adapter
  const loss = (own: Adapter, x: Tensor) => {
    const weights = { ...frozen, gate: j.mul(frozen.gate, 1.5) }
    const linear = (name: keyof Adapter, y: Tensor) =>
      j.add(j.linear(y, weights[name]), j.linear(j.mul(j.linear(y, own[name].a), 2), own[name].b))
    const h = j.rmsNorm(x, random([narrow], 5), 1e-6)
    const out = j.add(x, linear('down', j.mul(j.silu(linear('gate', h)), linear('up', h))))
    return j.sum(j.mul(out, out))
  }
  return simplify(
    j.makeGraph((own: Adapter, x: Tensor) => j.valueAndGrad(loss)(own, x))(adapter, random([...lead, narrow], 6)),
  )
}

type SliceParams = OpParams['slice']

const bytes = 4
/** 8 or 9 rows are a block. */
const sizes = { blockBytes: 9 * wide * bytes, leastRows: 2 }

const feeds = (graph: Graph) => graph.inputs.map(({ aval }, i) => numbers(aval.shape, 30 + i))
const constantsOf = (graph: Graph) => graph.constants.map(({ value }, i) => numbers(value.aval.shape, 60 + i))

describe.each([
  ['rows of one sequence', [1, 24]],
  ['rows without a batch', [24]],
  ['blocks that differ in size', [1, 26]],
  ['rows of a batch', [3, 24]],
  // A weight, and its gradient, may be taken for a matrix of rows.
  ['as many rows as features', [1, wide]],
  ['matrices that are all wide', [1, wide], wide * narrow * bytes],
])('%s', (_name, lead, wideBytes = 16 * wide * bytes) => {
  const both = () => {
    const graph = step(lead)
    return { graph, blocks: inRowBlocks(graph, { ...sizes, wideBytes }) }
  }

  test('give the numbers of whole matrices', () => {
    const { graph, blocks } = both()
    const [given, expected] = [blocks, graph].map((g) => evaluate(g, feeds(g), constantsOf(g)))
    expected!.forEach((x, i) => expectClose(given![i]!.data, x.data, 1e-9, `output ${i}`))
  })

  test('are never together a wide matrix', () => {
    const { graph, blocks } = both()
    const widest = ({ nodes }: Graph) =>
      Math.max(
        ...nodes.flatMap(({ outputs }) =>
          outputs.map(({ aval: { shape } }) => (shape.at(-1) === wide ? j.sizeOf(shape) : 0)),
        ),
      )
    const rows = lead.reduce((a, b) => a * b, 1)
    expect(widest(graph)).toBe(rows * wide)
    expect(widest(blocks)).toBeLessThanOrEqual(9 * (rows / lead.at(-1)!) * wide)
  })

  test('follow one another', () => {
    const { blocks } = both()
    // What a later block takes of a whole matrix waits for what the one before it gave.
    const later = blocks.nodes.filter(
      ({ op, params }) => op === 'slice' && (params as SliceParams).starts.some((at) => at > 0),
    )
    const readers = (value: Value) => blocks.nodes.filter(({ inputs }) => inputs.includes(value))
    const waits = ({ op, outputs }: Node): boolean =>
      op === 'barrier' || (op !== 'dot' && readers(outputs[0]!).every(waits))
    expect(later.length).toBeGreaterThan(0)
    expect(later.flatMap(({ outputs }) => readers(outputs[0]!)).every(waits)).toBe(true)
  })
})

test('leaves matrices alone that the cache holds', () => {
  const graph = step([1, 24])
  expect(inRowBlocks(graph, { ...sizes, wideBytes: 25 * wide * bytes }).nodes).toEqual(graph.nodes)
})
