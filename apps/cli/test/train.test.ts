// The main job through the command line: train, generate, eval, merge, preview; and bad models and datasets.
import { cpSync, existsSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { jora, modelSource, rows, workspace } from './harness'

const space = workspace()
const { path } = space
afterAll(() => space.remove())

const train = (...more: string[]) =>
  jora(['train', '--model', path('model'), '--dataset', path('rows.json'), '--output-dir', path('out'), ...more])

describe.skipIf(!modelSource)('train, generate, eval, merge (needs ../shared)', () => {
  const settings = `lora_r: 4
loraAlpha: 8
batch-size: 4
gradient_accumulation_steps: 1
lr: 5e-3
num-train-epochs: 9
lrScheduler: constant
target-modules: [q_proj, v_proj, down_proj]
no-shuffle: true
`
  let trained: Awaited<ReturnType<typeof jora>>
  beforeAll(async () => {
    writeFileSync(path('run.yaml'), settings)
    trained = await train('--config', path('run.yaml'), '--epochs', '2', '--eval-every', '4')
  })

  test('train says what it does, shows steps, and names the next commands', () => {
    const { code, out, err } = trained
    expect({ code, out }).toEqual({ code: 0, out: '' })
    const [first = ''] = err.split('\n')
    expect(first).toMatch(
      /^model · LoRA r 4 on q_proj,v_proj,down_proj \([\d.]+k parameters\) · 15 samples \(5 held out\) · [\d.k]+ tokens an epoch · 8 steps · \S/,
    )
    expect(err).toMatch(/^step +1\/8 {2}loss \d+\.\d{4} {2}lr 5\.00e-3 {2}[\d.k]+ tokens\/s {2}ETA /m)
    expect(err).toMatch(/^eval +step 4 {2}held-out loss \d/m)
    expect(err).toMatch(/^saved +step 8 {2}checkpoints\/step-00000008$/m)
    expect(err).toContain(`jora generate --adapter ${path('out')} --instruction`)
    expect(err).not.toContain('\u001b')
  })

  test('the config file sets, flags win, names of any case', () => {
    const { settings } = JSON.parse(readFileSync(path('out', 'run.json'), 'utf8')) as {
      settings: Record<string, unknown>
    }
    expect(settings).toMatchObject({
      loraR: 4,
      loraAlpha: 8,
      batchSize: 4,
      gradientAccumulationSteps: 1,
      learningRate: 5e-3,
      epochs: 2,
      evalEvery: 4,
      scheduler: 'constant',
      shuffle: false,
      targetModules: ['q_proj', 'v_proj', 'down_proj'],
    })
  })

  test('the loss falls', () => {
    const losses = readFileSync(path('out', 'metrics.jsonl'), 'utf8')
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as { type: string; loss: number })
      .filter(({ type }) => type === 'step')
      .map(({ loss }) => loss)
    expect(losses).toHaveLength(8)
    expect(losses[7]).toBeLessThan(losses[0]! * 0.8)
  })

  test('a directory that holds a run is refused without --resume, untouched', async () => {
    const before = readFileSync(path('out', 'metrics.jsonl'))
    const { code, err } = await train('--config', path('run.yaml'))
    expect({ code, err }).toEqual({
      code: 1,
      err: `error: ${path('out')} already has a run; continue it with --resume or choose another --output-dir\n`,
    })
    expect(readFileSync(path('out', 'metrics.jsonl'))).toEqual(before)
  })

  test('other settings are refused on --resume', async () => {
    const { code, err } = await train('--config', path('run.yaml'), '--epochs', '2', '--lr', '1e-5', '--resume')
    expect(code).toBe(1)
    expect(err).toContain('was made with other settings')
  })

  test('a run that is done says so on --resume, with its losses', async () => {
    const { code, err } = await train('--config', path('run.yaml'), '--epochs', '2', '--eval-every', '4', '--resume')
    expect(code).toBe(0)
    expect(err).toMatch(/^already done 8 steps in \S+ s {2}loss \d\.\d{4}$/m)
  })

  test('--init-adapter takes rank, scale and modules from the adapter', async () => {
    const argv = ['train', '--model', path('model'), '--dataset', path('rows.json'), '--output-dir', path('second')]
    const { code, out, err } = await jora([...argv, '--init-adapter', path('out'), '--max-steps', '1', '--json'])
    expect({ code, err }).toMatchObject({ code: 0 })
    expect(JSON.parse(out)).toEqual({
      outputDir: path('second'),
      steps: 1,
      best: { step: 1, value: expect.any(Number) as number },
      finished: true,
      finalLoss: expect.any(Number),
      evalLoss: expect.any(Number),
      seconds: expect.any(Number),
    })
    const { settings } = JSON.parse(readFileSync(path('second', 'run.json'), 'utf8')) as {
      settings: Record<string, unknown>
    }
    expect(settings).toMatchObject({ loraR: 4, loraAlpha: 8, targetModules: ['down_proj', 'q_proj', 'v_proj'] })
  })

  const question = ['--instruction', rows[0]!.instruction, '--max-new-tokens', '8']

  test('generate: the merged model answers as base and adapter do, and otherwise than the base', async () => {
    const ask = async (...of: string[]) => {
      const { code, out, err } = await jora(['generate', ...question, '--json', '--model', ...of])
      expect({ code, err }).toEqual({ code: 0, err: '' })
      return JSON.parse(out) as { text: string; tokens: number[]; finishReason: string }
    }
    const merged = await jora([
      'merge',
      '--model',
      path('model'),
      '--adapter',
      path('out'),
      '--output-dir',
      path('merged'),
      '--json',
    ])
    expect(merged).toMatchObject({ code: 0 })
    const layers = (JSON.parse(readFileSync(path('model', 'config.json'), 'utf8')) as { num_hidden_layers: number })
      .num_hidden_layers
    expect(JSON.parse(merged.out)).toMatchObject({ outputDir: path('merged'), mergedModules: 3 * layers })
    const tuned = await ask(path('model'), '--adapter', path('out'))
    expect(await ask(path('merged'))).toEqual(tuned)
    expect(await ask(path('model'))).not.toEqual(tuned)
    expect(['stop', 'length']).toContain(tuned.finishReason)
  })

  test('the adapter knows how it is asked, and on which base', async () => {
    const kept = JSON.parse(readFileSync(path('out', 'prompt.json'), 'utf8')) as Record<string, unknown>
    expect(kept).toMatchObject({ name: 'alpaca', stops: [], base: { model: path('model') } })
    const [checkpoint] = readdirSync(path('out', 'checkpoints'))
    expect(JSON.parse(readFileSync(path('out', 'checkpoints', checkpoint!, 'prompt.json'), 'utf8'))).toEqual(kept)
    const ask = (...more: string[]) => jora(['generate', ...question, '--json', ...more])
    const named = await ask('--model', path('model'), '--adapter', path('out'))
    expect(await ask('--adapter', path('out'))).toEqual(named)
    // As earlier versions left it: run.json tells the template, and the base.
    cpSync(path('out'), path('earlier'), { recursive: true })
    rmSync(path('earlier', 'prompt.json'))
    expect(await ask('--adapter', path('earlier'))).toEqual(named)
    // An adapter that nothing is known of is asked as ever, with a hint.
    rmSync(path('earlier', 'run.json'))
    const { code, out, err } = await ask('--adapter', path('earlier'))
    expect({ code, out }).toEqual({ code: 0, out: named.out })
    expect(err).toMatch(
      /^note: .*earlier has no prompt\.json, .* alpaca template; --prompt-template chooses another\n$/,
    )
    const raft = await ask('--adapter', path('earlier'), '--prompt-template', 'raft')
    expect(raft.err).toBe('')
  })

  test('another base than the adapter was trained on is refused, with both names', async () => {
    cpSync(path('model'), path('other'), { recursive: true })
    const config = readFileSync(path('other', 'config.json'), 'utf8')
    writeFileSync(path('other', 'config.json'), config.replace('{', '{"rms_norm_eps": 1e-4,'))
    for (const command of [
      ['generate', ...question],
      ['eval', '--dataset', path('rows.json')],
    ]) {
      const { code, err } = await jora([...command, '--model', path('other'), '--adapter', path('out')])
      expect(code).toBe(1)
      expect(err).toContain(`${path('out')} was trained on ${path('model')}, and ${path('other')} is another model`)
    }
    const without = await jora(['generate', ...question])
    expect(without).toMatchObject({ code: 2 })
    expect(without.err).toContain('pass --model DIR, or --adapter DIR of an adapter that names its base')
  })

  test('generate streams what --json gives as one text; - reads stdin; --stop cuts', async () => {
    const base = ['generate', '--model', path('model'), '--max-new-tokens', '12', '--prompt']
    const whole = JSON.parse((await jora([...base, 'a b c d', '--json'])).out) as { text: string; tokens: number[] }
    expect(whole.tokens.length).toBeGreaterThan(3)
    expect((await jora([...base, '-'], { stdin: 'a b c d' })).out.replace(/\n$/, '')).toBe(
      whole.text.replace(/\n$/, ''),
    )
    const stop = whole.text.slice(3, 5)
    const cut = JSON.parse((await jora([...base, 'a b c d', '--json', '--stop', stop])).out) as {
      text: string
      finishReason: string
    }
    expect(cut).toMatchObject({ text: whole.text.slice(0, whole.text.indexOf(stop)), finishReason: 'stop' })
  })

  test('eval: the adapter lowers the loss; perplexity is its exponential', async () => {
    const evaluate = async (...more: string[]) => {
      const { code, out, err } = await jora([
        'eval',
        '--model',
        path('model'),
        '--dataset',
        path('rows.json'),
        '--max-new-tokens',
        '8',
        '--json',
        ...more,
      ])
      expect({ code, err }).toMatchObject({ code: 0 })
      return JSON.parse(out) as Record<string, number>
    }
    const [base, tuned] = [await evaluate(), await evaluate('--adapter', path('out'))]
    expect(tuned.loss).toBeLessThan(base.loss! * 0.8)
    expect(tuned.perplexity).toBeCloseTo(Math.exp(tuned.loss!), 6)
    expect(base).toMatchObject({ samples: 20, exactMatchRows: 20 })
    const heldOut = await evaluate('--adapter', path('out'), '--split', '0.8', '--no-exact-match')
    expect(heldOut).not.toHaveProperty('exactMatch')
    const events = readFileSync(path('out', 'metrics.jsonl'), 'utf8')
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as { type: string; loss: number })
    // The same held-out rows as in training.
    expect(heldOut.loss).toBeCloseTo(events.findLast(({ type }) => type === 'eval')!.loss, 4)
  })

  test('data preview: labels are what is learned, statistics are of the file', async () => {
    const { code, out } = await jora([
      'data',
      'preview',
      '--model',
      path('model'),
      '--dataset',
      path('rows.json'),
      '--index',
      '1',
      '--json',
    ])
    expect(code).toBe(0)
    const shown = JSON.parse(out) as {
      index: number
      row: number
      tokens: string[]
      ids: number[]
      labels: number[]
      learned: boolean[]
      statistics: Record<string, number>
    }
    expect(shown).toMatchObject({
      index: 1,
      row: 2,
      statistics: { samples: 20, contexts: 20, dropped: 0, truncated: 0 },
    })
    expect(shown.labels.map((label) => label !== -100)).toEqual(shown.learned)
    expect(shown.tokens.filter((_, i) => shown.learned[i]).join('')).toMatch(/^blue/)
    expect(shown.ids).toHaveLength(shown.tokens.length)
    const text = await jora([
      'data',
      'preview',
      '--model',
      path('model'),
      '--dataset',
      path('rows.json'),
      '--index',
      '1',
    ])
    expect(text.out).toMatch(/### Response:\n⟦blue.*⟧\n/)
    expect(
      (await jora(['data', 'preview', '--model', path('model'), '--dataset', path('rows.json'), '--index', '20'])).code,
    ).toBe(2)
  })
})

