// Every name that a package's entry points export has a docstring, and so have the methods of exported classes and the
// optional members of exported interfaces (an option's default is plain from neither its name nor its type). A function
// whose own body throws says so. `pnpm run lint` runs this and lists what is missing as `file:line name: what is missing`.
// It reads the packages' own sources alone and infers few types, so it takes a second or two.
import { readdirSync, readFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import ts from 'typescript'

/** The paths in a condition tree of package.json's `exports`. @param {unknown} entry @returns {string[]} */
function paths(entry) {
  if (typeof entry === 'string') return [entry]
  return entry !== null && typeof entry === 'object' ? Object.values(entry).flatMap(paths) : []
}

/**
 * Source files of all entry points of `packages/*` by the name that imports them, that for Node before that for pages.
 * @param {string} root
 */
function entryPoints(root) {
  /** @type {Map<string, string[]>} */
  const entries = new Map()
  for (const folder of readdirSync(join(root, 'packages')).map((name) => join(root, 'packages', name))) {
    const { name, exports = {} } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'))
    for (const [subpath, entry] of Object.entries(exports)) {
      const files = paths(entry['@jora/source']).map((file) => join(folder, file))
      entries.set(name + subpath.slice(1), files.toReversed())
    }
  }
  return entries
}

/** @param {Map<string, string[]>} entries */
function programOf(entries) {
  /** @type {ts.CompilerOptions} */
  const options = { module: ts.ModuleKind.ESNext, target: ts.ScriptTarget.ES2022, noLib: true, types: [] }
  const host = ts.createCompilerHost(options)
  // Packages of others are left out: reading them takes longer than all of ours.
  host.resolveModuleNameLiterals = (literals, file) =>
    literals.map(({ text }) => {
      const base = join(file, '..', text)
      const found = text.startsWith('.')
        ? [`${base}.ts`, join(base, 'index.ts')].find((path) => host.fileExists(path))
        : entries.get(text)?.[0]
      return {
        resolvedModule: found === undefined ? undefined : { resolvedFileName: found, extension: ts.Extension.Ts },
      }
    })
  return ts.createProgram([...entries.values()].flat(), options, host)
}

/**
 * Whether a function's own statements throw (`fail` is our word for it in expressions); those of functions inside it are theirs.
 * @param {ts.Node} node
 * @returns {boolean}
 */
const throws = (node) =>
  ts.isThrowStatement(node) ||
  (ts.isCallExpression(node) && ts.isIdentifier(node.expression) && node.expression.text === 'fail') ||
  (!ts.isFunctionLike(node) && ts.forEachChild(node, throws) === true)

/** The function that a declaration is, or that a constant or a property holds. @param {ts.Node} node */
function functionOf(node) {
  const held = ts.isVariableDeclaration(node) || ts.isPropertyDeclaration(node) ? node.initializer : node
  return held && ts.isFunctionLike(held) && 'body' in held ? held : undefined
}

/**
 * What the docstrings of `root`'s packages lack, as `file:line name: what is missing`, sorted.
 * @param {string} root the repository, or a folder laid out like it
 * @throws {Error} when an entry of a package.json names no file
 */
export function missingDocstrings(root) {
  const entries = entryPoints(root)
  const program = programOf(entries)
  const checker = program.getTypeChecker()
  /** @type {Set<string>} */
  const missing = new Set()

  /** @param {ts.Symbol} symbol @param {string} name */
  function check(symbol, name) {
    const [declaration] = symbol.declarations ?? []
    if (!declaration) return
    const docs = symbol.declarations?.flatMap((one) => ts.getJSDocCommentsAndTags(one)) ?? []
    const body = symbol.declarations?.map(functionOf).find((found) => found?.body)?.body
    const source = declaration.getSourceFile()
    const { line } = source.getLineAndCharacterOfPosition(declaration.getStart())
    /** @param {string} what */
    const report = (what) => missing.add(`${relative(root, source.fileName)}:${line + 1} ${name}: ${what}`)
    if (docs.length === 0) report('no docstring')
    else if (body && throws(body) && !docs.some((doc) => /\bthrows\b/i.test(doc.getText())))
      report('throws, and does not say what')
  }

  /** Names of the interfaces that a class implements: their docstrings are its. @param {ts.Symbol} symbol */
  function inherited(symbol) {
    const clauses =
      symbol.declarations?.flatMap((d) => (ts.isClassDeclaration(d) ? (d.heritageClauses ?? []) : [])) ?? []
    const types = clauses.flatMap((clause) => clause.types.map((type) => checker.getTypeAtLocation(type)))
    return new Set(['toString', ...types.flatMap((type) => type.getProperties().map((property) => property.name))])
  }

  /** @param {ts.Symbol} symbol */
  function checkMembers(symbol) {
    const known = inherited(symbol)
    for (const [name, member] of symbol.members ?? []) {
      if (known.has(String(name))) continue
      const [declaration] = member.declarations ?? []
      if (!declaration || String(name).startsWith('__')) continue
      const hidden = ts.getCombinedModifierFlags(declaration) & ts.ModifierFlags.Private
      const isMethod =
        (ts.isMethodDeclaration(declaration) || ts.isPropertyDeclaration(declaration)) &&
        functionOf(declaration) !== undefined &&
        !ts.isPrivateIdentifier(declaration.name) &&
        !hidden
      const isOption = ts.isPropertySignature(declaration) && declaration.questionToken !== undefined
      if (isMethod || isOption) check(member, `${symbol.name}.${name}`)
    }
  }

  /** @param {ts.Symbol} module */
  function checkExports(module) {
    for (const exported of checker.getExportsOfModule(module)) {
      const symbol = exported.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(exported) : exported
      // `export * as name`
      if (symbol.flags & ts.SymbolFlags.ValueModule) checkExports(symbol)
      else check(symbol, exported.name)
      checkMembers(symbol)
    }
  }

  for (const entry of [...entries.values()].flat()) {
    const source = program.getSourceFile(entry)
    const module = source && checker.getSymbolAtLocation(source)
    if (!module) throw new Error(`${relative(root, entry)}: package.json names this entry, which exports nothing`)
    checkExports(module)
  }
  return [...missing].toSorted((a, b) => a.localeCompare(b, 'en', { numeric: true }))
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const missing = missingDocstrings(join(import.meta.dirname, '..', '..'))
  for (const line of missing) console.error(line)
  if (missing.length > 0) {
    console.error(`${missing.length} exports need a docstring that says what they are, take, return and throw`)
    process.exit(1)
  }
}
