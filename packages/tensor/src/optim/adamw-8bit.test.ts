// AdamW in 8 bits against bitsandbytes, and against AdamW in f32.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { softwareVulkan } from '@jora-tooling/software-gpu'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { openCpuDevice } from '../backend-onnx'
import { findAdapter, openWebGpuDevice } from '../backend-webgpu'
import {
  dtypeBytes,
  jit,
  optimizers,
  setDefaultDevice,
  tensor,
  treeLeaves,
  type Device,
  type Slots,
  type Tensor,
} from '../index'
import { blockSize, pack, signedMap, unpack, unsignedMap, type Packed } from './dynamic-codes'

interface Golden {
  readonly steps: number
  readonly learningRate: number
  readonly weightDecay: number
  readonly maps: { readonly signed: number[]; readonly unsigned: number[] }
  readonly params: Readonly<Record<string, GoldenParam>>
}
interface GoldenParam {
  readonly shape: number[]
  readonly after: string
  readonly state1?: string
  readonly state2?: string
  readonly absmax1?: string
  readonly absmax2?: string
}
const golden = JSON.parse(
  readFileSync(join(import.meta.dirname, '../../test/goldens/adamw-8bit.json'), 'utf8'),
) as Golden
const bytesOf = (text: string) => Uint8Array.from(Buffer.from(text, 'base64'))
const floatsOf = (text: string) => new Float32Array(bytesOf(text).buffer)

/** As the script that made the golden has it. */
function noise(seed: number, size: number): Float32Array {
  return Float32Array.from({ length: size }, (_, at) => {
    const i = at + seed * 100_000 + 1
    let word = Math.imul(i, 2654435761) >>> 0
    word = Math.imul(word ^ (word >>> 15), 40503) >>> 0
    return (word / 2 ** 32 - 0.5) * 2 ** -(i % 5)
  })
}

type Params = { readonly [name: string]: Tensor }
const paramsOf = (seed: (k: number) => number): Params =>
  Object.fromEntries(
    Object.entries(golden.params).map(([name, { shape }], k) => {
      const size = shape.reduce((a, b) => a * b, 1)
      return [name, tensor(noise(seed(k), size), { shape })]
    }),
  )

/** What `name` makes of the golden's gradients. */
async function train(name: 'adamw' | 'adamw_8bit') {
  const optimizer = optimizers[name]
  const config = { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: golden.weightDecay }
  const update = jit((p: Params, g: Params, s: Slots, numbers: Tensor) => ({
    ...optimizer.update(p, g, s, numbers, config),
  }))
  let params = paramsOf((k) => k)
  let slots = jit((p: Params) => optimizer.init(p))(params)
  for (let step = 1; step <= golden.steps; step++) {
    const numbers = optimizer.numbers({ step, learningRate: golden.learningRate }, config)
    ;({ params, slots } = update(
      params,
      paramsOf((k) => 10 * step + k),
      slots,
      tensor(Float32Array.from(numbers)),
    ))
  }
  update.dispose()
  return { params, slots }
}

/** Codes in the order of the elements. */
async function codesOf({ codes }: Packed): Promise<number[]> {
  const words = (await codes.data()) as Int32Array
  const perBlock = blockSize / 4
  return Array.from({ length: words.length * 4 }, (_, at) => {
    const [block, element] = [Math.floor(at / blockSize), at % blockSize]
    const word = words[block * perBlock + (element % perBlock)]! ^ (0x80 << 24)
    return (word >>> (8 * Math.floor(element / perBlock))) & 255
  })
}

