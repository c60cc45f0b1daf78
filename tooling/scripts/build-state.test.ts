// A build is known by its sources: any change of one, and no change of anything else, asks for another.
import { mkdirSync, mkdtempSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { isBuilt, noteBuild, sourceState } from './build-state.mjs'

const root = mkdtempSync(join(tmpdir(), 'jora-build-'))
afterAll(() => rmSync(root, { recursive: true }))

test('what was built is known until a source changes', () => {
  for (const folder of [
    'node_modules',
    'packages/a/src',
    'packages/a/test',
    'packages/a/dist',
    'apps/b/src',
    'apps/b/dist',
  ])
    mkdirSync(join(root, folder), { recursive: true })
  for (const file of ['packages/a/package.json', 'packages/a/src/index.ts', 'apps/b/package.json', 'package.json'])
    writeFileSync(join(root, file), '{}')
  expect(isBuilt(root)).toBe(false)
  const note = () => noteBuild(root, sourceState(root))
  note()
  expect(isBuilt(root)).toBe(true)

  // What the build does not read.
  for (const file of [
    'packages/a/test/x.ts',
    'packages/a/src/x.test.ts',
    'packages/a/dist/x.js',
    'packages/a/README.md',
  ])
    writeFileSync(join(root, file), 'new')
  expect(isBuilt(root)).toBe(true)

  const changes = [
    () => writeFileSync(join(root, 'packages/a/src/index.ts'), 'longer'),
    () => utimesSync(join(root, 'packages/a/src/index.ts'), 1, 1),
    () => writeFileSync(join(root, 'apps/b/src/new.ts'), ''),
    () => rmSync(join(root, 'apps/b/src/new.ts')),
    () => writeFileSync(join(root, 'package.json'), '{"a":1}'),
    () => rmSync(join(root, 'apps/b/dist'), { recursive: true }),
  ]
  for (const change of changes) {
    change()
    expect(isBuilt(root)).toBe(false)
    note()
  }
  // A package without its output is not built, whatever the note says.
  expect(isBuilt(root)).toBe(false)
})
