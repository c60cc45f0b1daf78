// Products by quantised weights on the CPU: in 8 bits, with bounds on their errors, and in models that serve many shapes.
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import {
  add,
  dot,
  dynamicUpdateSlice,
  jit,
  mul,
  setDefaultDevice,
  sum,
  tensor,
  transpose,
  valueAndGrad,
  valuesOf,
  type Device,
  type Layout,
  type QuantisedWeight,
  type Tensor,
} from '../../src/index'
import { openCpuDevice } from '../../src/backend-onnx/index'
import { packNibbles } from '../../src/weights/portable'

let device: Device
beforeAll(async () => setDefaultDevice((device = await openCpuDevice({ threads: 1 }))))
afterAll(async () => {
  setDefaultDevice(undefined)
  await device.close()
})

/** Numbers in [−1, 1) that look random. */
const noise = (count: number, seed: number): Float32Array =>
  Float32Array.from(
    { length: count },
    (_, i) => (((Math.imul(i + 1, 2654435761) ^ (seed * 40503)) >>> 8) % 2001) / 1000 - 1,
  )

const [rows, columns] = [96, 64]

/** A weight `[96, 64]` of this layout. */
function weightOf(layout: Layout, hasMins = false): QuantisedWeight {
  const { bits, group } = layout
  const most = hasMins && bits === 8 ? 31 : 2 ** bits - 1
  const codes = Uint8Array.from({ length: rows * columns }, (_, i) => (Math.imul(i + 3, 7919 + i) % (most + 1)) & most)
  const groups = columns / group
  const scales = noise(rows * groups, 5).map((x) => 0.01 + Math.abs(x) / 50)
  const mins = noise(rows * groups, 6).map((x) => x / 4)
  const stored = bits === 4 ? packNibbles(codes, group) : codes
  return {
    codes: tensor(stored, { shape: [rows, (columns * bits) / 8], dtype: 'u8' }),
    scales: tensor(scales, { shape: [rows, groups] }),
    ...(hasMins ? { mins: tensor(mins, { shape: [rows, groups] }) } : {}),
    layout,
    shape: [rows, columns],
  }
}

const product = (x: Tensor, weight: QuantisedWeight) => dot(x, valuesOf(weight, 'f32'), { transposeB: true })
const dataOf = async (x: Tensor) => Array.from((await x.data()) as Float32Array)

/** The largest difference, over the largest element. */
function distance(a: readonly number[], b: readonly number[]): number {
  const size = Math.max(...b.map(Math.abs))
  return Math.max(...a.map((x, i) => Math.abs(x - b[i]!))) / size
}

const layouts: { name: string; layout: Layout; hasMins?: boolean }[] = [
  { name: '4 bits', layout: { bits: 4, group: 32 } },
  { name: '4 bits with minima', layout: { bits: 4, group: 32 }, hasMins: true },
  { name: '4 bits in groups of 16 with minima', layout: { bits: 4, group: 16 }, hasMins: true },
  { name: '8 bits', layout: { bits: 8, group: 32 } },
  { name: '8 bits by row', layout: { bits: 8, group: columns } },
  { name: '8 bits with minima', layout: { bits: 8, group: 32 }, hasMins: true },
  { name: 'nf4', layout: { bits: 4, group: 64, codebook: 'nf4' } },
  { name: 'iq4', layout: { bits: 4, group: 32, codebook: 'iq4' } },
]

