// Tile sizes: measured once on an adapter, remembered between processes, and never worth a wrong result.
import { softwareVulkan } from '@jora-tooling/software-gpu'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { findAdapter, openWebGpuDevice } from '../../src/backend-webgpu/index'
import { tuningVersion } from '../../src/backend-webgpu/device/tuning'
import { dot, jit, tensor } from '../../src/index'
import type { Tensor } from '../../src/index'

await softwareVulkan()
const hasGpu = (await findAdapter()) !== undefined

describe.skipIf(!hasGpu)(`tile sizes${hasGpu ? '' : ' (needs a WebGPU adapter)'}`, () => {
  const folder = mkdtempSync(join(tmpdir(), 'jora-tiles-'))
  const file = join(folder, 'jora', 'webgpu-tiles.json')
  const before = process.env.XDG_CACHE_HOME
  beforeAll(() => {
    process.env.XDG_CACHE_HOME = folder
  })
  afterAll(() => {
    if (before === undefined) delete process.env.XDG_CACHE_HOME
    else process.env.XDG_CACHE_HOME = before
    rmSync(folder, { recursive: true })
  })

  /** A product of 40×24 by 24×36 on kernels for hardware; pipelines say how much was tried. */
  async function multiply(): Promise<{ corner: number; pipelines: number }> {
    const device = await openWebGpuDevice({ profile: { software: false, matrixUnits: [] } })
    const ones = (rows: number, columns: number) =>
      tensor(new Float32Array(rows * columns).fill(1), { shape: [rows, columns], device })
    const product = jit((a: Tensor, b: Tensor) => dot(a, b))(ones(40, 24), ones(24, 36))
    const corner = Number((await product.data()).at(-1))
    const { pipelines } = device.counters
    await device.close()
    return { corner, pipelines }
  }

  test('are measured the first time and remembered', async () => {
    const first = await multiply()
    expect(first.corner).toBe(24)
    expect(first.pipelines).toBeGreaterThan(1)
    const [choices] = Object.values(JSON.parse(readFileSync(file, 'utf8')) as Record<string, Record<string, number>>)
    expect(Object.keys(choices!)).toEqual(['lanes,1,40,36,24,false,false,f32'])
    expect(await multiply()).toEqual({ corner: 24, pipelines: 1 })
  }, 120_000)

  test.each([0, 1, 2, 3, 4])(
    'tile %i computes what it should, edges included',
    async (choice) => {
      const { vendor, architecture, name } = (await findAdapter())!
      const [m, n, k] = [140, 150, 70]
      const choices = { [`lanes,1,${m},${n},${k},false,true,f32`]: choice }
      writeFileSync(file, JSON.stringify({ [`${tuningVersion} ${vendor} ${architecture} ${name}`]: choices }))
      const device = await openWebGpuDevice({ profile: { software: false, matrixUnits: [] } })
      const [a, b] = [m * k, n * k].map((size) => Float32Array.from({ length: size }, (_, i) => ((i * 7) % 11) - 5))
      const on = { device }
      const product = jit((x: Tensor, y: Tensor) => dot(x, y, { transposeB: true }))
      const y = await product(tensor(a!, { shape: [m, k], ...on }), tensor(b!, { shape: [n, k], ...on })).data()
      expect(device.counters.pipelines, 'nothing was measured').toBe(1)
      for (let at = 0; at < m * n; at++) {
        let sum = 0
        for (let i = 0; i < k; i++) sum += a![Math.floor(at / n) * k + i]! * b![(at % n) * k + i]!
        if (y[at] !== sum) throw new Error(`element ${at} is ${y[at]}, expected ${sum}`)
      }
      await device.close()
    },
    120_000,
  )

  test('a damaged cache is measured anew', async () => {
    writeFileSync(file, '{"half')
    expect((await multiply()).corner).toBe(24)
    expect(() => JSON.parse(readFileSync(file, 'utf8'))).not.toThrow()
  }, 120_000)
})
