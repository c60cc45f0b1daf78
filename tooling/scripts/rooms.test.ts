// A folder is a room that a reader takes in at a glance: at most 20 files of code in it, tests included.
import { readdirSync } from 'node:fs'
import { join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'

const root = fileURLToPath(new URL('../..', import.meta.url))
const isCode = (name: string) => /\.([cm]?ts|tsx|mjs|css|py|go)$/.test(name)
const skipped = new Set(['node_modules', 'dist'])

function* folders(folder: string): Generator<{ readonly folder: string; readonly files: number }> {
  const entries = readdirSync(folder, { withFileTypes: true })
  yield { folder: relative(root, folder), files: entries.filter((e) => e.isFile() && isCode(e.name)).length }
  for (const entry of entries)
    if (entry.isDirectory() && !entry.name.startsWith('.') && !skipped.has(entry.name))
      yield* folders(join(folder, entry.name))
}

test('no folder has more than 20 files', () => {
  const all = ['packages', 'apps', 'tooling', 'examples'].flatMap((name) => [...folders(join(root, name))])
  expect(all.length).toBeGreaterThan(100)
  expect(all.filter(({ files }) => files > 20)).toEqual([])
})
