// jora export: every format written and read back, the document of --json, and what is refused without leaving anything.
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { frames } from '../../../../packages/data/src/prompt/template'
import { parseConfig } from '@jora/llama'
import { openGguf } from '@jora/tensor/weights'
import { tinyFamilies, writeFamily } from '../../../../packages/hf-export/test/gguf-models'
import { writeTinyAdapter } from '../../../../packages/lora/test/tiny-adapter'
import { jora } from '../harness'
import { space, told, llama, lora, type Format, exportIt, path, setUp } from './export-harness'

setUp()

describe('each format is written, and read back by --check', () => {
  test('hf: a folder that generates', async () => {
    const { code, out, err } = await exportIt('hf', { output: 'merged' }, '--check')
    expect({ code, out }).toEqual({ code: 0, out: '' })
    expect(told(err)).toMatchInlineSnapshot(`
      "done   8 modules merged, 4 files, 649.5 kB
      checked 39 tensors read back, equal to the source, exact

      It is in DIR/merged. Next:
        jora generate --model DIR/merged --prompt "…"
      "
    `)
    expect(readdirSync(path('merged')).sort()).toEqual([
      'README.md',
      'config.json',
      'model.safetensors',
      'tokenizer.json',
    ])
    expect(readFileSync(path('merged', 'README.md'), 'utf8')).not.toContain(space.dir)
    const asked = ['--prompt', 'the', '--max-new-tokens', '4', '--temperature', '0', '--device', 'cpu']
    const merged = await jora(['generate', '--model', path('merged'), ...asked])
    const both = await jora(['generate', '--model', path('base'), '--adapter', path('lora'), ...asked])
    expect(merged).toMatchObject({ code: 0 })
    expect(both).toMatchObject({ code: 0 })
    expect(merged.out).toBe(both.out)
  })

  test('peft: the adapter again, byte for byte, however often', async () => {
    const { code, err } = await exportIt('peft', { output: 'peft' }, '--check')
    expect(code).toBe(0)
    expect(told(err)).toMatchInlineSnapshot(`
      "done   8 modules, rank 3, alpha 6
      checked 16 tensors read back, equal to the source, exact

      It is in DIR/peft. Next:
        jora push --input DIR/peft --repo-id USER/NAME --dry-run
      "
    `)
    const again = await exportIt('peft', { adapter: 'peft', output: 'peft-again' })
    expect(again.code).toBe(0)
    for (const file of ['adapter_model.safetensors', 'adapter_config.json'])
      expect(readFileSync(path('peft-again', file))).toEqual(readFileSync(path('peft', file)))
    const weights = (folder: string) => readFileSync(path(folder, 'adapter_model.safetensors'))
    expect(weights('peft')).toEqual(weights('lora'))
  })

  test('gguf', async () => {
    const { code, err } = await exportIt('gguf', { output: 'base.gguf' }, '--check', '--dtype', 'q8_0')
    expect(code).toBe(0)
    expect(told(err).replace(/loss \d.*/, 'loss …')).toMatchInlineSnapshot(`
      "done   39 tensors, 184.2 kB
      checked 39 tensors read back, equal to the source, rounded by at most 2.6e-3
              loss …

      It is in DIR/base.gguf. Next:
        llama-cli -m DIR/base.gguf -p "…"
      "
    `)
  })

  test('ollama: a GGUF file, and a Modelfile that asks as in training', async () => {
    const prompt = { name: 'raft', frames: frames.raft, documents: 'auto', stops: [] }
    writeFileSync(path('lora', 'prompt.json'), JSON.stringify(prompt))
    const { code, err } = await exportIt('ollama', { output: 'ollama' }, '--check', '--dtype', 'f16')
    rmSync(path('lora', 'prompt.json'))
    expect(code).toBe(0)
    expect(told(err)).toMatch(/\nchecked 39 tensors[^]*Next:\n {2}ollama create NAME -f DIR\/ollama\/Modelfile\n$/)
    const text = readFileSync(path('ollama', 'Modelfile'), 'utf8')
    expect(text).toMatch(/^FROM \.\/model\.gguf\nTEMPLATE """\{\{ range /)
    expect(text).toContain('### Question:\n{{ end }}{{ $m.Content }}{{ if $last }}\n\n### Answer:\n{{ else }}')
    expect(text).toMatch(/"""\nPARAMETER stop "<\/s>"\nPARAMETER temperature 0\nPARAMETER num_ctx \d+\n$/)
    await using file = await openGguf(path('ollama', 'model.gguf'))
    expect(file.metadata.get('tokenizer.chat_template')?.value).toContain('### Answer:')
    const again = await exportIt('ollama', { output: 'ollama' })
    expect(again).toMatchObject({
      code: 1,
      err: expect.stringContaining('is not empty; choose a new folder') as string,
    })
  })

  test('gguf-lora', async () => {
    const { code, err } = await exportIt('gguf-lora', { output: 'lora.gguf' }, '--check', '--dtype', 'f32')
    expect(code).toBe(0)
    expect(told(err)).toMatchInlineSnapshot(`
      "done   8 modules, 12.1 kB
      checked 16 tensors read back, equal to the source, exact

      It is in DIR/lora.gguf. Next:
        llama-cli -m BASE.gguf --lora DIR/lora.gguf -p "…"
      "
    `)
  })

  test('a model without an adapter, in another type', async () => {
    const folder = await exportIt('hf', { adapter: null, output: 'plain' }, '--check', '--dtype', 'bf16')
    expect(folder.code).toBe(0)
    expect(told(folder.err)).toMatch(/^done {3}4 files, 324\.7 kB\nchecked 39 tensors read back, .*rounded by at most /)
    const file = await exportIt('gguf', { adapter: null, output: 'plain.gguf' }, '--check', '--dtype', 'f32')
    expect(file.code).toBe(0)
    expect(told(file.err)).toMatch(/\nchecked 39 tensors read back, equal to the source, exact\n/)
  })

  test('notes tell what an importer should know', async () => {
    const patterns = { ...lora, alphaPattern: { v_proj: 3 } }
    await writeTinyAdapter(path('patterns'), parseConfig(llama.config), patterns)
    const { code, err, out } = await exportIt(
      'gguf-lora',
      { adapter: 'patterns', output: 'p.gguf' },
      '--check',
      '--json',
    )
    expect(code).toBe(0)
    const note = expect.stringMatching(/^the scale of 4 modules is in their B/) as string
    expect(JSON.parse(out)).toMatchObject({ notes: [note] })
    expect(err).toMatch(/^note {3}the scale of 4 modules is in their B.*\ndone {3}8 modules/)
    await writeFamily(path('mistral'), {
      ...tinyFamilies.mistral!,
      config: { ...tinyFamilies.mistral!.config, sliding_window: 16 },
    })
    const windowed = await exportIt('gguf', { model: 'mistral', adapter: null, output: 'mistral.gguf' }, '--check')
    expect(windowed.code).toBe(0)
    expect(windowed.err).toMatch(/^note {3}.*window/)
    await writeFamily(path('small'), { ...llama, config: { ...llama.config, vocab_size: 200 } })
    const small = await exportIt('gguf', { model: 'small', output: 'small.gguf' }, '--check')
    expect(small.code).toBe(0)
    expect(small.err).toMatch(/^note {3}96 tokens past the model's vocabulary of 200 were left out\n/)
  })
})

describe('--json is one document on stdout', () => {
  const document = async (format: Format, output: string, ...more: string[]) => {
    const { code, out, err } = await exportIt(format, { output }, '--json', ...more)
    expect(code).toBe(0)
    expect(err).toMatch(/^done {3}/)
    expect(out.endsWith('}\n')).toBe(true)
    return JSON.parse(told(out)) as unknown
  }
  const modules = [0, 1, 2, 3].flatMap((i) => ['q_proj', 'v_proj'].map((name) => `model.layers.${i}.self_attn.${name}`))
  const rounded = expect.closeTo(0.00024, 4) as number

  test('with what was checked', async () => {
    expect(await document('hf', 'json-hf', '--check')).toEqual({
      outputDir: 'DIR/json-hf',
      files: ['README.md', 'config.json', 'model.safetensors', 'tokenizer.json'],
      totalBytes: 649_472,
      mergedModules: 8,
      check: { tensors: 39, bytes: 649_472, maxError: 0 },
    })
    expect(await document('peft', 'json-peft', '--check')).toEqual({
      outputDir: 'DIR/json-peft',
      r: 3,
      alpha: 6,
      modules,
      check: { tensors: 16, bytes: 10_752, maxError: 0 },
    })
    expect(await document('gguf', 'json.gguf', '--check')).toEqual({
      output: 'DIR/json.gguf',
      bytes: 335_904,
      tensors: 39,
      mergedModules: 8,
      notes: [],
      check: { tensors: 39, bytes: 335_904, maxError: rounded },
    })
    expect(await document('gguf-lora', 'json-lora.gguf', '--check')).toEqual({
      output: 'DIR/json-lora.gguf',
      bytes: 12_128,
      tensors: 16,
      mergedModules: 8,
      notes: [],
      check: { tensors: 16, bytes: 12_128, maxError: 0 },
    })
  })

  test('without --check', async () => {
    expect(await document('peft', 'json-bare')).toEqual({ outputDir: 'DIR/json-bare', r: 3, alpha: 6, modules })
  })
})
