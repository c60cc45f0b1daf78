// Every package, packed and installed into an empty npm project, works there: imports run, types resolve, `jora` starts.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { built, exec, packAll } from './pack.mjs'

/** What a user would write first with each package; it runs in plain Node and throws when something is wrong. */
const snippets: Record<string, string> = {
  '@jora/tensor': `import '@jora/tensor'`,
  '@jora/tensor/onnx': `import '@jora/tensor/onnx'`,
  '@jora/tensor/safetensors': `import '@jora/tensor/safetensors'`,
  '@jora/shard': `import '@jora/shard'`,
  '@jora/data': `import '@jora/data'`,
  '@jora/llama': `import '@jora/llama'`,
  '@jora/lora': `import '@jora/lora'`,
  '@jora/hf-export': `import '@jora/hf-export'`,
  '@jora/gui': `import '@jora/gui'`,
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
    await npm('install', '--prefer-offline', '--no-audit', '--no-fund', '--ignore-scripts', '--loglevel=error')
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
    env: { ...env, ONNXRUNTIME_NODE_INSTALL: 'skip' },
    shell: process.platform === 'win32',
  })
}

describe('installed from tarballs', () => {
  beforeEach(({ skip }) => {
    skip(missing.length > 0, `needs npm run build first (${missing.join(', ')})`)
    skip(unreachable, 'needs the npm registry')
  })

  test('every export has a snippet here', () => {
    expect(Object.keys(snippets).sort()).toEqual(entries.sort())
  })

  test.each(Object.entries(snippets))('%s runs in plain Node', async (name, snippet) => {
    const file = `use${name.replaceAll(/\W+/g, '-')}.mjs`
    write(file, snippet)
    await exec(process.execPath, [file], { cwd: project })
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
