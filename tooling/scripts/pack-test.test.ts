// Every package, packed and installed into an empty npm project, works there: imports run, types resolve, `jora` starts.
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { build, transform } from 'esbuild'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { built, exec, packAll } from './pack.mjs'

/** What a user would write first with each package; it runs in plain Node and throws when something is wrong. */
const snippets: Record<string, string> = {
  '@jora/tensor': `
    import assert from 'node:assert/strict'
    import { grad, makeGraph, mul, printGraph, setDefaultDevice, sum, tensor } from '@jora/tensor'
    import { openCpuDevice } from '@jora/tensor/onnx'
    setDefaultDevice(await openCpuDevice({ threads: 1 }))
    const x = tensor([1, 2, 3])
    const f = (v) => sum(mul(v, v))
    assert.deepEqual([...(await grad(f)(x).data())], [2, 4, 6])
    assert.match(printGraph(makeGraph(f)(x)), /mul\\(x0, x0\\)/)`,
  '@jora/tensor/onnx': `
    import assert from 'node:assert/strict'
    import { jit, linear, tensor } from '@jora/tensor'
    import { openCpuDevice } from '@jora/tensor/onnx'
    const device = await openCpuDevice({ threads: 1 })
    const weight = tensor([[1, 2], [3, 4]], { device })
    const y = jit((x) => linear(x, weight))(tensor([[1, 1]], { device }))
    assert.deepEqual([...(await y.data())], [3, 7])
    assert.ok((await device.memory()).bytes > 0)
    await device.close()`,
  '@jora/tensor/webgpu': `
    import assert from 'node:assert/strict'
    import { jit, linear, tensor } from '@jora/tensor'
    import { findAdapter, openWebGpuDevice } from '@jora/tensor/webgpu'
    if (await findAdapter()) {
      const device = await openWebGpuDevice()
      const weight = tensor([[1, 2], [3, 4]], { device })
      const y = jit((x) => linear(x, weight))(tensor([[1, 1]], { device }))
      assert.deepEqual([...(await y.data())], [3, 7])
      await device.close()
    } else await assert.rejects(openWebGpuDevice(), /no adapter/)`,
  '@jora/tensor/graph': `
    import assert from 'node:assert/strict'
    import { isCollective, leafValue, makeNode, verifyGraph } from '@jora/tensor/graph'
    const x = leafValue({ shape: [2], dtype: 'f32' })
    const node = makeNode('neg', {}, [x])
    verifyGraph({ inputs: [x], constants: [], nodes: [node], outputs: node.outputs })
    assert.ok(isCollective('allReduce') && !isCollective('neg'))`,
  '@jora/tensor/safetensors': `
    import assert from 'node:assert/strict'
    import { openSafetensors, parseSafetensors, serializeSafetensors, writeSafetensors } from '@jora/tensor/safetensors'
    const tensors = [{ name: 'w', dtype: 'F32', shape: [2], data: new Uint8Array(Float32Array.of(1, 2).buffer) }]
    assert.equal(parseSafetensors(serializeSafetensors(tensors)).tensors.get('w').dtype, 'F32')
    await writeSafetensors('one.safetensors', tensors, { format: 'pt' })
    const file = await openSafetensors('one.safetensors')
    assert.deepEqual(await file.read('w'), tensors[0].data)
    await file.close()`,
  '@jora/tensor/files': `
    import assert from 'node:assert/strict'
    import { readFileSync } from 'node:fs'
    import { writeJsonAtomic } from '@jora/tensor/files'
    await writeJsonAtomic('whole.json', { whole: true })
    assert.deepEqual(JSON.parse(readFileSync('whole.json', 'utf8')), { whole: true })`,
  '@jora/shard/open': `
    import assert from 'node:assert/strict'
    import { openDevice } from '@jora/shard/open'
    const device = await openDevice('cpu')
    assert.equal(device.kind, 'cpu')
    await device.close()`,
  '@jora/lora/settings': `
    import assert from 'node:assert/strict'
    import { settings } from '@jora/lora/settings'
    assert.equal(settings.loraR.fallback, 16)`,
  '@jora/tensor/weights': `
    import assert from 'node:assert/strict'
    import { decodeRows, encodeRows } from '@jora/tensor/weights'
    assert.deepEqual(decodeRows(encodeRows(new Float32Array(32).fill(-8), 'q4_0'), 'q4_0'), new Float32Array(32).fill(-8))`,
  '@jora/shard': `import '@jora/shard'`,
  '@jora/shard/mpi': `
    import assert from 'node:assert/strict'
    import { detectLauncher, openMpi } from '@jora/shard/mpi'
    assert.equal(detectLauncher({}), undefined)
    const rank = { PMI_RANK: '1', PMI_SIZE: '2', MPI_LOCALRANKID: '1', MPI_LOCALNRANKS: '2' }
    assert.equal(detectLauncher(rank).launcher, 'mpiexec')
    await assert.rejects(openMpi(), /started by no launcher/)`,
  '@jora/data': `
    import assert from 'node:assert/strict'
    import { createTokenizer, parseRows, prepareDataset } from '@jora/data'
    const words = ['<s>', '</s>', '<unk>', 'Say', 'hello', '.', 'Hello', '!']
    const tokenizer = createTokenizer({
      version: '1.0',
      added_tokens: words.slice(0, 3).map((content, id) => ({ id, content, special: true, single_word: false, lstrip: false, rstrip: false, normalized: false })),
      normalizer: null,
      pre_tokenizer: { type: 'Whitespace' },
      post_processor: null,
      decoder: { type: 'Fuse' },
      model: { type: 'WordLevel', vocab: Object.fromEntries(words.map((word, id) => [word, id])), unk_token: '<unk>' },
    }, { eos_token: '</s>' })
    const rows = parseRows('{"instruction": "Say hello.", "output": "Hello!"}')
    const { train } = prepareDataset({ rows, tokenizer, template: 'none', maxSeqLength: 16, onOverflow: 'error', split: 1, seed: 1 })
    assert.deepEqual([...train[0].ids], [3, 4, 5, 6, 7, 1])
    assert.deepEqual([...train[0].labels], [-100, -100, -100, 6, 7, 1])`,
  '@jora/llama': `
    import assert from 'node:assert/strict'
    import { inverseFrequencies, parseConfig, weightShapes } from '@jora/llama'
    const config = parseConfig({
      model_type: 'llama', vocab_size: 32, hidden_size: 8, intermediate_size: 16, num_hidden_layers: 1, num_attention_heads: 2,
      rope_parameters: { rope_type: 'linear', rope_theta: 100, factor: 2 },
    })
    assert.deepEqual(inverseFrequencies(config), [0.5, 0.05])
    assert.deepEqual(weightShapes(config).get('model.layers.0.mlp.down_proj.weight'), [8, 16])
    assert.throws(() => parseConfig({ model_type: 'mamba' }), /"model_type" is "mamba"; expected one of llama, mistral/)`,
  '@jora/lora': `
    import assert from 'node:assert/strict'
    import { JoraConfig, learningRateAt, loraScaling } from '@jora/lora'
    const { train } = new JoraConfig({ modelPath: 'models/llama', loraR: 8, epochs: 3 })
    assert.equal(train.epochs, 3)
    assert.equal(loraScaling(train.lora, 'model.layers.0.self_attn.q_proj'), 2)
    assert.equal(learningRateAt(50, { scheduler: 'cosine', learningRate: 1, warmupSteps: 0, totalSteps: 100 }), 0.5)
    assert.throws(() => new JoraConfig({ modelPath: 'models/llama', loraRank: 8 }), /no setting "loraRank"/)`,
  '@jora/serve': `
    import assert from 'node:assert/strict'
    import { createServe, listen } from '@jora/serve'
    const answer = { text: 'Lima', ids: [1], finishReason: 'stop', promptTokens: 3 }
    const answerer = { ask: async () => answer }
    const { address, close } = await listen(createServe({ models: [{ name: 'tiny', answerer }] }).fetch)
    const body = JSON.stringify({ messages: [{ role: 'user', content: 'The capital of Peru?' }] })
    const headers = { 'content-type': 'application/json' }
    const response = await fetch(address + '/v1/chat/completions', { method: 'POST', headers, body })
    assert.equal((await response.json()).choices[0].message.content, 'Lima')
    await close()`,
  '@jora/hf-export': `
    import assert from 'node:assert/strict'
    import { mkdirSync, writeFileSync } from 'node:fs'
    import { mergeAdapter } from '@jora/hf-export'
    import { parseConfig, weightShapes } from '@jora/llama'
    import { peftConfig, peftName } from '@jora/lora'
    import { openSafetensors, writeSafetensors } from '@jora/tensor/safetensors'
    const json = { model_type: 'llama', vocab_size: 4, hidden_size: 2, intermediate_size: 2, num_hidden_layers: 1, num_attention_heads: 1 }
    const ones = (name, shape) => ({ name, dtype: 'F32', shape, data: new Uint8Array(new Float32Array(shape.reduce((n, d) => n * d, 1)).fill(1).buffer) })
    for (const folder of ['base', 'adapter']) mkdirSync(folder)
    writeFileSync('base/config.json', JSON.stringify(json))
    await writeSafetensors('base/model.safetensors', [...weightShapes(parseConfig(json))].map(([name, shape]) => ones(name, shape)))
    const lora = { r: 1, alpha: 2, dropout: 0, targetModules: ['q_proj'], useRslora: false }
    const q = 'model.layers.0.self_attn.q_proj'
    writeFileSync('adapter/adapter_config.json', JSON.stringify(peftConfig(lora, [q], { baseModel: 'base' })))
    await writeSafetensors('adapter/adapter_model.safetensors', [ones(peftName(q, 'loraA'), [1, 2]), ones(peftName(q, 'loraB'), [2, 1])])
    const { mergedModules } = await mergeAdapter({ modelDir: 'base', adapterDir: 'adapter', outputDir: 'merged' })
    assert.equal(mergedModules, 1)
    const merged = await openSafetensors('merged/model.safetensors')
    assert.deepEqual(new Float32Array((await merged.read(q + '.weight')).buffer), Float32Array.of(3, 3, 3, 3)) // 1 + (alpha/r)·1·1
    await merged.close()`,
  '@jora/gui': `
    import assert from 'node:assert/strict'
    import { startGui } from '@jora/gui'
    const gui = await startGui({ roots: ['.'], stateDir: 'state', command: [process.execPath, 'none.mjs'] })
    assert.equal((await fetch(gui.address + '/api/session')).status, 401)
    await gui.close()`,
  '@jora/gui/client': `
    import assert from 'node:assert/strict'
    import { JoraClient } from '@jora/gui/client'
    await assert.rejects(new JoraClient({ baseUrl: 'http://127.0.0.1:9' }).session())`,
  '@jora/gui/api': `
    import assert from 'node:assert/strict'
    import { settingsSchema } from '@jora/gui/api'
    assert.ok(!settingsSchema.safeParse({ model: 3 }).success)`,
}

