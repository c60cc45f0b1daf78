// Model cards: what folders tell, what the text says, and that it says nothing private and nothing invented.
import { mkdtempSync } from 'node:fs'
import { mkdir, rm, writeFile } from 'node:fs/promises'
import { homedir, tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { modelCard, readCardInfo, type CardInfo } from '../index'

let root: string
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'jora-card-'))
})
afterEach(() => rm(root, { recursive: true }))

async function write(files: Record<string, unknown>): Promise<void> {
  await mkdir(root, { recursive: true })
  for (const [name, content] of Object.entries(files)) {
    const text = typeof content === 'string' ? content : JSON.stringify(content)
    await writeFile(join(root, name), text)
  }
}

const block = (card: string) => /^---\n([\s\S]*?)\n---\n/.exec(card)![1]!.split('\n')

const peft = (base: string) => ({
  base_model_name_or_path: base,
  r: 8,
  lora_alpha: 16,
  lora_dropout: 0.05,
  target_modules: ['q_proj', 'v_proj'],
  use_rslora: false,
})

const run = (id: string | null) => ({
  version: '1.2.3',
  settings: {
    modelPath: id ?? 'models/secret-llama',
    learningRate: 0.0001,
    scheduler: 'cosine',
    epochs: 7,
    batchSize: 2,
    gradientAccumulationSteps: 4,
    maxSeqLength: 2000,
    promptTemplate: 'alpaca',
    seed: 420,
  },
  model: { folder: '/srv/models/secret-llama', id, revision: null },
  dataset: { path: '/home/someone/private/rows.jsonl', statistics: { samples: 1200, contexts: 300 } },
})

const metrics = [
  { type: 'step', step: 1, epoch: 0.5, loss: 2, tokens: 1000 },
  { type: 'eval', step: 1, loss: 1.5 },
  { type: 'step', step: 2, epoch: 1, loss: 1.25, tokens: 1500 },
]
const jsonl = `${metrics.map((line) => JSON.stringify(line)).join('\n')}\n{"type":"st`

test('an adapter and its run', async () => {
  await write({ 'adapter_config.json': peft('org/base'), 'run.json': run('org/base'), 'metrics.jsonl': jsonl })
  const card = modelCard(await readCardInfo(root, { repo: 'ali/tuned' }))
  expect(block(card)).toEqual([
    'base_model: org/base',
    'base_model_relation: adapter',
    'library_name: peft',
    '# license: that of the base model; name it here',
    'pipeline_tag: text-generation',
    'tags:',
    '  - lora',
    '  - jora',
    '  - raft',
  ])
  expect(card).toContain('# tuned\n\nA LoRA adapter for [org/base](https://huggingface.co/org/base), made with JORA.')
  expect(card).toContain('AutoPeftModelForCausalLM.from_pretrained("ali/tuned")')
  expect(card).toContain('hf download ali/tuned --local-dir tuned\njora generate --model org/base --adapter tuned')
  expect(card.slice(card.indexOf('## Training'))).toBe(`## Training

- LoRA: rank 8, alpha 16, dropout 0.05, on \`q_proj\`, \`v_proj\`
- Dataset: \`rows.jsonl\`
- Samples: 1,200 on 300 contexts
- Tokens: 2,500 computed
- Epochs: 1
- Optimiser steps: 2
- Samples a step: 8
- Learning rate: 0.0001, cosine
- Longest sample: 2,000 tokens
- Prompt: the alpaca template
- Seed: 420
- Last training loss: 1.2500
- Held-out loss: 1.5000
- JORA: 1.2.3
`)
})

test.each(['/srv/models/secret-llama', 'models/secret-llama', join(homedir(), 'secret-llama'), 'C:\\secret-llama'])(
  'a base model at %s is not named, nor any other path',
  async (base) => {
    await write({ 'adapter_config.json': peft(base), 'run.json': run(null), 'metrics.jsonl': jsonl })
    const card = modelCard(await readCardInfo(root, { repo: 'ali/tuned' }))
    expect(card).not.toMatch(/secret|srv|private|home|base_model/)
    expect(card).toContain('BASE_MODEL')
  },
)

