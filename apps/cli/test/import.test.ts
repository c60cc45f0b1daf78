// jora import: a llama2.c model that then generates, an MLX adapter that generate, eval and merge take, and wrong calls.
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { loadConfig } from '@jora/llama'
import { adaptedModules } from '@jora/lora'
import { writeSafetensors } from '@jora/tensor/safetensors'
import { entry, noise } from '../../../packages/llama/test/tiny-model'
import { jora, modelSource, workspace } from './harness'

const space = workspace()
const { path } = space
afterAll(() => space.remove())
const told = (text: string) => text.replaceAll(space.dir, 'DIR')

describe('--format llama2c', () => {
  const [dim, ffn, layers, heads, kvHeads, vocab, positions] = [8, 12, 2, 2, 1, 20, 16] as const
  beforeAll(() => {
    const layer = 2 * dim + 2 * dim * dim + 2 * dim * (dim / 2) + 3 * dim * ffn
    const floats = vocab * dim + layers * layer + dim + (positions * dim) / heads
    const header = Buffer.from(Int32Array.of(dim, ffn, layers, heads, kvHeads, vocab, positions).buffer)
    writeFileSync(path('tiny.bin'), Buffer.concat([header, Buffer.from(noise('model', floats).buffer)]))
    const tokens = ['<unk>', '\n<s>\n', '\n</s>\n', ...' abcdefghijklmnop'].map((token) => Buffer.from(token))
    const parts = tokens.flatMap((text) => [
      Buffer.from(Float32Array.of(0).buffer),
      Buffer.from(Uint32Array.of(text.length).buffer),
      text,
    ])
    writeFileSync(path('tokenizer.bin'), Buffer.concat([Buffer.from(Uint32Array.of(6).buffer), ...parts]))
  })
  const importIt = (...more: string[]) =>
    jora(['import', '--format', 'llama2c', '--input', path('tiny.bin'), '--output-dir', ...more])

  test('a model that generates', async () => {
    const { code, out, err } = await importIt(path('tiny'), '--tokenizer', path('tokenizer.bin'))
    expect({ code, out }).toEqual({ code: 0, out: '' })
    expect(told(err)).toMatchInlineSnapshot(`
      "done   2 layers, 20 tokens, 5 files, 4.6 kB

      The model is in DIR/tiny. Next:
        jora generate --model DIR/tiny --prompt "…"
      "
    `)
    const answer = await jora([
      'generate',
      '--model',
      path('tiny'),
      '--prompt',
      'abc',
      '--max-new-tokens',
      '4',
      '--device',
      'cpu',
      '--temperature',
      '0',
    ])
    expect(answer.code).toBe(0)
  })

  test('without a tokenizer, as JSON', async () => {
    const { code, out } = await importIt(path('bare'), '--json')
    expect(code).toBe(0)
    expect(JSON.parse(told(out))).toMatchObject({
      outputDir: 'DIR/bare',
      files: ['config.json', 'generation_config.json', 'model.safetensors'],
    })
  })

  test('broken files and wrong calls leave nothing', async () => {
    const refuses = async (argv: string[], code: number, message: RegExp) => {
      const result = await jora(['import', ...argv, '--output-dir', path('none')])
      expect(told(result.err)).toMatch(message)
      expect(result).toMatchObject({ code, out: '' })
      expect(existsSync(path('none'))).toBe(false)
    }
    writeFileSync(path('cut.bin'), readFileSync(path('tiny.bin')).subarray(0, 999))
    await refuses(
      ['--format', 'llama2c', '--input', path('cut.bin')],
      1,
      /^error: DIR\/cut\.bin has 999 bytes, but its header .* it is cut off/,
    )
    await refuses(['--format', 'llama2c', '--input', path('no.bin')], 1, /^error: DIR\/no\.bin does not exist\n$/)
    await refuses(['--format', 'llama2c', '--input', 'x', '--model', 'y'], 2, /^error: --model is for --format mlx/)
    await refuses(['--format', 'mlx', '--input', 'x'], 2, /^error: --format mlx needs --model/)
    await refuses(
      ['--format', 'mlx', '--input', 'x', '--model', 'y', '--tokenizer', 'z'],
      2,
      /^error: --tokenizer is for --format llama2c/,
    )
    await refuses(
      ['--format', 'onnx', '--input', 'x'],
      2,
      /^error: --format: got "onnx", expected gguf, llama2c or mlx/,
    )
    await refuses(['--format', 'gguf', '--input', path('none.gguf')], 1, /no folder at|does not exist/)
    await refuses(['--format', 'llama2c'], 2, /^error: --input FILE or DIR is required/)
  })
})

