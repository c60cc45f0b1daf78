// When tensors may be read, released and replaced: what every device has to keep to, whatever it does with memory.
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { add, disposeTree, jit, mul, tensor } from '../../src/index'
import type { Device, Tensor } from '../../src/index'

export interface LifetimeSubject {
  readonly name: string
  open(): Promise<Device>
  /** It is not here: the suite is skipped. */
  readonly missing?: boolean
}

const size = 64

const filled = (value: number): Float32Array => new Float32Array(size).fill(value)

/** The same on memory that devices may take over without a copy. */
const shared = (value: number): Float32Array => new Float32Array(new SharedArrayBuffer(4 * size)).fill(value)

/** Fails rather than wait for ever. */
function soon<T>(promise: Promise<T>): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error('still pending after 20 s')), 20_000)
  })
  return Promise.race([promise, late]).finally(() => clearTimeout(timer))
}

/** The one value that all elements have. */
async function valueOf(read: Promise<ArrayLike<number>>): Promise<number> {
  const data = await soon(read)
  expect(data).toHaveLength(size)
  const [value] = Array.from(new Set(Array.from(data)))
  expect(new Set(Array.from(data)).size, 'different elements').toBe(1)
  return value!
}

const double = jit((x: Tensor) => mul(x, 2))

/** Numbers 0 ≤ n < below, the same for every run of a test. */
function dice(seed: number): (below: number) => number {
  let state = seed
  return (below) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return Math.floor((state / 2 ** 32) * below)
  }
}

