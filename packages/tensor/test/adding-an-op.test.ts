// docs/adding-an-op.md, held to its word: the compiler names every table a new op is missing from, and the entries the
// document shows complete them.
import { readFileSync } from 'node:fs'
import { join, relative, sep } from 'node:path'
import ts from 'typescript'
import { describe, expect, test } from 'vitest'

const root = join(import.meta.dirname, '..')
const document = readFileSync(join(root, '..', '..', 'docs', 'adding-an-op.md'), 'utf8')

interface Edit {
  readonly file: string
  /** Line of the file after which the new line goes. */
  readonly after: string
  readonly line: string
}

const declaration: Edit = {
  file: 'src/ir/ops/elementwise.ts',
  after: '  sigmoid: None',
  line: '  softplus: None',
}

/** The tables in which a missing entry must not compile, and the entry. */
const tables: readonly (Edit & { readonly table: string })[] = [
  {
    table: 'elementwiseRules',
    file: 'src/ir/ops/elementwise.ts',
    after: '  sigmoid: map(float),',
    line: '  softplus: map(float),',
  },
  {
    table: 'vjpRules',
    file: 'src/autodiff/vjp-rules.ts',
    after: '  sigmoid: (g, { output }) => [mul(g, mul(output(0), sub(1, output(0))))],',
    line: '  softplus: (g, { input }) => [mul(g, sigmoid(input(0)))],',
  },
  {
    table: 'onnxLowerings',
    file: 'src/backend-onnx/op-table.ts',
    after: "  sigmoid: direct('Sigmoid'),",
    line: "  softplus: direct('Softplus'),",
  },
  {
    table: 'wgslLowerings',
    file: 'src/backend-webgpu/op-table.ts',
    after: '  sigmoid: each(5, (x) => `1.0f / (1.0f + exp(-(${x})))`),',
    line: '  softplus: each(8, (x) => `log(1.0f + exp(${x}))`),',
  },
  {
    table: 'rules',
    file: 'test/backend/reference.ts',
    after: '  sigmoid: map((x) => 1 / (1 + Math.exp(-x))),',
    line: '  softplus: map((x) => Math.log1p(Math.exp(x))),',
  },
  {
    table: 'partitionRules',
    file: '../shard/src/rules/index.ts',
    after: '  silu: nonlinear,',
    line: '  softplus: nonlinear,',
  },
  {
    table: 'cases',
    file: '../shard/test/rule-cases.ts',
    after: '  silu: [nonlinear],',
    line: '  softplus: [nonlinear],',
  },
]

/** Entries that nothing but a test can miss: the function users call, and the conformance case. */
const others: readonly Edit[] = [
  {
    file: 'src/ops/elementwise.ts',
    after: "export const sigmoid = (x: Tensor): Tensor => apply('sigmoid', [x], {})",
    line: "export const softplus = (x: Tensor): Tensor => apply('softplus', [x], {})",
  },
  {
    file: 'test/backend/cases.ts',
    after: "  smooth('tanh sigmoid', [f(7)], (x) => j.add(j.tanh(x), j.sigmoid(x))),",
    line: "  smooth('softplus', [f(7)], (x) => j.softplus(x)),",
  },
]

const { config } = ts.readConfigFile(join(root, 'tsconfig.json'), ts.sys.readFile)
const { options } = ts.parseJsonConfigFileContent(config, ts.sys, root, {}, join(root, 'tsconfig.json'))
const entries = [
  'src/index.ts',
  'src/backend-onnx/index.ts',
  'src/backend-webgpu/index.ts',
  'test/backend/reference.ts',
  'test/backend/cases.ts',
  '../shard/src/rules/index.ts',
  '../shard/test/rule-cases.ts',
]
const inPackage = (file: string) => relative(root, file).split(sep).join('/')

/** Files that stay as they are, the standard library above all, are parsed once. */
const parsed = new Map<string, ts.SourceFile | undefined>()

/**
 * Compile errors with `edits` made to a copy in memory, as `file, what it is at: message`: of the packages, or of one file
 * alone, which takes a fraction of the time.
 */
function compile(edits: readonly Edit[], only?: string): string[] {
  const host = ts.createCompilerHost(options)
  const unedited = host.getSourceFile.bind(host)
  host.getSourceFile = (file, ...rest) => {
    const here = edits.filter((edit) => edit.file === inPackage(file))
    if (here.length === 0) {
      if (!parsed.has(file)) parsed.set(file, unedited(file, ...rest))
      return parsed.get(file)
    }
    const text = here.reduce(
      (source, { after, line }) => {
        expect(source.split(`\n${after}\n`), `${file} has the line ${after} once`).toHaveLength(2)
        return source.replace(`\n${after}\n`, () => `\n${after}\n${line}\n`)
      },
      readFileSync(file, 'utf8'),
    )
    return ts.createSourceFile(file, text, rest[0])
  }
  const program = ts.createProgram(
    entries.map((file) => join(root, file)),
    options,
    host,
  )
  const source = only === undefined ? undefined : program.getSourceFile(join(root, only))
  return ts.getPreEmitDiagnostics(program, source).map(({ file, start = 0, length = 0, messageText }) => {
    const place = file ? `${inPackage(file.fileName)}, ${file.text.slice(start, start + length)}` : 'no file'
    return `${place}: ${ts.flattenDiagnosticMessageText(messageText, ' ')}`
  })
}

/** The error is at the table's name. */
const refusal = ({ file, table }: { file: string; table: string }) =>
  expect.stringMatching(new RegExp(`^${file}, ${table}: Property 'softplus' is missing in type`))

describe('adding an op', () => {
  // With the last test, where no table is refused: each refusal is for the entry that its table lacks. That the package
  // compiles as it is, the check of types shows.
  test('an op in OpParams alone is refused in every table', () => {
    const errors = compile([declaration])
    expect(errors).toHaveLength(tables.length)
    expect(errors).toEqual(expect.arrayContaining(tables.map(refusal)))
  })

  test.each(['inputs', 'reads', 'shape'])('an op rule without %s is refused', (key) => {
    const whole = { inputs: '[float]', reads: "'same'", shape: 'likeFirst' }
    const entries = Object.entries(whole).filter(([name]) => name !== key)
    const [rule, ...rest] = tables
    const line = `  softplus: { ${entries.map(([name, value]) => `${name}: ${value}`).join(', ')} },`
    expect(compile([declaration, { ...rule!, line }, ...rest], rule!.file)).toEqual([
      expect.stringMatching(new RegExp(`^${rule!.file}, softplus: Property '${key}' is missing in type`)),
    ])
  })

  test('with every entry it compiles', () => expect(compile([declaration, ...tables, ...others])).toEqual([]))

  test('the document shows these very lines', () => {
    for (const { line, file } of [declaration, ...tables, ...others]) {
      expect(document, `${file}: ${line}`).toContain(line.trim())
      expect(document).toContain(file.replace('../', 'packages/'))
    }
    for (const { table } of tables) expect(document).toContain(`\`${table}\``)
  })
})
