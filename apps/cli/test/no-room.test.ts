// Exports that find no room: under a limit on the size of files, as on a full disk, nothing half-written stays.
import { spawnSync } from 'node:child_process'
import { copyFileSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { parseConfig } from '@jora/llama'
import type { LoraConfig } from '@jora/lora'
import { tinyFamilies, writeFamily } from '../../../packages/hf-export/test/gguf-models'
import { writeTinyAdapter } from '../../../packages/lora/test/tiny-adapter'
import { bundle, type Program } from '../../../packages/shard/test/mpi/harness'
import { jora, workspace } from './harness'

const space = workspace()
const { path } = space
afterAll(() => space.remove())
const told = (text: string) => text.replaceAll(space.dir, 'DIR')

const llama = tinyFamilies.llama!
const lora: LoraConfig = { r: 3, alpha: 6, dropout: 0, targetModules: 'all-linear', useRslora: false }

let program: Program
beforeAll(async () => {
  program = await bundle(join(import.meta.dirname, '../src/main.ts'))
  await writeFamily(path('base'), llama)
  await writeTinyAdapter(path('lora'), parseConfig(llama.config), lora)
})
afterAll(() => program.remove())

/** Runs the command where no file may be larger than so many KiB: a write past that fails with EFBIG. */
function limited(kib: number, argv: readonly string[]): { code: number | null; out: string; err: string } {
  const script = `trap '' XFSZ; ulimit -f ${kib}; exec "$0" "$@"`
  const { status, stdout, stderr } = spawnSync('bash', ['-c', script, process.execPath, program.file, ...argv], {
    encoding: 'utf8',
  })
  return { code: status, out: stdout, err: told(stderr) }
}

const isWindows = process.platform === 'win32'
const sources = () => ['--model', path('base'), '--adapter', path('lora')]

test.skipIf(isWindows).each<[what: string, kib: number, argv: string[], output: string]>([
  ['hf', 300, ['export', '--format', 'hf', '--output'], 'merged'],
  ['hf, at its first byte', 0, ['export', '--format', 'hf', '--output'], 'merged'],
  ['peft', 30, ['export', '--format', 'peft', '--output'], 'peft'],
  ['gguf', 100, ['export', '--format', 'gguf', '--output'], 'model.gguf'],
  ['gguf-lora', 10, ['export', '--format', 'gguf-lora', '--output'], 'lora.gguf'],
  ['merge', 300, ['merge', '--output-dir'], 'merged'],
])('%s (needs bash, which Windows may lack)', (_what, kib, [command = '', ...flags], output) => {
  const before = readdirSync(space.dir)
  const { code, out, err } = limited(kib, [command, ...sources(), ...flags, path(output)])
  expect(err).toMatch(
    new RegExp(
      `^error: DIR/${output} cannot be written: the file would be larger than this system allows \\(EFBIG\\)[^\\n]*\\n$`,
    ),
  )
  expect({ code, out }).toEqual({ code: 1, out: '' })
  expect(readdirSync(space.dir)).toEqual(before)
})

test.skipIf(isWindows).each(['gguf', 'gguf-lora'])(
  '%s: an older file stays under --overwrite (needs bash, which Windows may lack)',
  async (format) => {
    const output = `older-${format}.gguf`
    const argv = ['export', '--format', format, ...sources(), '--output', path(output)]
    expect(await jora(argv)).toMatchObject({ code: 0 })
    copyFileSync(path(output), path('copy'))
    const before = readdirSync(space.dir)
    const { code, err } = limited(10, [...argv, '--overwrite', '--dtype', 'f32'])
    expect(err).toMatch(new RegExp(`^error: DIR/${output} cannot be written: .*; the file takes about 1 MiB\\n$`))
    expect(code).toBe(1)
    expect(readFileSync(path(output))).toEqual(readFileSync(path('copy')))
    expect(readdirSync(space.dir)).toEqual(before)
  },
)

test.skipIf(isWindows)('with room enough the same program exports (needs bash, which Windows may lack)', () => {
  const { code, err } = limited(2000, ['export', '--format', 'hf', ...sources(), '--output', path('whole'), '--check'])
  expect(err).toMatch(/^done {3}28 modules merged/)
  expect(code).toBe(0)
})
