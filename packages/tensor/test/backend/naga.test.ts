// Every shader is WGSL to naga too, with which Firefox and Deno compile. Needs the command naga (cargo install naga-cli), or
// its path as JORA_NAGA.
import { execFileSync, spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { openPlanningDevice, referenceGpu, type GpuProfile } from '../../src/backend-webgpu/index'
import { TileChoices } from '../../src/backend-webgpu/device/tuning'
import { lowerGraph } from '../../src/backend-webgpu/fusion/lower'
import { setDefaultDevice } from '../../src/index'
import { everyGraph } from './every-graph'

const naga = process.env.JORA_NAGA ?? 'naga'
const missing = spawnSync(naga, ['--version']).status !== 0

beforeAll(() => setDefaultDevice(openPlanningDevice(referenceGpu)))
afterAll(() => setDefaultDevice(undefined))

/** Adapters whose features make shaders differ. Chromium's matrix units are an experiment that naga has no part in. */
const profiles: GpuProfile[] = [
  { ...referenceGpu, matrixUnits: [] },
  { ...referenceGpu, matrixUnits: [], maxWorkgroupBytes: 16_384, maxWorkgroupLanes: 256 },
]

test('every shader validates', { timeout: 120_000 }, (ctx) => {
  ctx.skip(missing, 'needs naga: cargo install naga-cli')
  const codes = new Map<string, string>()
  const graphs = everyGraph()
  for (const profile of profiles)
    for (let choice = 0; choice < 5; choice++) {
      const tiles = new TileChoices()
      tiles.choose = ({ candidates }) => Math.min(choice, candidates - 1)
      for (const graph of graphs)
        for (const { code, label } of lowerGraph(graph, profile, { tiles }).dispatches) codes.set(code, label)
    }
  expect(codes.size).toBeGreaterThan(200)
  const folder = mkdtempSync(join(tmpdir(), 'jora-naga-'))
  try {
    const files = [...codes.keys()].map((code, i) => {
      const path = join(folder, `${i}.wgsl`)
      writeFileSync(path, code)
      return path
    })
    for (let from = 0; from < files.length; from += 500)
      execFileSync(naga, ['--bulk-validate', ...files.slice(from, from + 500)], { encoding: 'utf8', stdio: 'pipe' })
  } catch (error) {
    const { stderr, message } = error as { stderr?: string; message: string }
    expect.fail((stderr ?? message).slice(0, 3000))
  } finally {
    rmSync(folder, { recursive: true })
  }
})
