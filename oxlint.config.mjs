// What the linter holds everywhere; the import rules come from the table in tooling/packages.mjs.
import { packages } from './tooling/packages.mjs'

const byPath = {
  regex: '^(\\.\\./)+[^./][^/]*/src(/|$)',
  message: 'Import another package by its name, not by its path.',
}

/** Refuses every package of ours but `allowed`. */
const ours = (/** @type {string} */ name, /** @type {readonly string[]} */ allowed) => ({
  group: ['@jora/**', ...allowed.flatMap((other) => [`!@jora/${other}`, `!@jora/${other}/**`])],
  message: `packages/${name} may import ${packages[name]?.may.map((other) => `@jora/${other}`).join(', ') || 'no package of ours'} (tooling/packages.mjs).`,
})

const restricted = (/** @type {string[]} */ files, /** @type {object[]} */ patterns) => ({
  files,
  rules: { 'no-restricted-imports': ['error', { patterns }] },
})

/** Later overrides replace earlier ones, so each states all that holds for its files. */
const importRules = Object.entries(packages).flatMap(([name, { may, node }]) => {
  const outside = ours(name, [...may, name])
  const base = restricted([`packages/${name}/**`], [outside, byPath])
  if (!node) return [base]
  const noNode = {
    regex: '^node:',
    message: `Only ${node.join(', ')} of packages/${name}/src may import node: modules; the rest runs in a browser too.`,
  }
  const source = `packages/${name}/src`
  return [
    base,
    restricted([`${source}/**`], [outside, byPath, noNode]),
    restricted(
      node.map((glob) => `${source}/${glob}`),
      [outside, byPath],
    ),
    restricted([`${source}/**/*.test.ts`], [outside, byPath]),
  ]
})

/** Inside @jora/tensor: it never imports itself by name, its core loads no backend, and no backend loads another. */
const tensorRules = (() => {
  const none = ours('tensor', [])
  const coreLoadsNone = {
    regex: '(^|/)backend-[^/]+(/|$)',
    message: 'The core loads no backend: go through backend/ (the interface) and registry.ts.',
  }
  const noOther = { ...coreLoadsNone, message: 'A backend does not import another backend.' }
  const source = 'packages/tensor/src'
  const { node = [] } = packages.tensor ?? {}
  const noNode = {
    regex: '^node:',
    message: `Only ${node.join(', ')} of ${source} may import node: modules; the rest runs in a browser too.`,
  }
  return [
    restricted([`${source}/**`], [none, byPath, coreLoadsNone, noNode]),
    restricted([`${source}/backend-webgpu/**`], [none, byPath, noOther, noNode]),
    restricted(
      node.map((glob) => `${source}/${glob}`),
      [none, byPath, coreLoadsNone],
    ),
    restricted(
      [
        `${source}/backend-onnx/**`,
        ...node.filter((glob) => glob.startsWith('backend-')).map((glob) => `${source}/${glob}`),
      ],
      [none, byPath, noOther],
    ),
    restricted([`${source}/**/*.test.ts`], [ours('tensor', ['tensor']), byPath]),
  ]
})()

export default {
  plugins: ['eslint', 'typescript', 'unicorn', 'oxc', 'import', 'vitest'],
  categories: { correctness: 'error' },
  rules: {
    'import/no-cycle': ['error', { ignoreTypes: false }],
    'max-lines': ['error', { max: 400 }],
    'import/no-self-import': 'error',
    'import/no-duplicates': 'error',
    'typescript/no-explicit-any': 'error',
    'typescript/no-floating-promises': 'error',
    'typescript/no-misused-promises': ['error', { checksVoidReturn: false }],
    // Of the rules that know types, those that found no fault here in what they flagged.
    'typescript/no-meaningless-void-operator': 'off',
    'typescript/no-misused-spread': 'off',
    'typescript/no-redundant-type-constituents': 'off',
    'typescript/require-array-sort-compare': 'off',
    'typescript/restrict-template-expressions': 'off',
    'typescript/unbound-method': 'off',
    'typescript/consistent-type-imports': ['error', { fixStyle: 'inline-type-imports' }],
    'unicorn/prefer-node-protocol': 'error',
    eqeqeq: ['error', 'always', { null: 'ignore' }],
    'no-var': 'error',
    'prefer-const': 'error',
    'vitest/expect-expect': 'off',
    'vitest/valid-expect': ['error', { maxArgs: 2 }],
    'vitest/no-conditional-expect': 'off',
  },
  overrides: [...importRules, ...tensorRules],
  ignorePatterns: ['**/dist/**'],
}
