// Whoever meets a name of this package finds what it is: every export of every entry has a docstring.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import ts from 'typescript'
import { expect, test } from 'vitest'

const root = join(import.meta.dirname, '..')

/** Source files of the package's entries, those of pages among them. */
function entries(): string[] {
  const { exports } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { exports: object }
  const sources = (node: unknown): string[] =>
    typeof node === 'string'
      ? node.endsWith('.ts') && node.startsWith('./src/')
        ? [join(root, node)]
        : []
      : Object.values(node as object).flatMap(sources)
  return sources(exports)
}

test('every export of every entry has a docstring', () => {
  const { config } = ts.readConfigFile(join(root, 'tsconfig.json'), ts.sys.readFile)
  const { options } = ts.parseJsonConfigFileContent(config, ts.sys, root, {}, join(root, 'tsconfig.json'))
  const program = ts.createProgram(entries(), options)
  const checker = program.getTypeChecker()
  const missing = new Set<string>()
  let count = 0
  for (const file of entries()) {
    const module = checker.getSymbolAtLocation(program.getSourceFile(file)!)!
    for (const exported of checker.getExportsOfModule(module)) {
      count++
      const symbol = exported.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(exported) : exported
      if (symbol.getDocumentationComment(checker).length === 0) missing.add(exported.getName())
    }
  }
  expect([...missing]).toEqual([])
  expect(count).toBeGreaterThan(100)
})