describe.each(layouts)('$name', ({ layout, hasMins }) => {
  test('a model of many shapes multiplies as one of each shape does', async () => {
    const weight = weightOf(layout, hasMins)
    const loose = { ...weight, layout: { ...layout, int8: true as const } }
    const many = jit((x: Tensor) => product(x, weight), { manyShapes: true })
    const eight = jit((x: Tensor) => product(x, loose), { manyShapes: true })
    for (const count of [1, 3, 40]) {
      const x = tensor(noise(count * columns, count), { shape: [count, columns] })
      // As a sum over columns in f64: the floats themselves are those of dequantise.
      const w = await dataOf(valuesOf(weight, 'f32'))
      const own = noise(count * columns, count)
      const expected = Array.from({ length: count * rows }, (_, at) => {
        const [i, j] = [Math.floor(at / rows), at % rows]
        let total = 0
        for (let k = 0; k < columns; k++) total += own[i * columns + k]! * w[j * columns + k]!
        return total
      })
      expect(distance(await dataOf(many(x)), expected)).toBeLessThan(2e-6)
      const rounded = await dataOf(eight(x))
      expect(distance(rounded, expected)).toBeLessThan(0.02)
      // What a row comes to does not depend on those beside it, but for the order in which floats are added.
      const alone = await dataOf(eight(tensor(own.slice(0, columns), { shape: [1, columns] })))
      expect(distance(rounded.slice(0, rows), alone)).toBeLessThan(5e-6)
    }
  })

  test('products in 8 bits and their gradients are near, in programs that train', async () => {
    const weight = weightOf(layout, hasMins)
    const loose = { ...weight, layout: { ...layout, int8: true as const } }
    const [x, g] = [
      tensor(noise(40 * columns, 1), { shape: [40, columns] }),
      tensor(noise(40 * rows, 2), { shape: [40, rows] }),
    ]
    const run = (w: QuantisedWeight) =>
      jit((a: Tensor) => valueAndGrad((b: Tensor) => sum(mul(product(b, w), g)))(a))(x) as [Tensor, Tensor]
    const [[, exact], [, rounded]] = [run(weight), run(loose)]
    expect(distance(await dataOf(rounded), await dataOf(exact))).toBeLessThan(0.04)
    const [plain, eight] = [jit((a: Tensor) => product(a, weight))(x), jit((a: Tensor) => product(a, loose))(x)]
    expect(distance(await dataOf(eight), await dataOf(plain))).toBeLessThan(0.04)
  })
})

test('codes are what they were once products have them in a form of their own', async () => {
  const weight = weightOf({ bits: 8, group: columns, int8: true })
  const before = (await weight.codes.data()).slice()
  const x = tensor(noise(40 * columns, 1), { shape: [40, columns] })
  const gradient = () => valueAndGrad((a: Tensor) => sum(mul(product(a, weight), product(a, weight))))(x)[1].data()
  const first = await gradient()
  expect(await weight.codes.data()).toEqual(before)
  const plain = { ...weight, layout: { bits: 8 as const, group: columns } }
  const values = await valuesOf(plain, 'f32').data()
  const scales = await weight.scales.data()
  expect(values).toEqual(Float32Array.from(before, (code, i) => (code - 128) * scales[Math.floor(i / columns)]!))
  expect(await gradient()).toEqual(first)
})

test.each([3, 80])('with a narrow product added to it, as LoRA does, in %i dimensions', async (rank) => {
  const weight = weightOf({ bits: 8, group: columns })
  const loose = { ...weight, layout: { ...weight.layout, int8: true as const } }
  const x = tensor(noise(2 * 20 * columns, 1), { shape: [2, 20, columns] })
  const [down, up] = [
    tensor(noise(rank * columns, 2), { shape: [rank, columns] }),
    tensor(noise(rows * rank, 3), { shape: [rows, rank] }),
  ]
  const run = (w: QuantisedWeight) =>
    dataOf(
      jit((a: Tensor, b: Tensor) => {
        const low = dot(dot(a, down, { transposeB: true }), b, { transposeB: true })
        return add(low, product(a, w))
      })(x, up),
    )
  expect(distance(await run(loose), await run(weight))).toBeLessThan(0.02)
})

