// Exports run by llama.cpp: the same tokens as JORA's own decoder. Needs node-llama-cpp in the folder JORA_LLAMA_CPP names.
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { copyFile, mkdir, readFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { describeModel, Generator, loadModel, type Decoder } from '@jora/llama'
import { loraLinear, promptFor, writePrompt } from '@jora/lora'
import { setDefaultDevice, type Device } from '@jora/tensor'
import { openCpuDevice } from '@jora/tensor/onnx'
import { allTargets, familyConfig, tinyFamilies, writeFamily, writeRandomAdapter } from '../../test/gguf-models'
import { tinyConfig, writeTinyModel } from '../../../llama/test/tiny-model'
import {
  compareWithLlamaCpp,
  exportGguf,
  exportGgufAdapter,
  greedyWithLlamaCpp,
  tokenizeWithLlamaCpp,
  type GgufTensorType,
} from '../index'

const from = process.env.JORA_LLAMA_CPP
const shared = process.env.JORA_SHARED ?? join(import.meta.dirname, '../../../../../shared')
const stories = join(shared, 'models/stories260K')

let root: string
let device: Device
beforeAll(async () => {
  root = mkdtempSync(join(tmpdir(), 'jora-gguf-'))
  device = await openCpuDevice({ threads: 1 })
  setDefaultDevice(device)
})
afterAll(async () => {
  setDefaultDevice(undefined)
  await device.close()
  rmSync(root, { recursive: true })
})

const tell = async (decoder: Decoder, prompt: number[], count: number) =>
  (await new Generator(decoder, device).generate([prompt], { maxNewTokens: count, stopIds: [] }))[0]!.ids

describe.skipIf(!from)('llama.cpp (needs JORA_LLAMA_CPP)', () => {
  const run = (options: { gguf: string; lora?: string; tokens: number[]; count: number }) =>
    greedyWithLlamaCpp({ ...options, from })

  for (const [name, family] of Object.entries(tinyFamilies)) {
    test(`${name}: base, merged and base with adapter`, async () => {
      const [modelDir, adapterDir] = [join(root, name, 'model'), join(root, name, 'adapter')]
      await mkdir(join(root, name))
      await writeFamily(modelDir, family)
      const config = {
        ...allTargets,
        alpha: 4,
        useRslora: true,
        rankPattern: { down_proj: 5 },
        alphaPattern: { q_proj: 7 },
      }
      const adapter = await writeRandomAdapter(adapterDir, familyConfig(family), config, 0.3)
      const file = (kind: string) => join(root, name, `${kind}.gguf`)
      await exportGguf({ modelDir, output: file('base'), dtype: 'f32' })
      await exportGguf({ modelDir, adapterDir, output: file('merged'), dtype: 'f32' })
      await exportGgufAdapter({ modelDir, adapterDir, output: file('adapter') })
      const base = await loadModel(modelDir)
      const tuned = { ...base, linear: loraLinear(adapter, config) }
      const prompt = { tokens: [1, 7, 270, 30, 280, 19], count: 40 }
      const [plain, together] = [await tell(base, prompt.tokens, 40), await tell(tuned, prompt.tokens, 40)]
      expect(plain).not.toEqual(together)
      expect(new Set(together).size).toBeGreaterThan(5)
      expect(await run({ gguf: file('base'), ...prompt })).toEqual(plain)
      expect(await run({ gguf: file('merged'), ...prompt })).toEqual(together)
      expect(await run({ gguf: file('base'), lora: file('adapter'), ...prompt })).toEqual(together)
    })
  }

  describe.skipIf(!existsSync(stories))('stories260K (needs ../shared)', () => {
    const file = (name: string) => join(root, `${name}.gguf`)

    test('with a random adapter on all seven targets tells 64 tokens alike, merged or laid over', async () => {
      const base = await loadModel(stories, { device })
      const adapterDir = join(root, 'stories-adapter')
      const adapter = await writeRandomAdapter(adapterDir, base.config, allTargets, 0.12)
      const together = await tell({ ...base, linear: loraLinear(adapter, allTargets) }, [1], 64)
      expect(together).not.toEqual(await tell(base, [1], 64))
      const source = { modelDir: stories, adapterDir }
      for (const dtype of ['f32', 'f16'] as const) {
        await exportGguf({ ...source, output: file(`stories-${dtype}`), dtype })
        expect(await run({ gguf: file(`stories-${dtype}`), tokens: [1], count: 64 })).toEqual(together)
        await exportGguf({ modelDir: stories, output: file(`stories-base-${dtype}`), dtype })
        await exportGgufAdapter({ ...source, output: file(`stories-lora-${dtype}`), dtype })
        const laidOver = { gguf: file(`stories-base-${dtype}`), lora: file(`stories-lora-${dtype}`) }
        expect(await run({ ...laidOver, tokens: [1], count: 64 })).toEqual(together)
      }
    })

    test('runs in every type, and quantised tells the beginning of the same story', async () => {
      const golden = JSON.parse(await readFile(join(shared, 'goldens/stories260K_llama2c.json'), 'utf8')) as {
        argmax: number[]
      }
      for (const dtype of ['f32', 'f16', 'bf16', 'q8_0', 'q4_0'] satisfies GgufTensorType[]) {
        const output = file(`types-${dtype}`)
        await exportGguf({ modelDir: stories, output, dtype })
        const ids = await run({ gguf: output, tokens: [1], count: 64 })
        const alike = dtype === 'f32' || dtype === 'f16' ? 64 : 24
        expect(ids.slice(0, alike)).toEqual(golden.argmax.slice(0, alike))
      }
    })
  })

  test('cuts texts as tokenizer.json does', async () => {
    const texts = ['the and in', 'Zeus & co: ünï', 'a\n b', '</s>']
    const ids: Record<string, string[]> = {}
    for (const name of ['llama', 'gemma', 'qwen2']) {
      const modelDir = join(root, `${name}-tokens`)
      await writeFamily(modelDir, tinyFamilies[name]!)
      const output = join(root, `${name}-tokens.gguf`)
      await exportGguf({ modelDir, output })
      ids[name] = (await tokenizeWithLlamaCpp({ gguf: output, from, texts })).map((each) => each.join(' '))
    }
    // By hand. SentencePiece: ▁ is 259, a to z 260 to 285, then the merges; byte b is b + 3. Byte-level: byte b is b.
    expect(ids).toEqual({
      llama: [
        '288 291 259 292',
        '259 93 264 280 278 259 41 259 262 274 61 259 198 191 273 198 178',
        '294 13 259 261',
        '2',
      ],
      gemma: [
        '279 287 291 259 292',
        '93 264 280 278 259 41 259 262 274 61 259 198 191 273 198 178',
        '260 13 259 261',
        '2',
      ],
      qwen2: [
        '116 257 32 259 100 32 105 110',
        '90 101 117 115 32 38 32 99 111 58 32 195 188 110 195 175',
        '97 10 32 98',
        '60 47 115 62',
      ],
    })
  })

  test.each(['yarn', 'linear', 'llama3'] as const)(
    'positions stretched by %s, beyond those of the base',
    async (type) => {
      const [modelDir, adapterDir] = [join(root, type, 'model'), join(root, type, 'adapter')]
      const gguf = join(root, type, 'merged.gguf')
      await mkdir(join(root, type))
      await writeFamily(modelDir, tinyFamilies.llama!)
      await writeRandomAdapter(adapterDir, familyConfig(tinyFamilies.llama!), undefined, 0.3)
      const { maxPositions } = familyConfig(tinyFamilies.llama!)
      const ids = Array.from({ length: maxPositions + 30 }, (_, i) => 3 + ((i * 37) % 250))
      const base = { model: modelDir, ropeScaling: { type, factor: 4 } }
      const { tokenizer } = await describeModel(modelDir)
      const { template } = await promptFor({ model: modelDir, tokenizer, choice: 'none' })
      await writePrompt(adapterDir, { template, base })
      await exportGguf({ modelDir, adapterDir, output: gguf, dtype: 'f32' })
      const prompts = [{ text: 'a', ids }]
      const compared = await compareWithLlamaCpp({ modelDir, adapterDir, gguf, from, prompts, count: 12, device })
      expect(compared.tokens).toBe(12)
      expect(compared.largestGap).toBeLessThan(1e-3)
    },
  )
})

// llama.cpp's own vectors hold for the vocabularies as JORA exports them, in a tiny random model.
const vocabularies = join(shared, 'tokenizers')

describe.skipIf(!from || !existsSync(vocabularies))('true vocabularies (needs ../shared and JORA_LLAMA_CPP)', () => {
  test.each([
    ['llama2', 'llama-spm', 32_000],
    ['llama3', 'llama-bpe', 128_256],
  ] as const)('%s cuts texts as llama.cpp has it', async (name, vectors, vocabSize) => {
    const modelDir = join(root, name)
    await writeTinyModel(modelDir, { ...tinyConfig, vocab_size: vocabSize, tie_word_embeddings: true })
    await copyFile(join(vocabularies, name, 'tokenizer.json'), join(modelDir, 'tokenizer.json'))
    const output = join(root, `${name}.gguf`)
    await exportGguf({ modelDir, output, dtype: 'q8_0' })
    const read = (kind: string) => readFile(join(vocabularies, `vectors/ggml-vocab-${vectors}.gguf.${kind}`), 'utf8')
    const texts = (await read('inp')).split('\n__ggml_vocab_test__\n')
    const lines = (await read('out')).split('\n').slice(0, texts.length)
    const ids = await tokenizeWithLlamaCpp({ gguf: output, from, texts })
    expect(ids.map((each) => each.join(' '))).toEqual(lines.map((line) => line.trim()))
  })
})

test('without node-llama-cpp says how to install it', async () => {
  const nowhere = mkdtempSync(join(tmpdir(), 'jora-nowhere-'))
  const cwd = process.cwd
  process.cwd = () => nowhere
  try {
    await expect(greedyWithLlamaCpp({ gguf: 'x.gguf', tokens: [1], count: 1 })).rejects.toThrow(
      /needs node-llama-cpp, which is not installed: npm install node-llama-cpp/,
    )
  } finally {
    process.cwd = cwd
    rmSync(nowhere, { recursive: true })
  }
})