const assets = join('node_modules', '@jora', 'cli', 'assets')
const model = join(assets, 'tiny-llama')

/** What the first example of each package's README is run with; later ones use what earlier ones wrote. */
const examples: Record<string, readonly string[]> = {
  '@jora/tensor': [],
  '@jora/shard': [],
  '@jora/data': [model],
  '@jora/llama': [model],
  '@jora/lora': [model, join(assets, 'questions.jsonl'), 'readme-adapter'],
  '@jora/hf-export': [model, 'readme-adapter', 'readme-merged'],
  '@jora/serve': [model],
  '@jora/gui': [],
}

/** The first block of code in a README, as it is packed: its language and text. */
function firstExample(name: string): { language: string; code: string } {
  const [, language = '', code = ''] =
    /^```(\w+)\n([^]*?)^```/m.exec(readFileSync(join(project, 'node_modules', name, 'README.md'), 'utf8')) ?? []
  return { language, code }
}

/** A TypeScript program over the public types; it must compile under Node's own module resolution, library checks on. */
const consumer = Object.keys(snippets)
  .map((name, i) => `import * as m${i} from '${name}'\nexport const keys${i}: string[] = Object.keys(m${i})\n`)
  .join('')

const [packages, missing] = built()
const entries = packages.flatMap(({ name, exports }) => exports.map((path) => name + path.slice(1)))
const offline = /ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ETIMEDOUT|ENETUNREACH|ENOTCACHED/

