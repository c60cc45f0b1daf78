// Adapters as users meet them: listed, found by part of a name, refused with a reason.
import { softwareVulkan } from '@jora-tooling/software-gpu'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { openOnAdapter } from './device'
import { findAdapter, firstGpu, hasGpu, listAdapters, missingFrom, openWebGpuDevice } from '../index'

// Both software drivers where there are two, so that there is something to choose from.
const drivers = [await softwareVulkan()]
const hardware = process.env.JORA_TEST_GPU === 'hardware'
if (!process.env.JORA_TEST_GPU && drivers[0]?.source === 'system') {
  vi.stubEnv('JORA_TEST_GPU', 'swiftshader')
  const second = await softwareVulkan()
  vi.unstubAllEnvs()
  if (second) drivers.push(second)
  const files = drivers.map((driver) => driver!.icd).join(':')
  process.env.VK_DRIVER_FILES = process.env.VK_ICD_FILENAMES = files
}
const adapters = await listAdapters()
const [preferred] = adapters

describe.skipIf(!preferred)(`adapters${preferred ? '' : ' (needs a WebGPU adapter)'}`, () => {
  test('each driver gives one, by the name that Vulkan gives the device', () => {
    if (!hardware) expect(adapters.length).toBeGreaterThanOrEqual(drivers.filter(Boolean).length)
    for (const { name, limits, features } of adapters) {
      expect(name).not.toBe('')
      expect(limits.maxBufferSize).toBeGreaterThan(0)
      expect(features).toEqual([...features].sort())
    }
  })

  test('the first is the one that is opened without a name', async () => {
    expect(await findAdapter()).toEqual(preferred)
    const device = await openWebGpuDevice()
    expect(device.name).toBe(preferred!.name)
    expect(device.adapter).toEqual(preferred)
    await device.close()
  })

  test('any part of a name finds it, in any case', async () => {
    for (const adapter of adapters) expect(await findAdapter(adapter.name.slice(0, 9).toUpperCase())).toEqual(adapter)
    const device = await openWebGpuDevice({ adapter: adapters.at(-1)!.name.slice(0, 9).toLowerCase() })
    expect(device.name).toBe(adapters.at(-1)!.name)
    await device.close()
  })

  test('a name that no adapter has is refused with those there are', async () => {
    expect(await findAdapter('Voodoo')).toBeUndefined()
    await expect(openWebGpuDevice({ adapter: 'Voodoo' })).rejects.toThrow(
      `WebGPU: no adapter is called “Voodoo”; there is ${adapters.map(({ name }) => name).join(' and ')}`,
    )
  })

  test.skipIf(hardware)('a driver that runs on the CPU is no GPU', async () => {
    expect(adapters.every(({ software }) => software)).toBe(true)
    expect(await hasGpu()).toBe(false)
  })

  test('limits that are too small are named, and the adapter is not opened', async () => {
    expect(missingFrom(preferred!)).toBeUndefined()
    const limits = { ...preferred!.limits, maxStorageBuffersPerShaderStage: 8 }
    const missing = `${preferred!.name} offers maxStorageBuffersPerShaderStage 8, at least 10 is needed`
    expect(missingFrom({ ...preferred!, limits })).toBe(missing)
    const weak = { info: { description: preferred!.name }, features: new Set(), limits } as unknown as GPUAdapter
    await expect(openOnAdapter(weak, {}, {})).rejects.toThrow(`WebGPU: ${missing}`)
  })

  test('the first GPU is the first that is no software and large enough', () => {
    const gpu = { ...preferred!, software: false }
    const weak = { ...gpu, limits: { ...gpu.limits, maxStorageBufferBindingSize: 1000 } }
    expect(firstGpu([{ ...gpu, software: true }, weak, gpu])).toBe(gpu)
    expect(firstGpu([{ ...gpu, software: true }, weak])).toBeUndefined()
  })
})

describe.skipIf(hardware)('without a driver', () => {
  afterEach(() => vi.unstubAllEnvs())

  test('there is no adapter, and opening one says what is needed', async () => {
    for (const name of ['VK_DRIVER_FILES', 'VK_ICD_FILENAMES']) vi.stubEnv(name, '/nowhere.json')
    expect(await listAdapters()).toEqual([])
    expect(await findAdapter()).toBeUndefined()
    expect(await hasGpu()).toBe(false)
    await expect(openWebGpuDevice()).rejects.toThrow(
      'WebGPU: no adapter was found; a GPU with a Vulkan, Metal or Direct3D 12 driver is needed',
    )
    await expect(openWebGpuDevice({ adapter: 'x' })).rejects.toThrow('no adapter is called “x”; there is none at all')
  })
})
