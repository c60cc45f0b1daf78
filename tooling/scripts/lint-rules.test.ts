// The import rules of docs/architecture.md hold: each is shown one file that breaks it and one that does not.
import { execFileSync, spawnSync } from 'node:child_process'
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { packages } from '../packages.mjs'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'

const root = fileURLToPath(new URL('../..', import.meta.url))
const oxlint = join(dirname(createRequire(import.meta.url).resolve('oxlint/package.json')), 'bin', 'oxlint')

const mayImport = Object.fromEntries(Object.entries(packages).map(([name, { may }]) => [name, may]))
const names = [...Object.keys(packages), 'cli']

type Case = { file: string; imports: string; refused: boolean }
const cases: Case[] = [
  ...Object.entries(mayImport).flatMap(([name, allowed]) =>
    names
      .filter((other) => other !== name)
      .map((other) => ({
        file: `packages/${name}/src/imports-${other}.ts`,
        imports: `@jora/${other}`,
        refused: !allowed.includes(other),
      })),
  ),
  { file: 'packages/llama/src/subpath.ts', imports: '@jora/tensor/onnx', refused: false },
  { file: 'packages/data/src/subpath.ts', imports: '@jora/tensor/onnx', refused: true },
  { file: 'packages/lora/src/by-path.ts', imports: '../../tensor/src/dtype', refused: true },
  { file: 'packages/tensor/test/backend/own-source.ts', imports: '../../src/dtype', refused: false },
  { file: 'apps/cli/src/anything.ts', imports: '@jora/gui', refused: false },
  { file: 'packages/tensor/src/ir/node.ts', imports: 'node:fs', refused: true },
  { file: 'packages/tensor/src/ir/node.test.ts', imports: 'node:fs', refused: false },
  { file: 'packages/tensor/src/weights/safetensors/node.ts', imports: 'node:fs', refused: false },
  { file: 'packages/tensor/src/backend-onnx/node.ts', imports: 'node:worker_threads', refused: false },
  { file: 'packages/tensor/src/backend-webgpu/node.ts', imports: 'node:fs', refused: true },
  { file: 'packages/tensor/src/backend-webgpu/index.ts', imports: 'node:fs', refused: false },
  { file: 'packages/data/src/node.ts', imports: 'node:fs', refused: true },
  { file: 'packages/data/src/rows/files.ts', imports: 'node:fs', refused: false },
  { file: 'packages/data/src/bare.ts', imports: 'fs', refused: true },
  { file: 'packages/tensor/src/jit/core.ts', imports: '../backend-onnx/index', refused: true },
  { file: 'packages/tensor/src/core.ts', imports: './backend-webgpu/device', refused: true },
  { file: 'packages/tensor/src/self.ts', imports: '@jora/tensor/onnx', refused: true },
  { file: 'packages/tensor/src/weights/safetensors/core.ts', imports: '../../backend-onnx/index', refused: true },
  { file: 'packages/tensor/src/jit/interface.ts', imports: '../backend/registry', refused: false },
  { file: 'packages/tensor/src/backend-onnx/own.ts', imports: './op-table', refused: false },
  { file: 'packages/tensor/src/backend-onnx/other.ts', imports: '../backend-webgpu/device', refused: true },
]

let dir: string
let refusedFiles: Set<string>

function lint(files: Record<string, string>) {
  for (const [file, text] of Object.entries(files)) {
    mkdirSync(dirname(join(dir, file)), { recursive: true })
    writeFileSync(join(dir, file), text)
  }
  const { stdout } = spawnSync(process.execPath, [oxlint, '-c', 'oxlint.config.mjs', '--format=json'], {
    cwd: dir,
    encoding: 'utf8',
  })
  const { diagnostics } = JSON.parse(stdout) as { diagnostics: { code: string; filename: string }[] }
  return diagnostics.map(({ code, filename }) => ({ code, file: filename.replaceAll('\\', '/') }))
}

beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'jora-lint-'))
  for (const file of ['oxlint.config.mjs', 'tooling/packages.mjs']) {
    mkdirSync(dirname(join(dir, file)), { recursive: true })
    copyFileSync(join(root, file), join(dir, file))
  }
  execFileSync('git', ['init', '--quiet'], { cwd: dir })
  const reports = lint(
    Object.fromEntries(cases.map(({ file, imports }) => [file, `import * as it from '${imports}'\nexport { it }\n`])),
  )
  refusedFiles = new Set(reports.map(({ file }) => file))
})
afterAll(() => rmSync(dir, { recursive: true, force: true }))

describe('imports', () => {
  test.each(cases)('$file importing $imports: refused $refused', ({ file, refused }) => {
    expect(refusedFiles.has(file)).toBe(refused)
  })
})

test('circles, explicit any, focused tests and every form of import are refused', () => {
  const codes = lint({
    'apps/cli/src/a.ts': `import { b } from './b'\nexport const a = (): number => b()\n`,
    'apps/cli/src/b.ts': `import { a } from './a'\nexport const b = (): number => a()\n`,
    'apps/cli/src/any.ts': `export const f = (x: any) => x\n`,
    'packages/data/src/dynamic.ts': `export const f = () => import('@jora/lora')\n`,
    'packages/data/src/reexport.ts': `export * from '@jora/lora'\n`,
    'packages/data/src/types.ts': `import type { LoraConfig } from '@jora/lora'\nexport type { LoraConfig }\n`,
    'apps/cli/src/only.test.ts': `import { test } from 'vitest'\ntest.only('one', () => {})\n`,
  })
    .filter(({ file }) => !cases.some((one) => one.file === file))
    .map(({ code, file }) => `${file} ${code}`)
    .sort()
  expect(codes).toMatchInlineSnapshot(`
    [
      "apps/cli/src/a.ts import(no-cycle)",
      "apps/cli/src/any.ts typescript(no-explicit-any)",
      "apps/cli/src/b.ts import(no-cycle)",
      "apps/cli/src/only.test.ts vitest(no-focused-tests)",
      "packages/data/src/dynamic.ts eslint(no-restricted-imports)",
      "packages/data/src/reexport.ts eslint(no-restricted-imports)",
      "packages/data/src/types.ts eslint(no-restricted-imports)",
    ]
  `)
})

test('the table in docs/architecture.md is that of tooling/packages.mjs', () => {
  const text = readFileSync(join(root, 'docs', 'architecture.md'), 'utf8')
  const rows = [...text.matchAll(/^\| `@jora\/([\w-]+)` \|[^|]*\| ([^|]*) \|$/gm)].map(
    ([, name = '', may = '']) => [name, may === 'nothing of ours' ? [] : may.split(', ').sort()] as const,
  )
  expect(Object.fromEntries(rows)).toEqual(
    Object.fromEntries(Object.entries(packages).map(([name, { may }]) => [name, [...may].sort()])),
  )
})
