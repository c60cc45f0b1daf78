// llama2.c checkpoints come in as the model they are: weights, tokenizer and greedy text; broken files are refused.
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { setDefaultDevice, type Device } from '@jora/tensor'
import { openCpuDevice } from '@jora/tensor/onnx'
import { decodeFloats, openSafetensors } from '@jora/tensor/safetensors'
import { tinyConfig, tinyWeights } from '../../test/tiny-model'
import { Generator, importLlama2c, loadConfig, loadModel } from '../index'

const shared = process.env.JORA_SHARED ?? join(import.meta.dirname, '../../../../../shared')
const stories = join(shared, 'models/stories260K')
const hasShared = existsSync(stories)

let device: Device
beforeAll(async () => {
  device = await openCpuDevice({ threads: 1 })
  setDefaultDevice(device)
})
afterAll(async () => {
  setDefaultDevice(undefined)
  await device.close()
})
let folder: string
beforeEach(() => (folder = mkdtempSync(join(tmpdir(), 'jora-llama2c-'))))
afterEach(() => rmSync(folder, { recursive: true }))
const path = (name: string) => join(folder, name)

interface Sizes {
  readonly hidden_size: number
  readonly intermediate_size: number
  readonly num_hidden_layers: number
  readonly num_attention_heads: number
  readonly num_key_value_heads: number
  readonly vocab_size: number
  readonly max_position_embeddings: number
}
type Rows = { readonly shape: readonly number[]; readonly data: Float32Array }

/** Rows j and j + d/2 of each head beside one another: the order llama2.c rotates in. */
function paired({ shape, data }: Rows, heads: number): Float32Array {
  const [rows, width] = [shape[0]!, shape[1]!]
  const d = rows / heads
  const out = new Float32Array(data.length)
  for (let head = 0; head < heads; head++)
    for (let j = 0; j < d / 2; j++)
      for (let half = 0; half < 2; half++) {
        const from = head * d + half * (d / 2) + j
        out.set(data.subarray(from * width, (from + 1) * width), (head * d + 2 * j + half) * width)
      }
  return out
}

/** A checkpoint as llama2.c's export.py writes it. */
function checkpoint(sizes: Sizes, weights: ReadonlyMap<string, Rows>, version: 0 | 1): Buffer {
  const { num_hidden_layers: layers, num_attention_heads: heads, num_key_value_heads: kvHeads } = sizes
  const tied = !weights.has('lm_head.weight')
  const bytesOf = (data: Float32Array) => Buffer.from(data.buffer, data.byteOffset, data.byteLength)
  const plain = (name: string) => bytesOf(weights.get(name)!.data)
  const all = (part: string, paired?: (rows: Rows) => Float32Array) =>
    Array.from({ length: layers }, (_, layer) => {
      const rows = weights.get(`model.layers.${layer}.${part}.weight`)!
      return bytesOf(paired ? paired(rows) : rows.data)
    })
  const attention = [
    ...all('self_attn.q_proj', (rows) => paired(rows, heads)),
    ...all('self_attn.k_proj', (rows) => paired(rows, kvHeads)),
    ...all('self_attn.v_proj'),
    ...all('self_attn.o_proj'),
  ]
  const mlp = [...all('mlp.gate_proj'), ...all('mlp.down_proj'), ...all('mlp.up_proj')]
  const [embeddings, norm] = [plain('model.embed_tokens.weight'), plain('model.norm.weight')]
  const [before, after] = [all('input_layernorm'), all('post_attention_layernorm')]
  const head = tied ? [] : [plain('lm_head.weight')]
  const vocabulary = sizes.vocab_size * (version === 0 && !tied ? -1 : 1)
  const numbers = Buffer.from(
    Int32Array.of(
      sizes.hidden_size,
      sizes.intermediate_size,
      layers,
      heads,
      kvHeads,
      vocabulary,
      sizes.max_position_embeddings,
    ).buffer,
  )
  if (version === 0) {
    const tables = Buffer.alloc((sizes.max_position_embeddings * sizes.hidden_size * 4) / heads, 0x55)
    return Buffer.concat([numbers, embeddings, ...before, ...attention, ...after, ...mlp, norm, tables, ...head])
  }
  const start = Buffer.concat([
    Buffer.from('24ka'),
    Buffer.from(Int32Array.of(1).buffer),
    numbers,
    Buffer.of(tied ? 1 : 0),
  ])
  const padded = Buffer.concat([start, Buffer.alloc(256 - start.length)])
  return Buffer.concat([padded, ...before, ...after, norm, embeddings, ...attention, ...mlp, ...head])
}

async function readWeights(file: string): Promise<Map<string, Rows>> {
  await using opened = await openSafetensors(file)
  const weights = new Map<string, Rows>()
  for (const [name, { shape }] of opened.tensors)
    weights.set(name, { shape, data: decodeFloats(await opened.read(name), 'F32') })
  return weights
}

interface TokenizerJson {
  readonly model: { readonly vocab: Record<string, number>; readonly merges: [string, string][] }
}