await softwareVulkan()
const hasAdapter = (await findAdapter()) !== undefined
const devices = [
  { kind: 'CPU', open: () => openCpuDevice({ threads: 1 }), there: true },
  { kind: 'WebGPU', open: () => openWebGpuDevice(), there: hasAdapter },
]
for (const { kind, open, there } of devices) {
  describe.skipIf(!there)(`on ${kind}${there ? '' : ' (needs a WebGPU adapter)'}`, () => {
    let device: Device
    beforeAll(async () => {
      setDefaultDevice((device = await open()))
    })
    afterAll(async () => {
      setDefaultDevice(undefined)
      await device.close()
    })

    test.each([
      ['signed', signedMap],
      ['unsigned', unsignedMap],
    ] as const)(
      'the %s map is that of bitsandbytes, and a number has the code of its nearest value',
      async (name, map) => {
        const values = golden.maps[name]
        const packing = jit((x: Tensor) => pack(x, map))
        const unpacking = jit((packed: Packed) => unpack(packed, map))
        const through = async (numbers: readonly number[]) => {
          const packed = packing(tensor(Float32Array.from(numbers), { shape: [numbers.length / blockSize, blockSize] }))
          return { codes: await codesOf(packed), values: [...(await unpacking(packed).data())] }
        }
        const same = await through(values)
        expect(same.codes).toEqual(values.map((_, code) => code))
        same.values.forEach((value, code) => expect(Math.abs(value / values[code]! - 1 || 0)).toBeLessThan(2e-6))

        // A block each for numbers of its size, the largest first, whose code is the highest; and both sides of every middle.
        const middles = values.slice(1).map((value, i) => (value + values[i]!) / 2)
        const sides = [1 - 2e-6, 1 + 2e-6].flatMap((factor) => [1, ...middles.map((x) => x * factor)])
        const others = Array.from({ length: 6 }, (_, b) => [1, ...noise(b, blockSize - 1)].map((x) => x * 2 * 10 ** -b))
        for (const block of [sides.slice(0, 256), sides.slice(256), ...others]) {
          const numbers = name === 'signed' ? block : block.map(Math.abs)
          const { codes, values: near } = await through(numbers)
          const scale = Math.max(...numbers.map(Math.abs))
          numbers.forEach((x, i) => {
            const best = Math.min(...values.map((value) => Math.abs(value * scale - x)))
            expect(Math.abs(values[codes[i]!]! * scale - x), `${x} of ${scale}`).toBeLessThanOrEqual(
              best + 1e-7 * Math.abs(x),
            )
            expect(Math.abs(near[i]! - values[codes[i]!]! * scale)).toBeLessThanOrEqual(3e-6 * Math.abs(near[i]!))
          })
        }
        const none = await through(Array.from({ length: blockSize }, () => 0))
        expect(new Set(none.values.map(Math.abs))).toEqual(new Set([0]))
        for (const program of [packing, unpacking]) program.dispose()
      },
    )

    test('twenty steps end where bitsandbytes ends, codes too', async () => {
      const { params, slots } = await train('adamw_8bit')
      const [first, rest] = Object.values(slots.packed as Record<string, { m: Packed; v: Packed }>)
      expect(rest!.m.codes).toBeUndefined()
      const [m, v] = [await codesOf(first!.m), await codesOf(first!.v)]
      let block = 0
      for (const [name, { after, state1, state2, absmax1, absmax2 }] of Object.entries(golden.params)) {
        const values = await params[name]!.data()
        // A number in the middle of two codes may get either: its moment, and the parameter with it, is then another.
        const apart = floatsOf(after).filter((wanted, i) => !(Math.abs(values[i]! - wanted) < 1e-6)).length
        expect(apart, name).toBeLessThanOrEqual(3)
        if (state1 === undefined) continue
        for (const [codes, scales, state, absmax] of [
          [m, first!.m.scales, state1, absmax1],
          [v, first!.v.scales, state2, absmax2],
        ] as const) {
          const theirs = bytesOf(state!)
          const equal = theirs.filter((code, i) => code === codes[block * blockSize + i]).length
          expect(equal / theirs.length).toBeGreaterThan(0.999)
          const own = await scales.data()
          floatsOf(absmax!).forEach((wanted, i) => expect(own[block + i]! / wanted).toBeCloseTo(1, 5))
        }
        block += floatsOf(absmax1!).length
      }
    })

    test('takes a quarter of the memory, and stays near AdamW in f32', async () => {
      const [packed, whole] = [await train('adamw_8bit'), await train('adamw')]
      const start = paramsOf((k) => k)
      const large = Object.entries(golden.params).filter(([, { state1 }]) => state1 !== undefined)
      const bytes = (tensors: readonly Tensor[]) =>
        tensors.reduce((n, { size, dtype }) => n + size * dtypeBytes[dtype], 0)
      const { 0: first } = packed.slots.packed as Record<string, { m: Packed; v: Packed }>
      const f32 = 8 * large.reduce((n, [name]) => n + start[name]!.size, 0)
      // A block's scale is four bytes more for 256, and one block is not full.
      expect(bytes(treeLeaves(first!)) / f32).toBeLessThan(0.26)
      let [apart, moved] = [0, 0]
      for (const [name] of large) {
        const [own, theirs, before] = [
          await packed.params[name]!.data(),
          await whole.params[name]!.data(),
          await start[name]!.data(),
        ]
        own.forEach((x, i) => {
          apart += (x - theirs[i]!) ** 2
          moved += (theirs[i]! - before[i]!) ** 2
        })
      }
      expect(Math.sqrt(apart / moved)).toBeLessThan(0.04)
      expect(apart).toBeGreaterThan(0)
    })
  })
}
