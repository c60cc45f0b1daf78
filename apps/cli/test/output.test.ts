// --output names a device, a pipe or a link: it is written to, or through, and never replaced.
import { spawn, spawnSync } from 'node:child_process'
import { closeSync, lstatSync, openSync, readFileSync, statSync, symlinkSync, writeFileSync, writeSync } from 'node:fs'
import { once } from 'node:events'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { parseConfig } from '@jora/llama'
import type { LoraConfig } from '@jora/lora'
import { tinyFamilies, writeFamily } from '../../../packages/hf-export/test/gguf-models'
import { writeTinyAdapter } from '../../../packages/lora/test/tiny-adapter'
import { bundle, type Program } from '../../../packages/shard/test/mpi/harness'
import { jora, workspace } from './harness'

const space = workspace()
const { path } = space
const lora: LoraConfig = { r: 3, alpha: 6, dropout: 0, targetModules: ['q_proj'], useRslora: false }
let program: Program

beforeAll(async () => {
  program = await bundle(join(import.meta.dirname, '../src/main.ts'))
  writeFileSync(path('in.jsonl'), '{"q":"a","a":"b"}\n')
  await writeFamily(path('base'), tinyFamilies.llama!)
  await writeTinyAdapter(path('lora'), parseConfig(tinyFamilies.llama!.config), lora)
})
afterAll(async () => {
  program.remove()
  await space.remove()
})

const row = '{"instruction":"a","output":"b"}\n'
const importing = (output: string) =>
  `data import --format jsonl --input ${path('in.jsonl')} --columns question=q,answer=a --output ${output}`.split(' ')
const exporting = (output: string) =>
  `export --format gguf-lora --model ${path('base')} --adapter ${path('lora')} --output ${output}`.split(' ')

describe.skipIf(process.platform === 'win32')('on a system with links, devices and pipes (Windows has its own)', () => {
  test('a link: its target is replaced, in both kinds of files', async () => {
    for (const [name, argv] of [
      ['rows', importing],
      ['gguf', exporting],
    ] as const) {
      writeFileSync(path(`real-${name}`), name === 'gguf' ? 'GGUF, an older one' : 'old')
      symlinkSync(`real-${name}`, path(`link-${name}`))
      expect(await jora(argv(path(`link-${name}`)))).not.toMatchObject({ code: 0 })
      expect(await jora([...argv(path(`link-${name}`)), '--overwrite'])).toMatchObject({ code: 0 })
      expect(lstatSync(path(`link-${name}`)).isSymbolicLink()).toBe(true)
    }
    expect(readFileSync(path('real-rows'), 'utf8')).toBe(row)
    expect(readFileSync(path('real-gguf')).length).toBeGreaterThan(1000)
  })

  test('a link to what is read is refused', async () => {
    symlinkSync('in.jsonl', path('link-in'))
    const { code, err } = await jora(importing(path('link-in')))
    expect(err).toContain('is the input')
    expect(code).toBe(2)
    expect(readFileSync(path('in.jsonl'), 'utf8')).toBe('{"q":"a","a":"b"}\n')
  })

  test('a device stays one; what cannot be read back is not checked', async () => {
    symlinkSync('/dev/null', path('null'))
    expect(await jora(importing(path('null')))).toMatchObject({ code: 0 })
    expect(await jora(exporting(path('null')))).toMatchObject({ code: 0 })
    expect(await jora(exporting('/dev/null'))).toMatchObject({ code: 0 })
    expect(statSync('/dev/null').isCharacterDevice()).toBe(true)
    const { code, err } = await jora([...exporting('/dev/null'), '--check'])
    expect(err).toContain('--check reads the export back')
    expect(code).toBe(2)
  })

  test('a pipe is read by what waits at its other end', async () => {
    spawnSync('mkfifo', [path('pipe')])
    const reader = spawn('cat', [path('pipe')])
    let read = ''
    reader.stdout.on('data', (data: Buffer) => (read += String(data)))
    const ended = once(reader, 'close')
    expect(await jora(importing(path('pipe')))).toMatchObject({ code: 0 })
    await ended
    expect(read).toBe(row)
    expect(statSync(path('pipe')).isFIFO()).toBe(true)
  })

  test.each(['/dev/stdout', '/dev/fd/1', 'link'])('%s: in the order of what else is written there', (name) => {
    if (name === 'link') symlinkSync('/dev/stdout', path('link'))
    const argv = [program.file, ...importing(name === 'link' ? path('link') : name), '--json']
    const summary = /^\{"format":"jsonl".*\}\n$/
    const piped = spawnSync(process.execPath, argv, { encoding: 'utf8' })
    expect(piped.stdout.startsWith(row)).toBe(true)
    expect(piped.stdout.slice(row.length)).toMatch(summary)

    // A file, to which a shell would have written before.
    const file = openSync(path('out'), 'w')
    writeSync(file, 'before\n')
    spawnSync(process.execPath, argv, { stdio: ['ignore', file, 'ignore'] })
    closeSync(file)
    const text = readFileSync(path('out'), 'utf8')
    expect(text.startsWith(`before\n${row}`)).toBe(true)
    expect(text.slice(`before\n${row}`.length)).toMatch(summary)
  })
})
