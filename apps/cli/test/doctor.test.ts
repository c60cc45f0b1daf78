// jora doctor: each check answers with what is there; what is missing comes with the way to it.
import { softwareVulkan } from '@jora-tooling/software-gpu'
import { afterEach, expect, test, vi } from 'vitest'
import { jora } from './harness'

await softwareVulkan()
afterEach(() => vi.unstubAllEnvs())

interface Report {
  readonly ready: boolean
  readonly checks: readonly { name: string; health: string; found: string; fix?: string; required: boolean }[]
}

test('on the machine that runs this, Node, memory and the CPU runtime are there', async () => {
  const { code, out, err } = await jora(['doctor', '--json'])
  expect({ code, err }).toEqual({ code: 0, err: '' })
  const { ready, checks } = JSON.parse(out) as Report
  expect(ready).toBe(true)
  const health = Object.fromEntries(checks.map(({ name, health }) => [name, health]))
  expect(health).toMatchObject({ Node: 'ok', CPU: 'ok', 'CPU runtime': 'ok' })
  expect(checks.map(({ name }) => name)).toEqual(['Node', 'CPU', 'memory', 'disk', 'CPU runtime', 'GPU', 'MPI', 'Hub'])
  for (const { health, fix } of checks) if (health === 'missing') expect(fix).toBeDefined()
})

test('people read a line for each, and the way to a GPU and to MPI where there is none', async () => {
  for (const name of ['VK_DRIVER_FILES', 'VK_ICD_FILENAMES']) vi.stubEnv(name, '/nowhere.json')
  vi.stubEnv('JORA_MPI_LIBRARY', 'libnone.so')
  vi.stubEnv('HF_HUB_OFFLINE', '1')
  const { code, out } = await jora(['doctor'])
  expect(code).toBe(0)
  expect(out).toMatch(/^✓ Node +\d+\.\d+/)
  expect(out).toMatch(/^– MPI +No MPI library/m)
  expect(out).toContain('openmpi-bin')
  expect(out).toMatch(/^– Hub .*, offline$/m)
  expect(out).toMatch(/^JORA runs here\.$/m)
})
