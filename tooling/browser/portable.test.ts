// What a page may import has nothing of Node in it: every entry is bundled for browsers, and the import that hinders is named.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { bundleForPage } from './bundle'

/** Entries that are Node's alone, with what keeps them out of a page. */
const nodeOnly: Record<string, RegExp> = {
  '@jora/tensor/files': /files\/\w+\.ts:\d+:\d+: ERROR: Could not resolve "node:fs/,
  '@jora/tensor/onnx': /backend-onnx\/device\.ts:\d+:\d+: ERROR: Could not resolve "node:\w+"/,
}
/** The npm packages that an entry brings into a page; none unless named here. */
const packages: Record<string, readonly string[]> = {
  '@jora/data': ['@huggingface/tokenizers'],
}

const entries = ['tensor', 'data', 'llama', 'lora'].flatMap((name) => {
  const path = join(import.meta.dirname, '../../packages', name, 'package.json')
  const { exports } = JSON.parse(readFileSync(path, 'utf8')) as { exports: Record<string, unknown> }
  return Object.keys(exports).map((entry) => `@jora/${name}${entry.slice(1)}`)
})

describe('bundles for a page', () => {
  test.each(entries.filter((entry) => !Object.hasOwn(nodeOnly, entry)))('%s', async (entry) => {
    const bundle = await bundleForPage(`export * from '${entry}'`)
    expect(bundle.packages).toEqual(packages[entry] ?? [])
    // What bundling does not see: an import put together when it runs, and the globals of Node.
    expect(bundle.code.match(/["'`]node:.{0,30}|\b(?:process|Buffer|require|__dirname)\b[.([].{0,30}/g)).toBeNull()
  })

  test.each(Object.entries(nodeOnly))("%s does not, and the import is named: this check's own", async (entry, why) => {
    await expect(bundleForPage(`export * from '${entry}'`)).rejects.toThrow(why)
  })
})