test('little known, little said', async () => {
  await write({ 'adapter_config.json': 'no JSON' })
  const card = modelCard(await readCardInfo(root, { repo: 'ali/tuned' }))
  expect(card).not.toContain('## Training')
  expect(card).not.toMatch(/undefined|null|NaN/)
  const named = await readCardInfo(root, { baseModel: 'org/base' })
  expect(named).toMatchObject({ kind: 'adapter', baseModel: 'org/base', training: undefined })
})

test('a merged model', async () => {
  await write({ 'config.json': {}, 'model.safetensors': 'x' })
  const card = modelCard(await readCardInfo(root, { repo: 'ali/merged' }))
  expect(block(card)).toContain('library_name: transformers')
  expect(block(card)).not.toContain('base_model_relation: finetune')
  expect(card).toContain('AutoModelForCausalLM.from_pretrained("ali/merged")')
  expect(card).toContain('jora generate --model ali/merged')
  const based = modelCard(await readCardInfo(root, { repo: 'ali/merged', baseModel: 'org/base' }))
  expect(block(based).slice(0, 2)).toEqual(['base_model: org/base', 'base_model_relation: finetune'])
})

test('GGUF: a model, and an adapter', async () => {
  await write({ "tuned it's q4.gguf": 'GGUF general.architecture' })
  const card = modelCard(await readCardInfo(root, { repo: 'ali/gguf', baseModel: 'org/base' }))
  expect(block(card).slice(0, 3)).toEqual([
    'base_model: org/base',
    'base_model_relation: quantized',
    'library_name: gguf',
  ])
  expect(card).toContain(`llama-cli --hf-repo ali/gguf --hf-file 'tuned it'\\''s q4.gguf' -p`)
  await write({ 'lora.gguf': 'GGUF general.type adapter adapter.lora.alpha' })
  const info = await readCardInfo(join(root, 'lora.gguf'))
  expect(info).toMatchObject({ kind: 'gguf-adapter', title: 'lora' })
  expect(modelCard(info)).toContain('llama-cli -m BASE.gguf --lora lora.gguf')
})

describe('the licence', () => {
  test.each([
    ['of the licence file', { LICENSE: '   Apache License\n   Version 2.0, January 2004' }, 'license: apache-2.0'],
    ["of the base's card", { 'README.md': '---\nlicense: "llama3.1"\ntags: []\n---\n# x' }, 'license: llama3.1'],
    ['unknown', { LICENSE: 'All rights reserved' }, '# license: that of the base model; name it here'],
  ])('%s', async (_what, files, line) => {
    const base = join(root, 'base')
    await mkdir(base)
    for (const [name, text] of Object.entries(files)) await writeFile(join(base, name), text)
    await write({
      'adapter_config.json': peft('org/base'),
      'run.json': { ...run('org/base'), model: { folder: base, id: 'org/base' } },
    })
    expect(block(modelCard(await readCardInfo(root)))).toContain(line)
  })
})

test('what is not plain in YAML is quoted, and Markdown stays on its line', () => {
  const info: CardInfo = {
    kind: 'adapter',
    title: 'a\nb',
    baseModel: 'no/1.0: x # y',
    license: 'no',
    datasets: ['org/data', 'a"b: - c'],
    training: { datasetFile: 'x`\n## y' },
  }
  const card = modelCard(info)
  expect(block(card)).toEqual(
    expect.arrayContaining(['base_model: "no/1.0: x # y"', 'license: "no"', '  - org/data', '  - "a\\"b: - c"']),
  )
  expect(card).toContain('# a b\n')
  expect(card).toContain('- Dataset: `x ## y`')
})