describe.skipIf(!modelSource)('refused before training, nothing written (needs ../shared)', () => {
  const refuse = async (argv: string[], code: number, message: string | RegExp) => {
    const result = await jora(['train', '--model', path('model'), '--output-dir', path('never'), ...argv])
    expect(result.err).toMatch(message)
    expect(result).toMatchObject({ code, out: '' })
    expect(result.err.trim().split('\n')).toHaveLength(1)
    expect(existsSync(path('never'))).toBe(false)
  }

  test.each<[string, string | undefined, string]>([
    ['missing', undefined, 'missing: no such file'],
    ['empty', '', 'empty: the dataset is empty'],
    ['no rows', '[]', 'no rows: the dataset is empty'],
    [
      'without output',
      '[{"instruction":"a","output":"b"},{"instruction":"c"}]',
      'without output: row 2: "output": got nothing; expected a string',
    ],
    ['broken', '{"instruction":"a","output":"b"}\n{"instruction":', 'broken: line 2: broken JSON: it ends too early'],
    [
      'chat',
      '[{"messages":[]}]',
      'chat: row 1: "messages": nothing is learned; expected at least one assistant message',
    ],
  ])('dataset %s', async (name, content, message) => {
    if (content !== undefined) writeFileSync(path(name), content)
    await refuse(['--dataset', path(name)], 1, message)
  })

  test('a dataset of the Hub that is not in the cache, without a network', async () => {
    vi.stubEnv('HF_HUB_OFFLINE', '1')
    vi.stubEnv('HF_HUB_CACHE', path('cache'))
    await refuse(
      ['--dataset', 'tatsu-lab/alpaca'],
      1,
      /^error: tatsu-lab\/alpaca: is not in the cache .*unset HF_HUB_OFFLINE/,
    )
    vi.unstubAllEnvs()
  })

  test('a dataset that is neither a file nor a Hub id', () =>
    refuse(['--dataset', 'alpaca'], 1, 'no such file; expected a file, or a data set of the Hub'))

  test('a sample over the maximum', () =>
    refuse(['--dataset', path('rows.json'), '--max-seq-length', '5'], 1, /row 1: \d+ tokens exceed --max-seq-length 5/))

  test('a target module the model lacks', () =>
    refuse(
      ['--dataset', path('rows.json'), '--target-modules', 'q_porj'],
      2,
      '--target-modules: "q_porj" is not in the model; it has q_proj',
    ))

  test('an output directory that cannot be', async () => {
    const { code, err } = await train('--output-dir', path('rows.json', 'out'))
    expect(code).toBe(1)
    expect(err).toMatch(/error: output directory .*rows\.json\/out cannot be written: ENOTDIR/)
  })

  const spoil = (name: string, change: (folder: (file: string) => string) => void) => {
    cpSync(path('model'), path(name), { recursive: true })
    change((file) => path(name, file))
    return ['--model', path(name), '--dataset', path('rows.json')]
  }
  const edit = (file: string, change: (json: Record<string, unknown>) => void) => {
    if (!existsSync(file)) return
    const json = JSON.parse(readFileSync(file, 'utf8')) as Record<string, unknown>
    change(json)
    writeFileSync(file, JSON.stringify(json))
  }

  test('a model that is not there', () =>
    refuse(['--model', path('nowhere'), '--dataset', path('rows.json')], 1, 'nowhere: no folder at'))

  test('an unknown model type', () => {
    const argv = spoil('mamba', (file) => edit(file('config.json'), (json) => (json.model_type = 'mamba')))
    return refuse(
      argv,
      1,
      'mamba/config.json: "model_type" is "mamba"; expected one of llama, mistral, qwen2, qwen3, gemma, gemma2',
    )
  })

  test('truncated weights', () =>
    refuse(
      spoil('short', (file) => truncateSync(file('model.safetensors'), 100_000)),
      1,
      /short\/model\.safetensors/,
    ))

  test('a tokenizer without EOS', () => {
    const argv = spoil('no-eos', (file) => {
      for (const name of ['config.json', 'generation_config.json']) edit(file(name), (json) => delete json.eos_token_id)
      edit(file('tokenizer_config.json'), (json) => delete json.eos_token)
      // Else it is found by its usual name among the special tokens.
      edit(file('tokenizer.json'), (json) => {
        for (const token of json.added_tokens as { special: boolean }[]) token.special = false
      })
    })
    return refuse(argv, 1, /tokenizer .*no-eos has no EOS token/)
  })
})