let project: string
let unreachable = false

beforeAll(async () => {
  if (missing.length > 0) return
  project = mkdtempSync(join(tmpdir(), 'jora-use-'))
  const tarballs = join(project, 'tarballs')
  mkdirSync(tarballs)
  const packed = await packAll(packages, tarballs)
  const files = Object.fromEntries(packed.map(({ name, tarball }) => [name, `file:${tarball}`]))
  write('package.json', {
    private: true,
    type: 'module',
    dependencies: files,
    // Our packages depend on each other by version: here those versions are the tarballs too.
    overrides: Object.fromEntries(packed.map(({ name }) => [name, `$${name}`])),
  })
  write('tsconfig.json', {
    compilerOptions: {
      target: 'ES2022',
      lib: ['ES2023', 'ESNext.Disposable'],
      module: 'NodeNext',
      moduleResolution: 'NodeNext',
      strict: true,
      noEmit: true,
      types: ['node'],
      typeRoots: [join(import.meta.dirname, '..', '..', 'node_modules', '@types')],
    },
    files: ['consumer.ts'],
  })
  write('consumer.ts', consumer)
  try {
    // As a user types it: no flag changes what is installed, and no script of a dependency runs into a closed network.
    await npm('install', '--prefer-offline', '--no-audit', '--no-fund', '--loglevel=error')
  } catch (error) {
    if (!offline.test(String((error as { stderr?: string }).stderr))) throw error
    unreachable = true
  }
}, 300_000)