/** A tokenizer.bin as llama2.c's tokenizer.py writes it, of a tokenizer.json with scores by its merges' order. */
function tokenizerBin(
  { model: { vocab, merges } }: TokenizerJson,
  nameOf = (name: string, _id: number) => name,
): Buffer {
  const rank = new Map<string, number>()
  for (const pair of merges) if (!rank.has(pair.join(''))) rank.set(pair.join(''), rank.size)
  const marks: Record<string, string> = { '<s>': '\n<s>\n', '</s>': '\n</s>\n' }
  // By id: objects keep keys such as "1" before all others.
  const tokens = Object.entries(vocab)
    .sort(([, a], [, b]) => a - b)
    .map(([name, id]) => ({
      score: rank.has(name) ? -rank.get(name)! : -1e6,
      text: Buffer.from(marks[name] ?? nameOf(name, id).replaceAll('▁', ' ')),
    }))
  const longest = Math.max(...tokens.map(({ text }) => text.length))
  return Buffer.concat([
    Buffer.from(Uint32Array.of(longest).buffer),
    ...tokens.flatMap(({ score, text }) => [
      Buffer.from(Float32Array.of(score).buffer),
      Buffer.from(Uint32Array.of(text.length).buffer),
      text,
    ]),
  ])
}

const tiny = (tied: boolean) => ({ ...tinyConfig, tie_word_embeddings: tied })
const tinyRows = (config: ReturnType<typeof tiny>) =>
  new Map(tinyWeights(config).map(({ name, ...rows }) => [name, rows]))

describe('a checkpoint becomes the model it is of', () => {
  test.each([
    [0, true],
    [0, false],
    [1, true],
    [1, false],
  ] as const)('version %d, tied head: %s', async (version, tied) => {
    const config = tiny(tied)
    const rows = tinyRows(config)
    writeFileSync(path('tiny.bin'), checkpoint(config, rows, version))
    const seen: number[] = []
    const result = await importLlama2c({
      checkpoint: path('tiny.bin'),
      outputDir: path('out'),
      onProgress: (done, total) => seen.push(done / total),
    })
    expect(seen).toHaveLength(rows.size)
    expect(seen.at(-1)).toBe(1)
    expect(result.files).toEqual(['config.json', 'generation_config.json', 'model.safetensors'])
    expect(readdirSync(path('out')).sort()).toEqual(result.files)
    expect(readdirSync(folder).sort()).toEqual(['out', 'tiny.bin'])
    expect(await readWeights(path('out/model.safetensors'))).toEqual(rows)
    const loaded = await loadConfig(path('out'))
    expect(loaded).toMatchObject({ layers: 3, heads: 4, kvHeads: 2, vocabSize: 48, tiedHead: tied, maxPositions: 96 })
    expect(loaded.eosTokenIds).toEqual([2, 1])
  })

  test.skipIf(!hasShared)('stories260K: weights, tokenizer and greedy ids (needs ../shared)', async () => {
    const sizes = JSON.parse(readFileSync(join(stories, 'config.json'), 'utf8')) as Sizes
    const tokenizer = JSON.parse(readFileSync(join(stories, 'tokenizer.json'), 'utf8')) as TokenizerJson
    const weights = await readWeights(join(stories, 'model.safetensors'))
    const golden = JSON.parse(readFileSync(join(shared, 'goldens/stories260K_llama2c.json'), 'utf8')) as {
      argmax: number[]
    }
    writeFileSync(path('tokenizer.bin'), tokenizerBin(tokenizer))
    for (const version of [0, 1] as const) {
      writeFileSync(path('stories.bin'), checkpoint(sizes, weights, version))
      const out = path(`out${version}`)
      await importLlama2c({ checkpoint: path('stories.bin'), tokenizer: path('tokenizer.bin'), outputDir: out })
      expect(await readWeights(join(out, 'model.safetensors'))).toEqual(weights)
      const [story] = await new Generator(await loadModel(out)).generate([[1]], {
        maxNewTokens: golden.argmax.length,
        stopIds: [],
      })
      expect(story!.ids).toEqual(golden.argmax)
      for (const file of ['tokenizer.json', 'tokenizer_config.json'])
        expect(JSON.parse(readFileSync(join(out, file), 'utf8'))).toEqual(
          JSON.parse(readFileSync(join(stories, file), 'utf8')),
        )
      expect(JSON.parse(readFileSync(join(out, 'config.json'), 'utf8'))).toEqual(sizes)
    }
    // As early versions of llama2.c wrote byte pieces.
    const early = tokenizerBin(tokenizer, (name, id) => (id >= 3 && id < 259 ? String.fromCodePoint(id - 3) : name))
    writeFileSync(path('early.bin'), early)
    await importLlama2c({ checkpoint: path('stories.bin'), tokenizer: path('early.bin'), outputDir: path('early') })
    expect(JSON.parse(readFileSync(path('early/tokenizer.json'), 'utf8'))).toEqual(tokenizer)
  })
})

