// In a page, text becomes the batches it becomes in Node, and an adapter's files are read the same.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { parseConfig } from '@jora/llama'
import { adaptedModules, peftConfig, peftName, type LoraConfig } from '@jora/lora'
import { serializeSafetensors } from '@jora/tensor/safetensors'
import { hasChromium, needsChromium, runInPage } from './chromium'
import { prepare, type Outcome } from './rows'

const assets = join(import.meta.dirname, '../../apps/cli/assets')
const config = readFileSync(join(assets, 'tiny-llama/config.json'))
const rows = readFileSync(join(assets, 'questions.jsonl'), 'utf8').split('\n').slice(0, 12)

/** An adapter of rank 1, each B its A's negative. */
function adapterFiles(): Record<string, string | Uint8Array> {
  const lora: LoraConfig = { r: 1, alpha: 2, dropout: 0, targetModules: ['v_proj'], useRslora: false }
  const modules = adaptedModules(parseConfig(JSON.parse(config.toString())), lora)
  const bytes = (size: number, value: number) => new Uint8Array(new Float32Array(size).fill(value).buffer)
  const weights = modules.flatMap(({ name, inFeatures, outFeatures }, i) => [
    { name: peftName(name, 'loraA'), dtype: 'F32' as const, shape: [1, inFeatures], data: bytes(inFeatures, i + 1) },
    { name: peftName(name, 'loraB'), dtype: 'F32' as const, shape: [outFeatures, 1], data: bytes(outFeatures, -i - 1) },
  ])
  const names = modules.map(({ name }) => name)
  return {
    '/adapter_config.json': JSON.stringify(peftConfig(lora, names, { baseModel: 'tiny-llama' })),
    '/adapter_model.safetensors': serializeSafetensors(weights),
  }
}

test('rows, tokenizer and adapter, without a file', async (ctx) => {
  ctx.skip(!(await hasChromium()), needsChromium)
  const files: Record<string, string | Uint8Array> = {
    ...adapterFiles(),
    '/config.json': config,
    '/tokenizer.json': readFileSync(join(assets, 'tiny-llama/tokenizer.json')),
    '/rows.jsonl': rows.join('\n'),
  }
  const inNode = await prepare(async (path) => Buffer.from(files[path]!))
  expect(inNode.batches).toHaveLength(5)
  expect(Object.keys(inNode.adapter.adapter)).toHaveLength(4)
  expect(await runInPage<Outcome>(`export * from './rows-page'`, files)).toEqual(inNode)
})
