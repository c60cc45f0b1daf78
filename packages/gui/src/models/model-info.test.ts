// What the page is told of a model: from a folder, and from a GGUF file.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { tinyFamilies, writeFamilyAndGguf } from '../../../hf-export/test/gguf-models'
import { modelInfo } from './model-info'

let root: string
beforeEach(() => (root = mkdtempSync(join(tmpdir(), 'jora-model-info-'))))
afterEach(() => rmSync(root, { recursive: true }))

test('a GGUF file says the same as the folder it was made of', async () => {
  const [folder, file] = [join(root, 'model'), join(root, 'model.gguf')]
  await writeFamilyAndGguf(folder, file, tinyFamilies.gemma3!)
  const of = (path: string) => modelInfo({ ref: path, source: 'folder', path })
  const [fromFolder, fromFile] = [await of(folder), await of(file)]
  const { bytes, ...same } = fromFolder!
  expect(same).toMatchObject({ family: 'gemma3_text', layers: 7, problem: null, hasChatTemplate: false })
  expect(fromFile).toMatchObject({ ...same, ref: file, name: 'model.gguf', path: file })
  expect(fromFile!.bytes!).toBeLessThan(bytes! / 2)
})

test('what is no model is said', async () => {
  expect(await modelInfo({ ref: root, source: 'folder', path: root })).toBeUndefined()
  const missing = join(root, 'none.gguf')
  expect((await modelInfo({ ref: missing, source: 'folder', path: missing }))!.problem).toMatch(/none\.gguf/)
})
