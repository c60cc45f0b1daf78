// Exports of an adapter that was trained with positions stretched: each says so where its readers look.
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { openModel, type StretchName } from '@jora/llama'
import { promptFor, writePrompt } from '@jora/lora'
import { openGguf } from '@jora/tensor/weights'
import { beforeEach, expect, test } from 'vitest'
import { checkGguf, checkMerged, exportGguf, exportGgufAdapter, mergeAdapter, readCardInfo } from '../src/index'
import { options, root, setUp } from './gguf/gguf-harness'

setUp()

type Json = Record<string, unknown>
const configPath = (folder: string) => join(folder, 'config.json')
const configOf = async (folder: string) => JSON.parse(await readFile(configPath(folder), 'utf8')) as Json

async function trainedWith(type: StretchName): Promise<void> {
  await using model = await openModel(options.modelDir)
  const { template } = await promptFor({ model: options.modelDir, tokenizer: model.tokenizer, choice: 'none' })
  const base = { model: options.modelDir, ropeScaling: { type, factor: 4 } }
  await writePrompt(options.adapterDir, { template, base })
}
beforeEach(() => trainedWith('yarn'))

test('a merged model, in the keys of either transformers', async () => {
  const said = await configOf(options.modelDir)
  const length = said.max_position_embeddings as number
  const scaling = { rope_type: 'yarn', factor: 4, original_max_position_embeddings: length }
  const older = join(root, 'older')
  await mergeAdapter({ ...options, outputDir: older })
  expect(await configOf(older)).toMatchObject({ max_position_embeddings: 4 * length, rope_scaling: scaling })
  await checkMerged({ ...options, outputDir: older })

  const { rope_theta: theta = 10_000, rope_scaling: _none, ...rest } = said
  const newer = { ...rest, rope_parameters: { rope_theta: theta, rope_type: 'default' } }
  await writeFile(configPath(options.modelDir), JSON.stringify(newer))
  const outputDir = join(root, 'newer')
  await mergeAdapter({ ...options, outputDir })
  const written = await configOf(outputDir)
  expect(written).toMatchObject({ rope_parameters: { rope_theta: theta, ...scaling } })
  expect(written).not.toHaveProperty('rope_scaling')
  await using model = await openModel(outputDir)
  await using before = await openModel(older)
  expect(model.config).toEqual(before.config)
  // Without the adapter the model is written as it is.
  const plain = join(root, 'plain')
  await mergeAdapter({ ...options, adapterDir: undefined, outputDir: plain })
  expect((await configOf(plain)).rope_parameters).toEqual(newer.rope_parameters)
})

test('a GGUF file, which is opened with the same positions', async () => {
  const length = (await configOf(options.modelDir)).max_position_embeddings as number
  await exportGguf({ ...options, dtype: 'f32' })
  await using file = await openGguf(options.output)
  const said = Object.fromEntries([...file.metadata].map(([key, { value }]) => [key, value]))
  expect(said).toMatchObject({
    'llama.context_length': 4 * length,
    'llama.rope.scaling.type': 'yarn',
    'llama.rope.scaling.factor': 4,
    'llama.rope.scaling.original_context_length': length,
  })
  await checkGguf(options)
  await using model = await openModel(options.output)
  expect(model.config).toMatchObject({ maxPositions: 4 * length, ropeScaling: { type: 'yarn', factor: 4 } })
})

test('an adapter in GGUF, which cannot say it: how llama.cpp is told', async () => {
  const length = (await configOf(options.modelDir)).max_position_embeddings as number
  const { notes } = await exportGgufAdapter({ ...options, overwrite: true })
  expect(notes.join()).toContain(`run llama.cpp with --rope-scaling yarn --rope-scale 4 --yarn-orig-ctx ${length}`)
  await trainedWith('llama3')
  await expect(exportGgufAdapter({ ...options, overwrite: true })).rejects.toThrow('export the merged model')
})

test('the card of the adapter', async () => {
  expect(await readCardInfo(options.adapterDir)).toMatchObject({ ropeScaling: { type: 'yarn', factor: 4 } })
})