afterAll(() => {
  if (project) rmSync(project, { recursive: true, force: true })
})

function write(file: string, content: string | object) {
  writeFileSync(join(project, file), typeof content === 'string' ? content : JSON.stringify(content, null, 2))
}

/** Node as a user has it: pnpm's NODE_PATH would find packages that the project does not have. */
function node(file: string, ...args: readonly string[]) {
  const env = Object.fromEntries(Object.entries(process.env).filter(([key]) => key !== 'NODE_PATH'))
  return exec(process.execPath, [file, ...args], { cwd: project, env })
}

/** npm as a user has it, not with the settings of the pnpm that may be running this test. */
function npm(...args: string[]) {
  const env = Object.fromEntries(
    Object.entries(process.env).filter(
      ([key]) =>
        !/^(npm_|NODE_OPTIONS$|NODE_PATH$|VITEST)/i.test(key) || /^npm_config_(registry|cache|userconfig)$/i.test(key),
    ),
  )
  return exec('npm', args, {
    cwd: project,
    env,
    shell: process.platform === 'win32',
  })
}

/** Bytes of all files below a folder, in MB. */
function megabytes(folder: string): number {
  const bytes = readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .reduce((sum, entry) => sum + statSync(join(entry.parentPath, entry.name)).size, 0)
  return bytes / 1e6
}

