// Folders that bitsandbytes, GPTQ and AWQ quantised: weights as their own code unpacks them (make_packed_goldens.py), and
// what is refused by name.
import { mkdtempSync, rmSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { SafetensorsDType, SafetensorsEntry } from '@jora/tensor/safetensors'
import golden from '../../test/goldens/packed.json' with { type: 'json' }
import { entry, tinyConfig, tinyWeights, writeTinyModel } from '../../test/tiny-model'
import { openModel } from './open-model'

const dtypes: Readonly<Record<string, SafetensorsDType>> = {
  float32: 'F32',
  float16: 'F16',
  bfloat16: 'BF16',
  uint8: 'U8',
  int8: 'I8',
  int32: 'I32',
}

let folder: string
beforeEach(() => (folder = mkdtempSync(join(tmpdir(), 'jora-packed-'))))
afterEach(() => rmSync(folder, { recursive: true }))

const bytesOf = (text: string) => new Uint8Array(Buffer.from(text, 'base64'))
// One down projection, 32 outputs of 128 inputs, is packed.
const config = { ...tinyConfig, intermediate_size: 128, num_hidden_layers: 1 }
const module = 'model.layers.0.mlp.down_proj'

type Case = (typeof golden.cases)[number]
interface Stored {
  readonly dtype: string
  readonly shape: readonly number[]
  readonly bytes: string
}
const partsOf = ({ parts }: Case): Readonly<Record<string, Stored>> => parts as unknown as Record<string, Stored>

async function write(c: Case, keys: object = {}, parts = partsOf(c)): Promise<void> {
  const packed = Object.entries(parts).map(([name, { dtype, shape, bytes }]): SafetensorsEntry<Uint8Array> => ({
    name: `${module}.${name}`,
    dtype: dtypes[dtype]!,
    shape,
    data: bytesOf(bytes),
  }))
  const plain = tinyWeights(config)
    .filter(({ name }) => !name.startsWith(module))
    .map(({ name, shape, data }) => entry(name, shape, data))
  await writeTinyModel(folder, config, [...plain, ...packed])
  const quantised = { ...config, quantization_config: { quant_method: c.method, bits: 4, ...keys } }
  await writeFile(join(folder, 'config.json'), JSON.stringify(quantised))
}

test.each(golden.cases)('$name is unpacked to the bit', async (c) => {
  await write(c)
  await using model = await openModel(folder, { local: true })
  const name = `${module}.weight`
  expect(model.weights.entries.get(name)).toMatchObject({ shape: [32, 128], type: dtypes[c.weight.dtype] })
  const bytes = await model.weights.read(name)
  expect(Buffer.from(bytes).equals(bytesOf(c.weight.bytes))).toBe(true)
  expect(Buffer.from(await model.weights.read(name, 100, 200)).equals(bytesOf(c.weight.bytes).subarray(100, 200))).toBe(
    true,
  )
})

describe('is refused by name', () => {
  const gptq = golden.cases.find(({ name }) => name === 'gptq')!
  const opening = () => openModel(folder, { local: true })

  test.each([
    [
      { quant_method: 'fp8' },
      /config\.json: the model is quantised with fp8, which is not read; read are bitsandbytes/,
    ],
    [{ bits: 8 }, /with gptq of 8 bits/],
    [{ quant_method: 'awq', version: 'GEMV' }, /with awq's gemv/],
  ])('%j', async (keys, message) => {
    await write(gptq, keys)
    await expect(opening()).rejects.toThrow(message)
  })

  test('an order of its own, and a part that is missing', async () => {
    const { g_idx: groups, qzeros, ...rest } = partsOf(gptq)
    const turned = { ...groups!, bytes: Buffer.from(bytesOf(groups!.bytes).reverse()).toString('base64') }
    await write(gptq, {}, { ...rest, qzeros: qzeros!, g_idx: turned })
    await using model = await opening()
    await expect(model.weights.read(`${module}.weight`)).rejects.toThrow(/down_proj\.weight is quantised in an order/)
    await write(gptq, {}, rest)
    await using lacking = await opening()
    await expect(lacking.weights.read(`${module}.weight`)).rejects.toThrow(/down_proj\.weight lacks qzeros/)
  })
})
