// A model from bytes in memory: what a folder of the same files gives, and the same refusals.
import { mkdtempSync, rmSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { jit, setDefaultDevice, tensor, type Device, type DeviceBuffer, type Tensor } from '@jora/tensor'
import { openCpuDevice } from '@jora/tensor/onnx'
import { serializeSafetensors } from '@jora/tensor/safetensors'
import { entry, tinyConfig, tinyWeights, toBf16, writeTinyModel } from '../../test/tiny-model'
import { decode, loadModel, logits, modelFromBytes, ModelError, type Decoder, type WeightFile } from '../index'

let device: Device
beforeAll(async () => {
  device = await openCpuDevice({ threads: 1 })
  setDefaultDevice(device)
})
afterAll(async () => {
  setDefaultDevice(undefined)
  await device.close()
})

const entries = () => tinyWeights().map(({ name, shape, data }) => entry(name, shape, data))
const whole = (tensors = entries()): WeightFile[] => [
  { name: 'model.safetensors', bytes: serializeSafetensors(tensors) },
]
const config = JSON.stringify(tinyConfig)

async function logitsOf(model: Decoder): Promise<unknown> {
  const tokens = tensor(Int32Array.of(1, 7, 3, 40), { shape: [1, 4] })
  return jit((ids: Tensor) => logits(model, decode(model, { tokens: ids }).hidden))(tokens).data()
}

test('is the model that loadModel reads from a folder of these files', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'jora-bytes-'))
  try {
    const halves = Uint16Array.from({ length: 32 }, (_, i) => 0x3c00 + 8 * i) // 1, 1 + 8/1024, …
    const stored = tinyWeights().map(({ name, shape, data }, i) => {
      if (name === 'model.norm.weight') return entry(name, shape, halves, 'F16')
      return i % 3 === 0 ? entry(name, shape, toBf16(data), 'BF16') : entry(name, shape, data)
    })
    await writeTinyModel(folder, tinyConfig, stored)
    const fromFolder = await loadModel(folder)
    const fromBytes = await modelFromBytes({
      config: await readFile(join(folder, 'config.json'), 'utf8'),
      weights: [{ name: 'model.safetensors', bytes: await readFile(join(folder, 'model.safetensors')) }],
    })
    expect(fromBytes.config).toEqual(fromFolder.config)
    expect(Object.keys(fromBytes.weights)).toEqual(Object.keys(fromFolder.weights))
    for (const [name, { shape, label }] of Object.entries(fromFolder.weights as Record<string, Tensor>))
      expect(fromBytes.weights[name], name).toMatchObject({ shape, label })
    expect(await logitsOf(fromBytes)).toEqual(await logitsOf(fromFolder))
  } finally {
    rmSync(folder, { recursive: true })
  }
})

test('shards fetched one after another, as ArrayBuffers, parsed configs and stop ids', async () => {
  const all = entries()
  async function* shards(): AsyncGenerator<WeightFile> {
    for (const part of [0, 1, 2]) {
      const bytes = serializeSafetensors(all.filter((_, i) => i % 3 === part))
      yield { name: `part-${part}.safetensors`, bytes: bytes.buffer as ArrayBuffer }
    }
  }
  const model = await modelFromBytes({
    config: tinyConfig,
    generationConfig: '{"eos_token_id": [2, 9]}',
    weights: shards(),
  })
  expect(model.config.eosTokenIds).toEqual([2, 9])
  for (const { name, data } of tinyWeights()) expect(await (model.weights[name] as Tensor).data(), name).toEqual(data)
})

test('names the file, key or tensor at fault', async () => {
  const refuses = async (files: Partial<Parameters<typeof modelFromBytes>[0]>, message: string) =>
    expect(modelFromBytes({ config, weights: whole(), ...files })).rejects.toThrow(message)
  await refuses({ config: '{' }, 'config.json is not valid JSON')
  await refuses({ config: { ...tinyConfig, model_type: 'gpt2' } }, 'config.json: "model_type" is "gpt2"')
  await refuses({ generationConfig: 'null' }, 'generation_config.json: expected a JSON object')
  await refuses({ weights: [{ name: 'a.safetensors', bytes: new Uint8Array(3) }] }, 'a.safetensors: 3 bytes')
  await refuses({ weights: [] }, 'the model lacks 30 of 30 weights, first model.embed_tokens.weight')
  await refuses(
    { weights: [...whole(), { ...whole()[0]!, name: 'twice.safetensors' }] },
    'twice.safetensors: lm_head.weight is also in model.safetensors; each weight must be in one file',
  )
  const norm = (change: object) =>
    whole(entries().map((each) => (each.name === 'model.norm.weight' ? { ...each, ...change } : each)))
  await refuses(
    { weights: norm({ dtype: 'I32' }) },
    'model.safetensors: model.norm.weight is I32; expected F32, F16 or BF16',
  )
  await refuses({ weights: norm({ shape: [2, 16] }) }, 'model.norm.weight has shape [2,16], config.json calls for [32]')
})

test('leaves no tensor on the device when a later file is refused', async () => {
  const held = new Set<DeviceBuffer>()
  const counting = Object.assign(Object.create(device) as Device, {
    upload(...args: Parameters<Device['upload']>): DeviceBuffer {
      const buffer = { device: counting, aval: args[1] }
      held.add(buffer)
      return buffer
    },
    release: (buffer: DeviceBuffer) => held.delete(buffer),
  })
  const half = serializeSafetensors(entries().slice(0, 9))
  const weights = [{ name: 'half.safetensors', bytes: half }]
  await expect(modelFromBytes({ config, weights }, { device: counting })).rejects.toThrow(ModelError)
  expect(held.size).toBe(0)
})