describe('installed from tarballs', () => {
  beforeEach(({ skip }) => {
    skip(missing.length > 0, `needs npm run build first (${missing.join(', ')})`)
    skip(unreachable, 'needs the npm registry')
  })

  test('every export has a snippet here', () => {
    expect(Object.keys(snippets).sort()).toEqual(entries.sort())
  })

  test('a plain install brings no native runtime, stays small, and says what to add', async () => {
    expect(existsSync(join(project, 'node_modules', 'onnxruntime-node'))).toBe(false)
    expect(existsSync(join(project, 'node_modules', 'webgpu'))).toBe(false)
    expect(megabytes(join(project, 'node_modules'))).toBeLessThan(60)
    write('no-runtime.mjs', `import { openCpuDevice } from '@jora/tensor/onnx'\nawait openCpuDevice()\n`)
    const { stderr } = await node('no-runtime.mjs').then(
      () => ({ stderr: 'opened' }),
      (error: { stderr: string }) => error,
    )
    const [command] = /npm install --ignore-scripts onnxruntime-node@[\d.]+/.exec(stderr) ?? []
    expect(command).toBeDefined()
    // The very command of the message, and the GPU runtime beside it: what follows computes.
    const [, ...args] = `${command} webgpu@0.6.2`.split(' ')
    await npm(...args, '--prefer-offline', '--no-audit', '--no-fund', '--loglevel=error')
  }, 300_000)

  test.each(Object.entries(snippets))('%s runs in plain Node', async (name, snippet) => {
    const file = `use${name.replaceAll(/\W+/g, '-')}.mjs`
    write(file, snippet)
    await node(file)
  })

  test('every package has an example in its README that is run here', () => {
    expect([...Object.keys(examples), '@jora/cli'].sort()).toEqual(packages.map(({ name }) => name).sort())
  })

  test.each(Object.entries(examples))('the first example of %s runs', async (name, args) => {
    const { language, code } = firstExample(name)
    const file = `readme${name.replaceAll(/\W+/g, '-')}.mjs`
    write(file, (await transform(code, { loader: language as 'js' | 'ts', format: 'esm' })).code)
    for (const folder of ['models', 'data']) mkdirSync(join(project, folder), { recursive: true })
    await node(file, ...args)
  })

  test('the first commands of @jora/cli run', async () => {
    const { language, code } = firstExample('@jora/cli')
    expect(language).toBe('sh')
    for (const line of code.trim().split('\n')) {
      // No quoted argument of these has quotes of its own.
      const [command, ...args] = [...line.matchAll(/"([^"]*)"|(\S+)/g)].map(([, quoted, plain]) => quoted ?? plain!)
      expect(command).toBe('jora')
      const bin = join('node_modules', '@jora', 'cli', 'bin', 'jora.mjs')
      await node(bin, ...args.map((arg) => arg.replace('apps/cli/assets', assets)))
    }
  })

  test('what a page may import bundles for one', async () => {
    const portable = entries.filter(
      (name) => /^@jora\/(tensor|data|llama|lora)\b/.test(name) && !/\/(onnx|files)$/.test(name),
    )
    const contents = portable.map((name, i) => `export * as m${i} from '${name}'`).join('\n')
    const stdin = { contents, resolveDir: project }
    await build({ stdin, bundle: true, platform: 'browser', format: 'esm', write: false, logLevel: 'silent' })
  })

  test('types resolve under nodenext', async () => {
    const tsc = createRequire(import.meta.url).resolve('typescript/lib/tsc.js')
    const { stdout } = await exec(process.execPath, [tsc, '-p', '.'], { cwd: project }).catch(
      (error: { stdout: string }) => error,
    )
    expect(stdout).toBe('')
  })

  test('npx jora --version', async () => {
    const { stdout } = await npm('exec', '--no', '--', 'jora', '--version')
    expect(stdout.trim()).toMatch(/^\S*\d+\.\d+\.\d+/)
  })
})
