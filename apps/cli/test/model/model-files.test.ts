// `jora train` opens each file of its model once, and parses it once, whatever device it trains on.
import fs from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'
import { join } from 'node:path'
import { softwareVulkan } from '@jora-tooling/software-gpu'
import { exportGguf, mergeAdapter } from '@jora/hf-export'
import { openSafetensors, writeSafetensors } from '@jora/tensor/safetensors'
import { findAdapter } from '@jora/tensor/webgpu'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { jora, modelSource, workspace } from '../harness'

await softwareVulkan()
const hasGpu = (await findAdapter()) !== undefined

const space = workspace()
const { path } = space

/** How often each file of the models was opened or read whole, by its path. */
const opened = new Map<string, number>()
/** How often its text was parsed. */
const parsed = new Map<string, number>()
const texts = new Map<string, string>()
const count = (counts: Map<string, number>, key: string) => counts.set(key, (counts.get(key) ?? 0) + 1)

const real = {
  open: fs.open,
  openSync: fs.openSync,
  readFile: fs.readFile,
  readFileSync: fs.readFileSync,
  // A read stream opens its file by `open`.
}
const promises = { open: fs.promises.open, readFile: fs.promises.readFile }
const parse = JSON.parse

/** `call`, noting the model's file that it is called with. */
const noting = <T extends (...args: never[]) => unknown>(call: T): T =>
  ((...args: Parameters<T>) => {
    const [file] = args as unknown[]
    if (typeof file === 'string' && file.startsWith(path('models', ''))) count(opened, file)
    return call(...args)
  }) as T

const [folder, gguf] = [path('models', 'folder'), path('models', 'model.gguf')]

/** The model in `from` without all layers but the first: a GPU in software takes seconds for a layer. */
async function keepOneLayer(from: string, to: string): Promise<void> {
  fs.cpSync(from, to, { recursive: true })
  const config = JSON.parse(fs.readFileSync(join(from, 'config.json'), 'utf8')) as Record<string, unknown>
  fs.writeFileSync(join(to, 'config.json'), JSON.stringify({ ...config, num_hidden_layers: 1 }))
  await using file = await openSafetensors(join(from, 'model.safetensors'))
  const kept = [...file.tensors.values()].filter(({ name }) => !/layers\.[1-9]/.test(name))
  const entries = kept.map(({ name, dtype, shape }) => ({ name, dtype, shape, data: () => file.read(name) }))
  await writeSafetensors(join(to, 'model.safetensors'), entries)
}

beforeAll(async () => {
  if (modelSource === undefined) return
  const modelDir = path('one-layer')
  await keepOneLayer(path('model'), modelDir)
  fs.mkdirSync(path('models'))
  await mergeAdapter({ modelDir, outputDir: folder, maxShardBytes: 2 ** 18 })
  await exportGguf({ modelDir, output: gguf, dtype: 'f16' })
  for (const name of ['config.json', 'tokenizer.json', 'tokenizer_config.json', 'generation_config.json']) {
    const file = join(folder, name)
    if (fs.existsSync(file)) texts.set(fs.readFileSync(file, 'utf8'), file)
  }
  for (const [name, call] of Object.entries(real)) Object.assign(fs, { [name]: noting(call as never) })
  for (const [name, call] of Object.entries(promises)) Object.assign(fs.promises, { [name]: noting(call as never) })
  syncBuiltinESMExports()
  JSON.parse = ((text: string, ...rest: []) => {
    const file = texts.get(text)
    if (file !== undefined) count(parsed, file)
    return parse(text, ...rest) as unknown
  }) as typeof JSON.parse
})

afterAll(async () => {
  Object.assign(fs, real)
  Object.assign(fs.promises, promises)
  syncBuiltinESMExports()
  JSON.parse = parse
  await space.remove()
})

beforeEach(() => {
  opened.clear()
  parsed.clear()
})

const common =
  '--lora-r 2 --target-modules q_proj --split 1 --batch-size 2 --gradient-accumulation-steps 1 --max-steps 1'

const train = (model: string, out: string, ...more: string[]) =>
  jora([
    'train',
    '--model',
    model,
    '--dataset',
    path('rows.json'),
    '--output-dir',
    path(out),
    ...common.split(' '),
    ...more,
  ])

const once = (files: readonly string[]) => new Map(files.toSorted().map((file) => [file, 1]))
const sorted = (counts: ReadonlyMap<string, number>) => new Map([...counts].toSorted())

const places: readonly (readonly [string, readonly string[], boolean])[] = [
  ['the CPU', ['--device', 'cpu'], true],
  ['a mesh that splits rows', ['--device', 'cpu', '--mesh', 'data=2'], true],
  ['a mesh that splits weights', ['--device', 'cpu', '--mesh', 'model=2'], true],
  ['a GPU', ['--device', 'webgpu'], hasGpu],
]

describe.skipIf(modelSource === undefined)('train (needs ../shared)', () => {
  for (const [place, flags, canRun] of places) {
    test(`of a folder on ${place}`, async (ctx) => {
      ctx.skip(!canRun, 'needs a WebGPU adapter')
      const { code, err } = await train(folder, `folder ${place}`, ...flags)
      expect({ code, err }).toMatchObject({ code: 0 })
      expect(fs.readdirSync(folder).filter((name) => name.endsWith('.safetensors')).length).toBeGreaterThan(1)
      const there = new Set(fs.readdirSync(folder).map((name) => join(folder, name)))
      expect(sorted(new Map([...opened].filter(([file]) => there.has(file))))).toEqual(once([...there]))
      expect([...opened].filter(([, times]) => times > 1)).toEqual([]) // nor is one looked for twice that is not there
      expect(sorted(parsed)).toEqual(once([...texts.values()]))
    })

    test(`of a GGUF file on ${place}`, async (ctx) => {
      ctx.skip(!canRun, 'needs a WebGPU adapter')
      const { code, err } = await train(gguf, `gguf ${place}`, ...flags)
      expect({ code, err }).toMatchObject({ code: 0 })
      expect(opened).toEqual(new Map([[gguf, 1]]))
      expect(parsed.size).toBe(0)
    })
  }
})
