// A shader runs on each software driver, in a child process of its own: Dawn loads the Vulkan loader once a process.
import { execFile } from 'node:child_process'
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { afterEach, expect, test, vi } from 'vitest'
import { softwareVulkan } from './index.mjs'
import { lavapipe } from './lavapipe.mjs'
import { findArchive, unpackOnce } from './swiftshader.mjs'

afterEach(() => vi.unstubAllEnvs())

async function probe(choice: string) {
  const script = fileURLToPath(new URL('probe.mjs', import.meta.url))
  const { stdout } = await promisify(execFile)(process.execPath, [script], {
    env: { ...process.env, JORA_TEST_GPU: choice },
  })
  return JSON.parse(stdout)
}

test('a shader runs on lavapipe', async (ctx) => {
  ctx.skip(!lavapipe(), 'needs mesa-vulkan-drivers of Mesa 25 or newer')
  const { software, adapter, values } = await probe('system')
  expect(software.source).toBe('system')
  expect(adapter).toMatch(/^llvmpipe/)
  expect(values).toEqual([3, 5, 7, 9])
})

test('a shader runs on SwiftShader, through the loader that came with it', async (ctx) => {
  ctx.skip(!findArchive(), 'needs Linux on x64')
  const { software, adapter, loader, values } = await probe('swiftshader')
  expect(software.source).toBe('swiftshader')
  expect(adapter).toMatch(/^SwiftShader/)
  expect(loader).toBe(software.icd.replace('vk_swiftshader_icd.json', 'libvulkan.so.1'))
  expect(values).toEqual([3, 5, 7, 9])
})

test('processes that unpack at once leave one whole copy', async (ctx) => {
  const archive = findArchive()
  ctx.skip(!archive, 'needs Linux on x64')
  const cache = mkdtempSync(join(tmpdir(), 'jora-'))
  const folder = join(cache, 'swiftshader')
  await Promise.all([1, 2, 3].map(() => unpackOnce(archive!, folder)))
  expect(readdirSync(cache)).toEqual(['swiftshader'])
  expect(readdirSync(folder).sort()).toEqual(['libvk_swiftshader.so', 'libvulkan.so.1', 'vk_swiftshader_icd.json'])
  rmSync(cache, { recursive: true })
})

test('the machine’s own GPU is only taken when asked for', async () => {
  vi.stubEnv('VK_DRIVER_FILES', 'the user’s own')
  vi.stubEnv('JORA_TEST_GPU', 'hardware')
  expect(await softwareVulkan()).toBeUndefined()
  expect(process.env.VK_DRIVER_FILES).toBe('the user’s own')
  vi.stubEnv('JORA_TEST_GPU', 'fast')
  await expect(softwareVulkan()).rejects.toThrow('JORA_TEST_GPU: hardware, system, swiftshader expected, got fast')
})