describe.skipIf(!modelSource)('--format mlx (needs a small model)', () => {
  beforeAll(async () => {
    const config = await loadConfig(path('model'))
    await mkdir(path('mlx'))
    const named = { targetModules: ['q_proj', 'v_proj'], layersToTransform: [config.layers - 1] }
    const tensors = adaptedModules(config, named).flatMap(({ name, inFeatures, outFeatures }) => [
      entry(`${name}.lora_a`, [inFeatures, 2], noise(`${name}a`, 2 * inFeatures)),
      entry(`${name}.lora_b`, [2, outFeatures], noise(`${name}b`, 2 * outFeatures)),
    ])
    await writeSafetensors(path('mlx', 'adapters.safetensors'), tensors)
    const settings = { fine_tune_type: 'lora', num_layers: 1, lora_parameters: { rank: 2, scale: 1.5, dropout: 0 } }
    writeFileSync(path('mlx', 'adapter_config.json'), JSON.stringify(settings))
  })
  const ask = async (model: string, ...more: string[]) => {
    const flags = ['--prompt', 'Say the word red.', '--max-new-tokens', '8', '--temperature', '0', '--device', 'cpu']
    const { code, out } = await jora(['generate', '--model', path(model), ...flags, ...more])
    expect(code).toBe(0)
    return out
  }

  test('becomes a PEFT adapter; both answer and merge as one', async () => {
    const { code, err } = await jora([
      'import',
      '--format',
      'mlx',
      '--model',
      path('model'),
      '--input',
      path('mlx'),
      '--output-dir',
      path('peft'),
    ])
    expect(code).toBe(0)
    expect(told(err)).toMatch(
      /^done {3}2 modules, rank 2, alpha 3\n\nThe adapter is in DIR\/peft\. Next:\n {2}jora generate --model DIR\/model --adapter DIR\/peft /,
    )
    expect(readdirSync(path('peft')).sort()).toEqual(['adapter_config.json', 'adapter_model.safetensors'])
    const [base, mlx, peft] = [
      await ask('model'),
      await ask('model', '--adapter', path('mlx')),
      await ask('model', '--adapter', path('peft')),
    ]
    expect(mlx).toBe(peft)
    expect(mlx).not.toBe(base)
    for (const kind of ['mlx', 'peft']) {
      const merge = ['merge', '--model', path('model'), '--adapter', path(kind), '--output-dir', path(`merged-${kind}`)]
      expect((await jora(merge)).code).toBe(0)
    }
    const weights = (kind: string) => readFileSync(join(path(`merged-${kind}`), 'model.safetensors'))
    expect(weights('mlx').equals(weights('peft'))).toBe(true)
    const evaluated = await jora([
      'eval',
      '--model',
      path('model'),
      '--adapter',
      path('mlx'),
      '--dataset',
      path('rows.json'),
      '--device',
      'cpu',
      '--json',
    ])
    expect(evaluated.code).toBe(0)
  })

  test('training goes on from what was imported, of its modules, with ranks and alphas by pattern', async () => {
    const train = (out: string, ...more: string[]) =>
      jora([
        'train',
        '--model',
        path('model'),
        '--dataset',
        path('rows.json'),
        '--output-dir',
        path(out),
        '--max-steps',
        '1',
        '--device',
        'cpu',
        ...more,
      ])
    expect(await train('from-peft', '--init-adapter', path('peft'))).toMatchObject({ code: 0 })
    const settings = (out: string) => JSON.parse(readFileSync(path(out, 'adapter_config.json'), 'utf8')) as unknown
    const { layers } = await loadConfig(path('model'))
    expect(settings('from-peft')).toMatchObject({
      r: 2,
      lora_alpha: 3,
      layers_to_transform: [layers - 1],
      layers_pattern: 'layers',
    })

    writeFileSync(path('run.yaml'), 'rank-pattern:\n  q_proj: 3\n')
    const patterns = await train(
      'patterns',
      '--config',
      path('run.yaml'),
      '--alpha-pattern',
      '.*v_proj=4',
      '--alpha-pattern',
      'q_proj=5',
    )
    expect(patterns).toMatchObject({ code: 0 })
    expect(settings('patterns')).toMatchObject({
      r: 16,
      rank_pattern: { q_proj: 3 },
      alpha_pattern: { '.*v_proj': 4, q_proj: 5 },
    })

    const refused = [
      [['--init-adapter', path('mlx')], /adapter_config\.json is that of an MLX adapter, .*jora import --format mlx/],
      [['--rank-pattern', 'q_proj'], /^error: --rank-pattern: got "q_proj", expected PATTERN=N with N an integer ≥ 1/],
      [['--rank-pattern', 'q_proj=0.5'], /expected PATTERN=N with N an integer ≥ 1/],
      [['--alpha-pattern', 'q_proj(=2'], /alphaPattern "q_proj\(" is not a regular expression/],
    ] as const
    for (const [argv, message] of refused) {
      const { code, err } = await train('none', ...argv)
      expect(err).toMatch(message)
      expect(code).not.toBe(0)
      expect(existsSync(path('none'))).toBe(false)
    }
  })
})
