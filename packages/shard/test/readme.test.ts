// The README's programs, run as they are there.
import { build } from 'esbuild'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { missingMpi, mpirun, run } from './mpi/harness'

const root = join(import.meta.dirname, '..')
const readme = readFileSync(join(root, 'README.md'), 'utf8')
const blocks = [...readme.matchAll(/```js\n(.*?)```/gs)].map(([, code]) => code!)

/** Where programs find what is installed for this package. */
let folder: string
beforeAll(() => {
  folder = mkdtempSync(join(root, 'node_modules', '.readme-'))
})
afterAll(() => rmSync(folder, { recursive: true }))

/** A program as a file that node runs, with our packages bundled from source. */
async function programOf(code: string, name: string): Promise<string> {
  const outfile = join(folder, `${name}.mjs`)
  const device = join(root, '../tensor/src/backend-onnx/device.ts')
  await build({
    stdin: {
      contents: code.replaceAll("'@jora/shard'", "'./index'").replaceAll("'@jora/shard/mpi'", "'./mpi/index'"),
      resolveDir: join(root, 'src'),
    },
    outfile,
    bundle: true,
    platform: 'node',
    format: 'esm',
    conditions: ['@jora/source'],
    external: ['koffi'],
    // The CPU device's thread is a file beside its source.
    define: { 'import.meta.url': JSON.stringify(pathToFileURL(device).href) },
    logLevel: 'silent',
  })
  return outfile
}

test('there are two', () => expect(blocks).toHaveLength(2))

test('four devices in one process', async () => {
  const { code, stdout, stderr } = await run([process.execPath, await programOf(blocks[0]!, 'one-process')])
  expect(stderr).toBe('')
  expect(code).toBe(0)
  expect(stdout.match(/op: '\w+'/g)).toEqual(["op: 'allReduce'"])
  expect(stdout).toContain("axes: [ 'model' ]")
  expect(stdout).toMatch(/\[ 8, 16 \] P\('data'(, null)?\) Float32Array\(128\)/)
})

test.skipIf(missingMpi !== '')(`two processes${missingMpi && ` (needs ${missingMpi})`}`, async () => {
  const program = await programOf(blocks[1]!, 'processes')
  const { code, stdout, stderr } = await run([...mpirun(2), process.execPath, program])
  expect(stderr).toBe('')
  expect(code).toBe(0)
  for (const rank of [0, 1]) expect(stdout).toMatch(new RegExp(`^mesh data=2 of .*: rank ${rank} of 2$`, 'm'))
})
