// A GGUF file opened as a model is the model it was made from: configuration, ids, logits; and what is refused by name.
import { mkdtempSync, rmSync, truncateSync } from 'node:fs'
import { copyFile, mkdir, readFile, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { decode, logits, openModel, type OpenModel } from '@jora/llama'
import { jit, setDefaultDevice, tensor, type Device, type Tensor } from '@jora/tensor'
import { openCpuDevice } from '@jora/tensor/onnx'
import { exportGguf, exportGgufAdapter } from '../src/index'
import { familyConfig, tinyFamilies, writeFamily, writeRandomAdapter } from './gguf-models'

let root: string
let device: Device
beforeAll(async () => setDefaultDevice((device = await openCpuDevice({ threads: 1 }))))
afterAll(async () => {
  setDefaultDevice(undefined)
  await device.close()
})
beforeEach(() => (root = mkdtempSync(join(tmpdir(), 'jora-gguf-model-'))))
afterEach(() => rmSync(root, { recursive: true }))

async function scoresOf(model: OpenModel, ids: readonly number[]): Promise<Float32Array> {
  const decoder = await model.decoder(device, 'f32')
  const forward = jit((tokens: Tensor) => logits(decoder, decode(decoder, { tokens }).hidden))
  const scores = forward(tensor(Int32Array.from(ids), { shape: [1, ids.length], device }))
  const values = (await scores.data()) as Float32Array
  forward.dispose()
  return values
}

const largestGap = (a: Float32Array, b: Float32Array): number =>
  a.reduce((most, value, i) => Math.max(most, Math.abs(value - b[i]!)), 0)

const texts = ['Hello world', ' two  spaces\nand 1234 digits', 'naïve 日本 🙂', '']

describe.each(Object.keys(tinyFamilies))('%s', (name) => {
  test('f32: the same ids and logits as from its folder', async () => {
    const [folder, path] = [join(root, 'model'), join(root, 'model.gguf')]
    const { config, tokenizer } = tinyFamilies[name]!
    await writeFamily(folder, { config, tokenizer: { ...tokenizer, decoder: { type: 'ByteLevel' } } })
    await exportGguf({ modelDir: folder, output: path, dtype: 'f32' })
    await using from = await openModel(folder)
    await using model = await openModel(path)
    expect(model.config).toMatchObject({
      vocabSize: from.config.vocabSize,
      layers: from.config.layers,
      kvHeads: from.config.kvHeads,
      headDim: from.config.headDim,
      tiedHead: from.config.tiedHead,
      windows: from.config.windows,
      biases: from.config.biases,
    })
    for (const text of texts) expect(model.tokenizer.encode(text)).toEqual(from.tokenizer.encode(text))
    const ids = [1, 5, 9, 7, 3, 8]
    expect(largestGap(await scoresOf(model, ids), await scoresOf(from, ids))).toBeLessThan(1e-4)
  })
})

describe('what is refused, by name', () => {
  let path: string
  beforeEach(async () => {
    path = join(root, 'model.gguf')
    await writeFamily(join(root, 'model'), tinyFamilies.llama!)
    await exportGguf({ modelDir: join(root, 'model'), output: path, dtype: 'q8_0' })
  })
  const refused = (name: string, message: RegExp) => expect(openModel(name)).rejects.toThrow(message)

  test('a cut file', async () => {
    truncateSync(path, (await readFile(path)).length - 64)
    await refused(path, /model\.gguf: tensor .* ends at byte \d+, the file at \d+: the file is cut/)
  })
  test('another file', async () => {
    await writeFile(path, 'PK\x03\x04')
    await refused(path, /model\.gguf: does not begin with "GGUF"/)
  })
  test('an unknown architecture', async () => {
    const bytes = await readFile(path)
    // The value of general.architecture: key, type, length, text.
    bytes.write('mamba', bytes.indexOf('general.architecture') + 'general.architecture'.length + 12)
    await writeFile(path, bytes)
    await refused(path, /general\.architecture is "mamba"; expected one of llama, qwen2/)
  })
  test('an adapter', async () => {
    await writeRandomAdapter(join(root, 'adapter'), familyConfig(tinyFamilies.llama!))
    const output = join(root, 'adapter.gguf')
    await exportGgufAdapter({ modelDir: join(root, 'model'), adapterDir: join(root, 'adapter'), output })
    await refused(output, /adapter\.gguf is a LoRA adapter in GGUF, not a model/)
  })
  test('a missing part; several models in a folder', async () => {
    const folder = join(root, 'parts')
    await mkdir(folder)
    const part = join(folder, 'm-00001-of-00002.gguf')
    await copyFile(path, part)
    await refused(part, /is one of 2 parts, of which m-00002-of-00002\.gguf is not beside it/)
    await copyFile(path, join(folder, 'a.gguf'))
    await refused(folder, /holds 2 GGUF models \(a\.gguf, m-00001-of-00002\.gguf\); name one of them/)
  })
  test('a folder that holds one is that one', async () => {
    const folder = join(root, 'one')
    await mkdir(folder)
    await copyFile(path, join(folder, 'a.gguf'))
    await using model = await openModel(folder)
    expect(model.ref.files).toEqual(['a.gguf'])
  })
})