describe('what is refused, nothing written', () => {
  const config = tiny(true)
  const good = checkpoint(config, tinyRows(config), 0)
  const versioned = checkpoint(config, tinyRows(config), 1)
  const changed = (file: Buffer, at: number, value: number) => {
    const copy = Buffer.from(file)
    copy.writeInt32LE(value, at)
    return copy
  }
  test.each<[string, Buffer, RegExp]>([
    [
      'cut off',
      good.subarray(0, -4),
      /has \d+ bytes, but its header \(3 layers of width 32, 48 tokens\) calls for \d+: it is cut off/,
    ],
    ['too long', Buffer.concat([good, Buffer.alloc(4)]), /it is too long, or no llama2\.c checkpoint/],
    ['empty', Buffer.alloc(0), /is not a llama2\.c checkpoint: it has 0 bytes, the header alone has 28/],
    ['a cut header', versioned.subarray(0, 100), /it has 100 bytes, the header alone has 256/],
    [
      'text',
      Buffer.from('Once upon a time there was a model that nobody could read.'),
      /is not a llama2\.c checkpoint|cut off/,
    ],
    ['GGUF', Buffer.concat([Buffer.from('GGUF'), good]), /it is a GGUF file/],
    [
      'a .pt file',
      Buffer.concat([Buffer.from('PK\u0003\u0004'), good]),
      /it is a PyTorch checkpoint \(llama2\.c's export\.py/,
    ],
    ['int8', changed(versioned, 4, 2), /is quantised to int8 \(version 2 of llama2\.c's format\).*--version 1/],
    ['an unknown version', changed(versioned, 4, 7), /its version is 7, expected 0, 1 or 2/],
    ['a negative size', changed(good, 8, -3), /its n_layers is -3/],
    ['no vocabulary', changed(good, 20, 0), /its vocab_size is 0/],
    ['a negative vocabulary in version 1', changed(versioned, 8 + 20, -48), /its vocab_size is -48/],
    ['heads that do not fit', changed(good, 12, 5), /its dim 32 is not an even number times its n_heads 5/],
    ['key heads that do not fit', changed(good, 16, 3), /its n_kv_heads 3 do not divide its n_heads 4/],
    ['a head that is not there', changed(good, 20, -48), /calls for \d+: it is cut off/],
  ])('%s', async (_what, bytes, message) => {
    writeFileSync(path('model.bin'), bytes)
    await expect(importLlama2c({ checkpoint: path('model.bin'), outputDir: path('out') })).rejects.toThrow(message)
    expect(readdirSync(folder)).toEqual(['model.bin'])
  })

  test('tokenizers, missing files and full folders', async () => {
    writeFileSync(path('model.bin'), good)
    const vocab = Object.fromEntries(
      Array.from({ length: 48 }, (_, i) => [i < 3 ? ['<unk>', '<s>', '</s>'][i]! : `t${i}`, i]),
    )
    const tokenizer = tokenizerBin({ model: { vocab, merges: [] } })
    const refuse = async (bytes: Buffer, message: RegExp) => {
      writeFileSync(path('tokenizer.bin'), bytes)
      const options = { checkpoint: path('model.bin'), tokenizer: path('tokenizer.bin'), outputDir: path('out') }
      await expect(importLlama2c(options)).rejects.toThrow(message)
      expect(readdirSync(folder).sort()).toEqual(['model.bin', 'tokenizer.bin'])
    }
    await refuse(Buffer.alloc(2), /is not a llama2\.c tokenizer: it has 2 bytes/)
    await refuse(tokenizer.subarray(0, -1), /it ends within token 47/)
    await refuse(changed(tokenizer, 0, 1), /token 0 has 5 bytes, the header says 1 at most/)
    await refuse(tokenizer.subarray(0, tokenizer.length - 11), /has 47 tokens, the model 48: it is another model's/)
    const same = tokenizerBin({ model: { vocab, merges: [] } }, (name) => (name === 't40' ? 't41' : name))
    await refuse(same, /has the token "t41" twice/)
    const latin = Buffer.from(tokenizer)
    latin[latin.length - 1] = 0xff
    await refuse(latin, /token 47 is not UTF-8/)

    await expect(importLlama2c({ checkpoint: path('none.bin'), outputDir: path('out') })).rejects.toThrow(
      /none\.bin does not exist/,
    )
    await expect(importLlama2c({ checkpoint: folder, outputDir: path('out') })).rejects.toThrow(
      /is not a file|cannot be read/,
    )
    await expect(importLlama2c({ checkpoint: path('model.bin'), outputDir: folder })).rejects.toThrow(
      /is not empty \(it has model\.bin\)/,
    )
    await expect(
      importLlama2c({ checkpoint: path('model.bin'), tokenizer: path('no.bin'), outputDir: path('out') }),
    ).rejects.toThrow(/no\.bin does not exist/)
    expect(existsSync(path('out'))).toBe(false)
  })
})
