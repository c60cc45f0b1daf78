// Checkpoints: whole or not at all, told apart from unfinished ones, and refused for other settings.
import { mkdtempSync, rmSync } from 'node:fs'
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { parseConfig } from '@jora/llama'
import { setDefaultDevice, tensor, treeLeaves, treeMap, type Device } from '@jora/tensor'
import { openCpuDevice } from '@jora/tensor/onnx'
import { noise, tinyConfig } from '../../../llama/test/tiny-model'
import {
  bestCheckpoint,
  ConfigError,
  initAdapter,
  listCheckpoints,
  loadCheckpoint,
  saveCheckpoint,
  type Adapter,
  type LoraConfig,
  type SavedProgress,
  type TrainState,
} from '../index'

const model = parseConfig(tinyConfig)
const lora: LoraConfig = { r: 2, alpha: 8, dropout: 0, targetModules: ['q_proj'], useRslora: false }
const progress: SavedProgress = { step: 12, epoch: 1, epochStep: 4, seconds: 3.5, fingerprint: 'f' }
const info = { baseModel: 'tiny' }

let device: Device
beforeAll(async () => {
  device = await openCpuDevice({ threads: 1 })
  setDefaultDevice(device)
})
afterAll(async () => {
  setDefaultDevice(undefined)
  await device.close()
})
let dir: string
beforeEach(() => (dir = mkdtempSync(join(tmpdir(), 'jora-checkpoint-'))))
afterEach(() => rmSync(dir, { recursive: true }))

function makeState(): TrainState {
  const adapter = initAdapter(model, lora, 1)
  const moments = (name: string): Adapter =>
    treeMap((t, i) => tensor(noise(`${name}${i}`, t.size), { shape: t.shape }), adapter)
  return { adapter, m: moments('m'), v: moments('v') }
}
const dataOf = (state: TrainState) => Promise.all(treeLeaves(state).map((t) => t.data()))

