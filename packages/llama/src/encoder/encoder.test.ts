// The encoder against transformers: ids, hidden states as vectors, and files that are refused.
import { existsSync } from 'node:fs'
import { cp, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { parseTokenizer } from '@jora/data'
import type { Device } from '@jora/tensor'
import { openCpuDevice } from '@jora/tensor/onnx'
import { floats, golden, writeTinyEncoder } from '../../test/tiny-encoder'
import { denseRetriever } from './dense-retriever'
import { openEmbedder } from './open'

const furthest = (a: Float32Array, b: Float32Array) => {
  expect(a).toHaveLength(b.length)
  return a.reduce((most, value, i) => Math.max(most, Math.abs(value - b[i]!)), 0)
}

let device: Device
let folder: string
beforeAll(async () => {
  device = await openCpuDevice()
  folder = await mkdtemp(join(tmpdir(), 'jora-encoder-'))
  await writeTinyEncoder(folder)
})
afterAll(async () => {
  await device.close()
  await rm(folder, { recursive: true })
})

describe('a small random BERT', () => {
  test('has the ids, texts and vectors that transformers gives', async () => {
    const embedder = await openEmbedder(folder, device)
    expect(golden.texts.map((text) => embedder.idsOf(text))).toEqual(golden.ids)
    const tokenizer = parseTokenizer({ 'tokenizer.json': JSON.stringify(golden.tokenizer) })
    expect(golden.ids.map((ids) => tokenizer.decode(ids, { skipSpecialTokens: true }))).toEqual(golden.decoded)
    const seen: number[] = []
    const vectors = await embedder.embed(golden.texts, { onBatch: (positions) => void seen.push(...positions) })
    expect(furthest(vectors, floats(golden.vectors))).toBeLessThan(2e-6)
    expect(seen.sort((a, b) => a - b)).toEqual(golden.texts.map((_, i) => i))
    // Whatever they are batched with.
    const alone = await embedder.embed([golden.texts[1]!])
    expect(furthest(alone, vectors.slice(embedder.width, 2 * embedder.width))).toBeLessThan(2e-6)
    await expect(embedder.embed(golden.texts, { signal: AbortSignal.abort(new Error('enough')) })).rejects.toThrow(
      'enough',
    )
    embedder.dispose()
  })

  test.each([
    [
      'config.json',
      { ...golden.config, model_type: 'llama' },
      /config\.json: "model_type" is "llama"; expected "bert"/,
    ],
    [
      'config.json',
      { ...golden.config, num_attention_heads: 5 },
      /"num_attention_heads" is 5; expected a divisor of hidden_size/,
    ],
    ['config.json', { ...golden.config, hidden_act: 'tanh' }, /"hidden_act" is "tanh"; expected gelu, gelu_new, relu/],
    ['config.json', { ...golden.config, num_hidden_layers: 3 }, /has no weight encoder\.layer\.2\./],
    [
      'config.json',
      { ...golden.config, intermediate_size: 41 },
      /intermediate\.dense\.bias is F32 \[40\]; expected .* \[41\]/,
    ],
    [
      'tokenizer.json',
      {
        ...(golden.tokenizer as object),
        added_tokens: [],
        model: { type: 'WordPiece', vocab: { a: 0 }, unk_token: '?' },
      },
      /"model\.unk_token": got the string "\?"; expected a piece of the vocabulary/,
    ],
  ])('is refused with another %s: %#', async (name, content, message) => {
    const copy = await mkdtemp(join(tmpdir(), 'jora-encoder-'))
    try {
      await cp(folder, copy, { recursive: true })
      await writeFile(join(copy, name), JSON.stringify(content))
      await expect(openEmbedder(copy, device)).rejects.toThrow(message)
    } finally {
      await rm(copy, { recursive: true })
    }
  })
})

describe('dense retrieval', () => {
  const texts = golden.texts.map((text, i) => ({ id: String(i), text: `${text} passage ${i}` }))

  test('ranks by cosine, keeps its vectors, and makes those alone that are new', async () => {
    const embedder = await openEmbedder(folder, device)
    const indexDir = join(folder, 'index')
    const made: number[] = []
    const open = (some: typeof texts, signal?: AbortSignal) =>
      denseRetriever(embedder, some, { indexDir, signal, onProgress: (done) => void made.push(done) })
    const first = await open(texts.slice(0, 5))
    expect(made).toEqual([0, 5])
    first.dispose()
    made.length = 0
    const second = await open([...texts].reverse())
    expect([made[0], made.at(-1)]).toEqual([5, texts.length])
    const questions = ['letter', texts[2]!.text]
    const rankings = await second.rank(questions)
    const all = [...texts].reverse().map(({ text }) => text)
    const [asked, vectors] = [await embedder.embed(questions), await embedder.embed(all)]
    const { width } = embedder
    questions.forEach((_, q) => {
      const cosine = (text: number) =>
        vectors.subarray(text * width, (text + 1) * width).reduce((sum, v, i) => sum + v * asked[q * width + i]!, 0)
      const expected = all.map((_text, text) => ({ text, score: cosine(text) })).sort((a, b) => b.score - a.score)
      const found = [...rankings[q]!.best()]
      expect(found.map(({ text }) => text)).toEqual(expected.map(({ text }) => text))
      found.forEach(({ score }, i) => expect(score).toBeCloseTo(expected[i]!.score, 5))
    })
    expect([...rankings[1]!.best()][0]).toMatchObject({ text: all.indexOf(texts[2]!.text) })
    second.dispose()

    // Cut off in the middle of a record, and with one that is no vector: both are made again.
    const [name] = await readdir(indexDir)
    const path = join(indexDir, name!)
    const bytes = await readFile(path)
    bytes.fill(0, 20, 40)
    await writeFile(path, bytes.subarray(0, bytes.length - 7))
    made.length = 0
    const third = await open(texts)
    expect([made[0], made.at(-1)]).toEqual([texts.length - 2, texts.length])
    expect([...(await third.rank([texts[2]!.text]))[0]!.best()][0]).toMatchObject({ text: 2 })
    third.dispose()
    await expect(open([{ id: 'new', text: 'never seen' }], AbortSignal.abort(new Error('enough')))).rejects.toThrow(
      'enough',
    )
    embedder.dispose()
  })
})

test('all-MiniLM-L6-v2 has the vectors that sentence-transformers gives', async (context) => {
  const real = process.env.JORA_MINILM ?? join(import.meta.dirname, '../../../../.models/all-MiniLM-L6-v2')
  context.skip(!existsSync(join(real, 'model.safetensors')), 'all-MiniLM-L6-v2 is not in .models')
  const embedder = await openEmbedder(real, device)
  expect(golden.texts.map((text) => embedder.idsOf(text))).toEqual(golden.miniLm.ids)
  expect(furthest(await embedder.embed(golden.texts), floats(golden.miniLm.vectors))).toBeLessThan(1e-5)
  embedder.dispose()
})
