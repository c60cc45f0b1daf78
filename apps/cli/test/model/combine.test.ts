// jora combine: two adapters of the bundled model as one that every command reads.
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describeModel } from '@jora/llama'
import { initAdapter, savePeftAdapter } from '@jora/lora'
import { openCpuDevice } from '@jora/tensor/onnx'
import { expect, test } from 'vitest'
import { jora, modelSource } from '../harness'

test('combine takes adapters with their weights, and writes into no folder that has something in it', async (ctx) => {
  ctx.skip(modelSource === undefined, 'no small model')
  const root = mkdtempSync(join(tmpdir(), 'jora-combine-'))
  const device = await openCpuDevice({ threads: 1 })
  try {
    const { config } = await describeModel(modelSource!, { local: true })
    for (const [i, name] of ['law', 'style:2'].entries()) {
      const lora = { r: 2 + i, alpha: 4, dropout: 0, targetModules: ['q_proj'], useRslora: false }
      mkdirSync(join(root, name))
      await savePeftAdapter(join(root, name), initAdapter(config, lora, i, device), lora, { baseModel: modelSource! })
    }
    const outputDir = join(root, 'both')
    const adapters = [`${join(root, 'law')}:0.7`, `${join(root, 'style:2')}:-0.3`]
    const command = ['combine', ...adapters.flatMap((each) => ['--adapter', each]), '--output-dir', outputDir]
    const { code, out, err } = await jora([...command, '--json'])
    expect(err).toBe('')
    expect(code).toBe(0)
    expect(JSON.parse(out)).toMatchObject({ r: 5, alpha: 5 })
    expect(JSON.parse(readFileSync(join(outputDir, 'adapter_config.json'), 'utf8'))).toMatchObject({
      r: 5,
      lora_alpha: 5,
      target_modules: ['q_proj'],
      base_model_name_or_path: modelSource,
    })
    const again = await jora([...command, '--method', 'linear'])
    expect(again.code).not.toBe(0)
    expect(again.err).toMatch(/both is not empty/)
  } finally {
    await device.close()
    rmSync(root, { recursive: true })
  }
})
