// The README's page, run: it trains the bundled model in a headless browser and has an adapter to offer.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { parseConfig } from '@jora/llama'
import { parsePeftAdapter, type PeftFiles } from '@jora/lora'
import { hasChromium, needsChromium, runInPage } from './chromium'

const root = join(import.meta.dirname, '../..')
const assets = join(root, 'apps/cli/assets')

test('packages/lora/README.md: in a page', async (ctx) => {
  ctx.skip(!(await hasChromium()), needsChromium)
  const readme = readFileSync(join(root, 'packages/lora/README.md'), 'utf8')
  const blocks = [...readme.matchAll(/```js\n(.*?)```/gs)].map(([, code]) => code!)
  const page = blocks
    .find((code) => code.includes('fetch('))!
    .replace('batchSize: 8', 'batchSize: 1')
    .replace('maxSteps: 50', 'maxSteps: 2')
  const model = (name: string) => readFileSync(join(assets, 'tiny-llama', name))
  const files = await runInPage<PeftFiles>(`${page}\nexport const run = () => files`, {
    '/model/config.json': model('config.json'),
    '/model/tokenizer.json': model('tokenizer.json'),
    '/model/model.safetensors': model('model.safetensors'),
    '/rows.jsonl': readFileSync(join(assets, 'questions.jsonl')),
  })
  const { adapter } = await parsePeftAdapter(files, parseConfig(JSON.parse(model('config.json').toString())))
  const [first] = Object.values(adapter)
  expect(Object.keys(adapter)).toHaveLength(8)
  expect('loraB' in first! && first.loraB.some((value) => value !== 0)).toBe(true)
})