describe('checkpoints', () => {
  test('come back bit for bit, with where the run stood', async () => {
    const state = makeState()
    expect(await saveCheckpoint(dir, state, progress, lora, info)).toBe('checkpoints/step-00000012')
    const folder = join(dir, 'checkpoints/step-00000012')
    expect((await readdir(folder)).sort()).toEqual([
      'adapter_config.json',
      'adapter_model.safetensors',
      'optimizer_m.safetensors',
      'optimizer_v.safetensors',
      'trainer_state.json',
    ])
    const loaded = await loadCheckpoint(folder, model, lora, 'f')
    expect(loaded.progress).toEqual(progress)
    expect(await dataOf(loaded.state)).toEqual(await dataOf(state))
  })

  test('a write that fails leaves no folder, and an older checkpoint of that name as it was', async () => {
    const broken = makeState()
    treeLeaves(broken.v).at(-1)!.dispose() // the last tensor that is written
    await expect(saveCheckpoint(dir, broken, progress, lora, info)).rejects.toThrow(/disposed/)
    expect(await readdir(join(dir, 'checkpoints')).catch(() => [])).toEqual([])

    await saveCheckpoint(dir, makeState(), progress, lora, info)
    const path = join(dir, 'checkpoints/step-00000012/trainer_state.json')
    const before = await readFile(path, 'utf8')
    await expect(saveCheckpoint(dir, broken, { ...progress, epoch: 9 }, lora, info)).rejects.toThrow(/disposed/)
    expect(await readFile(path, 'utf8')).toBe(before)
    expect(await readdir(join(dir, 'checkpoints'))).toEqual(['step-00000012'])
  })

  test('a directory that cannot be written says so', async () => {
    await writeFile(join(dir, 'checkpoints'), 'a file')
    await expect(saveCheckpoint(dir, makeState(), progress, lora, info)).rejects.toThrow(/ENOTDIR|EEXIST/)
  })

  test('are listed oldest first, without what a kill left half written', async () => {
    expect(await listCheckpoints(dir)).toEqual([])
    for (const step of [200, 3, 1000]) await saveCheckpoint(dir, makeState(), { ...progress, step }, lora, info)
    await mkdir(join(dir, 'checkpoints/.step-00002000.tmp-4711'))
    await writeFile(join(dir, 'checkpoints/.step-00002000.tmp-4711/adapter_config.json'), '{}')
    await mkdir(join(dir, 'checkpoints/notes'))
    expect(await listCheckpoints(dir)).toEqual(
      ['step-00000003', 'step-00000200', 'step-00001000'].map((name) => join(dir, 'checkpoints', name)),
    )
  })

  test('the best is the one of the lowest held-out loss that is still there', async () => {
    expect(await bestCheckpoint(dir)).toBeUndefined()
    for (const step of [2, 4, 6]) await saveCheckpoint(dir, makeState(), { ...progress, step }, lora, info)
    expect(await bestCheckpoint(dir)).toBeUndefined()
    const losses = [
      [2, 3],
      [4, 2],
      [5, 1], // no checkpoint
      [6, 2.5],
    ]
    const lines = losses.map(([step, loss]) => JSON.stringify({ type: 'eval', step, loss, perplexity: 1 }))
    await writeFile(join(dir, 'metrics.jsonl'), `{"type":"step","step":1,"loss":0.1}\n${lines.join('\n')}\n`)
    expect(await bestCheckpoint(dir)).toEqual({ path: join(dir, 'checkpoints/step-00000004'), step: 4, loss: 2 })
    await rm(join(dir, 'checkpoints/step-00000004'), { recursive: true })
    expect(await bestCheckpoint(dir)).toMatchObject({ step: 6, loss: 2.5 })
  })

  test('of other settings, and folders that are none, are refused', async () => {
    await saveCheckpoint(dir, makeState(), progress, lora, info)
    const folder = join(dir, 'checkpoints/step-00000012')
    await expect(loadCheckpoint(folder, model, lora, 'other')).rejects.toThrow(
      /was made with other settings \(model, dataset, prompt, split, LoRA, batch, rate or seed\); resume with those of its run\.json/,
    )
    const course = { learningRate: 0.1, targetModules: ['q_proj'], maxSteps: undefined, seed: 1 }
    await saveCheckpoint(dir, makeState(), { ...progress, course }, lora, info)
    const now = { ...course, learningRate: 0.2, maxSteps: 5, targetModules: ['v_proj'] }
    await expect(loadCheckpoint(folder, model, lora, 'other', undefined, now)).rejects.toThrow(
      'other settings (learningRate was 0.1, is 0.2, targetModules was ["q_proj"], is ["v_proj"], maxSteps was null, is 5); resume with those',
    )
    await expect(loadCheckpoint(dir, model, lora, 'f')).rejects.toThrow(
      /is not a checkpoint: trainer_state\.json is missing/,
    )
    await rm(join(folder, 'optimizer_v.safetensors'))
    await expect(loadCheckpoint(folder, model, lora, 'f')).rejects.toThrow(/optimizer_v\.safetensors: no such file/)
  })

  test.each([
    ['trainer_state.json', '', 'is empty; expected JSON'],
    ['trainer_state.json', '{"step": 12,', 'is not valid JSON: it ends too early'],
    ['trainer_state.json', 'null', 'does not say where the run stood'],
    ['trainer_state.json', '{"fingerprint": "f", "step": "12"}', 'does not say where the run stood'],
    ['adapter_model.safetensors', 'abc', '3 bytes, expected at least 8'],
    ['optimizer_m.safetensors', '\u0001\0\0\0\0\0\0\0{', 'optimizer_m.safetensors'],
  ])('%s of %j: the file, and the way out', async (file, content, problem) => {
    await saveCheckpoint(dir, makeState(), progress, lora, info)
    const folder = join(dir, 'checkpoints/step-00000012')
    await writeFile(join(folder, file), content)
    const refusal = await loadCheckpoint(folder, model, lora, 'f').catch((error: Error) => error)
    expect(refusal).toBeInstanceOf(ConfigError)
    expect((refusal as Error).message).toContain(join(folder, file))
    expect((refusal as Error).message).toContain(problem)
    expect((refusal as Error).message).toContain(`; remove ${folder} to go on from the checkpoint before it`)
  })
})
