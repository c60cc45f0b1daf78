// What the tests of gguf share.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach } from 'vitest'
import { setDefaultDevice, type Device } from '@jora/tensor'
import { openCpuDevice } from '@jora/tensor/onnx'
import { familyConfig, tinyFamilies, writeFamily, writeRandomAdapter } from '../gguf-models'
import { decodeRows, openGguf } from '@jora/tensor/weights'

export let root: string
let device: Device
export let options: { modelDir: string; adapterDir: string; output: string }
/** What the tests of a file need, made before them and removed after; each file calls it, as hooks belong to a file. */
export function setUp(): void {
  beforeAll(async () => {
    device = await openCpuDevice({ threads: 1 })
    setDefaultDevice(device)
  })
  afterAll(async () => {
    setDefaultDevice(undefined)
    await device.close()
  })
  beforeEach(async () => {
    root = mkdtempSync(join(tmpdir(), 'jora-gguf-'))
    options = { modelDir: join(root, 'model'), adapterDir: join(root, 'adapter'), output: join(root, 'model.gguf') }
    await writeFamily(options.modelDir, tinyFamilies.llama!)
    await writeRandomAdapter(options.adapterDir, familyConfig(tinyFamilies.llama!))
  })
  afterEach(() => rmSync(root, { recursive: true }))
}

/** All tensors of a GGUF file as float32. */
export async function readAll(
  path: string,
): Promise<Map<string, { type: string; shape: readonly number[]; values: Float32Array }>> {
  await using file = await openGguf(path)
  const all = new Map<string, { type: string; shape: readonly number[]; values: Float32Array }>()
  for (const [name, { type, shape, bytes }] of file.tensors)
    all.set(name, { type, shape, values: decodeRows(await file.readRange(name, 0, bytes), type) })
  return all
}