/** Runs the contract on one kind of device. */
export function lifetimeSuite({ name, open, missing = false }: LifetimeSubject): void {
  describe.skipIf(missing)(`lifetimes on ${name}`, () => {
    let device: Device
    const at = (value: number) => tensor(filled(value), { device })
    const doubleDonated = jit((x: Tensor) => mul(x, 2), { donate: [0] })

    beforeAll(async () => {
      device = await open()
    })
    afterAll(() => device.close())

    describe.each([
      { kind: 'plain memory', memory: filled },
      { kind: 'shared memory', memory: shared },
    ])('$kind', ({ memory }) => {
      test('read, release and upload in one turn', async () => {
        const first = tensor(memory(1), { device })
        await valueOf(first.data())
        const pending = first.data()
        first.dispose()
        const second = tensor(memory(2), { device })
        const third = tensor(memory(3), { device })
        expect(await Promise.all([pending, second.data(), third.data()].map(valueOf))).toEqual([1, 2, 3])
        disposeTree([second, third])
      })

      test('read into the host, release and upload in one turn', async () => {
        const first = tensor(memory(1), { device })
        const target = new Uint8Array(memory(0).buffer)
        const pending = device.readInto(first.buffer, target)
        first.dispose()
        const second = tensor(memory(2), { device })
        await soon(pending)
        expect(await valueOf(Promise.resolve(new Float32Array(target.buffer)))).toBe(1)
        expect(await valueOf(second.data())).toBe(2)
        second.dispose()
      })
    })

    test('read, release and run in one turn', async () => {
      const [first, second] = [at(1), at(2)]
      await valueOf(double(second).data())
      const pending = first.data()
      first.dispose()
      const results = [double(second), double(second)]
      expect(await Promise.all([pending, ...results.map((t) => t.data())].map(valueOf))).toEqual([1, 4, 4])
      disposeTree([second, ...results])
    })

    test('a tensor that is read and then donated is read as it was', async () => {
      const x = at(1)
      const pending = x.data()
      const y = doubleDonated(x)
      expect(x.disposed).toBe(true)
      expect(await Promise.all([pending, y.data()].map(valueOf))).toEqual([1, 2])
      y.dispose()
    })

    test('what a queued run reads may be released', async () => {
      const x = at(3)
      const y = double(x)
      x.dispose()
      const z = double(y)
      y.dispose()
      const uploaded = at(5)
      expect(await Promise.all([z.data(), uploaded.data()].map(valueOf))).toEqual([12, 5])
      disposeTree([z, uploaded])
    })

    test('many reads of one tensor at once', async () => {
      const x = double(at(4))
      const reads = Array.from({ length: 5 }, () => x.data())
      x.dispose()
      expect(await Promise.all(reads.map(valueOf))).toEqual([8, 8, 8, 8, 8])
    })

    test('use after dispose is an error that says so', async () => {
      const x = at(1)
      x.dispose()
      x.dispose()
      const message = 'this f32[64] was disposed or donated'
      await expect(x.data()).rejects.toThrow(message)
      expect(() => double(x)).toThrow(message)
      expect(() => add(x, 1)).toThrow(message)
    })

    test('a constant that was disposed is named by the next call', async () => {
      const weight = tensor(filled(3), { device, label: 'layers.0.weight' })
      const f = jit((x: Tensor) => mul(x, weight))
      const x = at(2)
      expect(await valueOf(f(x).data())).toBe(6)
      weight.dispose()
      expect(() => f(x)).toThrow('jit: the program uses layers.0.weight, which was disposed since it was compiled')
      expect(await valueOf(double(x).data())).toBe(4) // and the device goes on
    })

    test('any order of uploads, runs, reads and releases, many in one turn', async () => {
      const roll = dice(7)
      const live: { t: Tensor; value: number }[] = []
      const reads: { read: Promise<number>; value: number }[] = []
      for (let step = 0; step < 300; step++) {
        const i = roll(live.length)
        switch (live.length === 0 ? 0 : roll(6)) {
          case 0:
          case 1:
            live.push({ t: tensor((step % 2 ? filled : shared)(step), { device }), value: step })
            break
          case 2:
            live.push({ t: double(live[i]!.t), value: 2 * live[i]!.value })
            break
          case 3: {
            const [{ t, value }] = live.splice(i, 1) as [{ t: Tensor; value: number }]
            live.push({ t: doubleDonated(t), value: 2 * value })
            break
          }
          case 4:
            reads.push({ read: valueOf(live[i]!.t.data()), value: live[i]!.value })
            break
          default:
            live.splice(i, 1)[0]!.t.dispose()
        }
        if (roll(40) === 0) await Promise.all(reads.map(({ read }) => read))
      }
      expect(await Promise.all(reads.map(({ read }) => read))).toEqual(reads.map(({ value }) => Math.fround(value)))
      disposeTree(live.map(({ t }) => t))
    })

    test('closing gives a pending read its numbers, and refuses what comes after', async () => {
      const own = await open()
      const x = tensor(filled(7), { device: own })
      const y = double(x)
      const pending = valueOf(y.data())
      await soon(own.close())
      expect(await pending).toBe(7 * 2)
      await expect(soon(x.data())).rejects.toThrow('closed')
      expect(() => tensor(filled(1), { device: own })).toThrow('closed')
      await soon(own.close())
    })
  })
}

/** What a device does once its hardware is gone; `lose` takes it away. A processor cannot be lost. */
export function lossSuite({
  name,
  open,
  lose,
  missing = false,
}: LifetimeSubject & { lose(device: Device): void }): void {
  describe.skipIf(missing)(`loss of ${name}`, () => {
    test('a lost device rejects what is pending, and all that follows', async () => {
      const own = await open()
      const x = tensor(filled(7), { device: own })
      await valueOf(double(x).data())
      const pending = [double(x).data(), x.data(), own.readInto(x.buffer, new Uint8Array(4 * size))]
      const fresh = jit((t: Tensor) => add(mul(t, t), 3)) // a program that is still to be compiled
      const compiled = fresh.compile(x)
      const results = fresh(x)
      lose(own)
      pending.push(results.data())
      const outcomes = await soon(Promise.allSettled([...pending, compiled]))
      for (const outcome of outcomes)
        if (outcome.status === 'rejected') expect(String(outcome.reason)).toMatch(/lost|closed/)
      await expect(soon(x.data())).rejects.toThrow(/lost/)
      await expect(soon(own.synchronize())).rejects.toThrow(/lost/)
      expect(() => tensor(filled(1), { device: own })).toThrow(/lost/)
      await soon(own.close())
    })
  })
}