test('what a weight was held in is given to one tensor alone once it is released', async () => {
  const weight = weightOf({ bits: 8, group: columns, int8: true })
  await dataOf(jit((a: Tensor) => product(a, weight))(tensor(noise(columns, 1), { shape: [1, columns] })))
  for (const part of [weight.codes, weight.scales]) part.dispose()
  // As large as its scales.
  const one = tensor(new Float32Array(rows).fill(1))
  const plus = jit((a: Tensor) => add(a, one))
  const sums = [plus(one)]
  for (let i = 0; i < 4; i++) sums.push(plus(sums[i]!))
  const found = await Promise.all(sums.map(dataOf))
  expect(found.map(([first]) => first)).toEqual([2, 3, 4, 5, 6])
})

// Of many rows the columns are found in some.
test.each([40, 600])('columns of large elements do not round the others away: %i rows', async (count) => {
  const weight = weightOf({ bits: 8, group: columns })
  const loose = { ...weight, layout: { ...weight.layout, int8: true as const } }
  const others = noise(count * columns, 1).map((x, i) => (i % columns === 5 || i % columns === 60 ? 0 : x))
  const large = Float32Array.from(others, (_, i) => ({ 5: 300, 60: -200 })[i % columns] ?? 0)
  const matrix = (values: Float32Array) => tensor(values, { shape: [count, columns] })
  const run = (w: QuantisedWeight, values: Float32Array) => dataOf(jit((a: Tensor) => product(a, w))(matrix(values)))
  const both = await run(
    loose,
    large.map((x, i) => x + others[i]!),
  )
  const [alone, expected] = [await run(loose, large), await run(weight, others)]
  expect(
    distance(
      both.map((y, i) => y - alone[i]!),
      expected,
    ),
  ).toBeLessThan(0.04)
})

test('the largest codes are added exactly, whatever the processor does in 16 bits', async () => {
  const weight: QuantisedWeight = {
    codes: tensor(new Uint8Array(rows * columns).fill(255), { shape: [rows, columns], dtype: 'u8' }),
    scales: tensor(new Float32Array(rows).fill(1), { shape: [rows, 1] }),
    layout: { bits: 8, group: columns, int8: true },
    shape: [rows, columns],
  }
  for (const sign of [1, -1]) {
    const x = tensor(new Float32Array(5 * columns).fill(3 * sign), { shape: [5, columns] })
    const y = await dataOf(jit((a: Tensor) => product(a, weight))(x))
    for (const element of y) expect(element / (sign * 3 * 127 * columns)).toBeCloseTo(1, 5)
  }
})

test('a cache that is given up is written in place, at any length, and what was read of it before stays', async () => {
  const write = jit(
    (cache: Tensor, update: Tensor, start: Tensor) => {
      const next = dynamicUpdateSlice(cache, update, start, 2)
      return [next, sum(transpose(next, [0, 1, 3, 2]))] as [Tensor, Tensor]
    },
    { donate: [0], manyShapes: true },
  )
  for (const [batch, capacity, count, from] of [
    [1, 8, 1, 3],
    [2, 16, 4, 12],
    [3, 5, 5, 0],
  ] as const) {
    const old = noise(batch * 2 * capacity * 4, capacity)
    const added = noise(batch * 2 * count * 4, 9)
    const cache = tensor(old, { shape: [batch, 2, capacity, 4] })
    const before = cache.data()
    const update = tensor(added, { shape: [batch, 2, count, 4] })
    const [next, total] = write(cache, update, tensor(Int32Array.of(from), { shape: [] }))
    const expected = Array.from(old)
    for (let head = 0; head < batch * 2; head++)
      for (let i = 0; i < count * 4; i++) expected[(head * capacity + from) * 4 + i] = added[head * count * 4 + i]!
    expect(await dataOf(next)).toEqual(expected)
    expect(await total.item()).toBeCloseTo(
      expected.reduce((a, b) => a + b, 0),
      3,
    )
    expect(Array.from((await before) as Float32Array)).toEqual(Array.from(old))
  }
})
