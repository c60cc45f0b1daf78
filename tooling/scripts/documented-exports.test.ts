// The check of docstrings finds what it is for, each case in a package of one file.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { missingDocstrings } from './documented-exports.mjs'

let root: string

beforeAll(() => {
  root = mkdtempSync(join(tmpdir(), 'jora-docstrings-'))
})
afterAll(() => rmSync(root, { recursive: true, force: true }))

/** What is missing where package `a` has these sources. */
function missing(files: Record<string, string>): string[] {
  const folder = join(root, 'packages', 'a')
  rmSync(folder, { recursive: true, force: true })
  mkdirSync(join(folder, 'src'), { recursive: true })
  const exports = { '.': { '@jora/source': { browser: './src/portable.ts', default: './src/index.ts' } } }
  writeFileSync(join(folder, 'package.json'), JSON.stringify({ name: '@jora/a', exports }))
  for (const [name, text] of Object.entries({ 'portable.ts': 'export {}', ...files }))
    writeFileSync(join(folder, 'src', name), text)
  return missingDocstrings(root)
}

test('exports of an entry need a docstring, whichever file they come from', () => {
  expect(
    missing({
      'index.ts': `export { double as twice } from './math'\nexport * as math from './math'\n/** Known. */ export const one = 1`,
      'math.ts': `// A comment is none.\nexport const double = (x: number) => 2 * x\n/** Hidden. */\nexport type Pair = [number, number]`,
      'other.ts': 'export const internal = 1',
    }),
  ).toEqual(['packages/a/src/math.ts:2 double: no docstring', 'packages/a/src/math.ts:2 twice: no docstring'])
})

test('so do the exports of the entry for pages', () => {
  expect(missing({ 'index.ts': 'export {}', 'portable.ts': 'export interface Page {}' })).toEqual([
    'packages/a/src/portable.ts:1 Page: no docstring',
  ])
})

test('methods of classes and optional members of interfaces need one, unless an interface or its own mark settles it', () => {
  const text = `
/** Options. */
export interface Options {
  plain: number
  limit?: number
  /** Default 3. */
  tries?: number
}
/** What is read. */
export interface Readable {
  /** Reads. */
  read(): void
}
/** A reader. */
export class Reader implements Readable {
  read() {}
  skip() {}
  toString() { return '' }
  #hidden() {}
  private known() {}
}`
  expect(missing({ 'index.ts': text })).toEqual([
    'packages/a/src/index.ts:5 Options.limit: no docstring',
    'packages/a/src/index.ts:17 Reader.skip: no docstring',
  ])
})

test('a function that throws says so', () => {
  const text = `
/** Reads a number. */
export function parse(text: string) { if (text === '') throw new Error('empty'); return Number(text) }
/** Reads a number. @throws Error for an empty text */
export function parseSafely(text: string) { if (text === '') throw new Error('empty'); return Number(text) }
/** A function that throws when it is called. */
export const later = () => () => { throw new Error('later') }`
  expect(missing({ 'index.ts': text })).toEqual(['packages/a/src/index.ts:3 parse: throws, and does not say what'])
})

test('an entry that is no module is named', () => {
  expect(() => missing({ 'index.ts': 'const a = 1' })).toThrow(
    /packages\/a\/src\/index\.ts: package\.json names this entry/,
  )
})
