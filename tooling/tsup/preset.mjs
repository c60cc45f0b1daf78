// How every JORA package is built: ESM with types and source maps for Node 20, all output files at the root of dist/.
import { execFileSync } from 'node:child_process'
import { copyFileSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { basename, dirname, join, relative } from 'node:path'

/** Of declarations, one a source file. */
const folder = '.types'

/**
 * The tsup options of one package. Output names are the keys of `entries`, without folders, and shared chunks are beside
 * them, so `new URL('./worker.mjs', import.meta.url)` means `dist/worker.mjs` from whichever file the code ends up in.
 *
 * @param {Record<string, string>} entries output name → source file, e.g. `{ index: 'src/index.ts' }`
 * @param {{ dts?: boolean, copy?: string[] }} [options] `dts: false` for an app without a library face; `copy` lists
 *   plain JavaScript files to place in dist/ untouched (they may import only packages and `node:` modules)
 * @returns {import('tsup').Options}
 */
export function preset(entries, { dts = true, copy = [] } = {}) {
  return {
    entry: Object.fromEntries(Object.entries(entries).filter(([, source]) => isThere(source))),
    format: 'esm',
    target: 'node20',
    dts: dts && declarations(entries),
    clean: true,
    sourcemap: true,
    splitting: true,
    skipNodeModulesBundle: true,
    removeNodeProtocol: false,
    silent: true,
    async onSuccess() {
      for (const file of copy.filter(isThere)) copyFileSync(file, join('dist', basename(file)))
    },
  }
}

/**
 * What tsup makes type declarations of: those that TypeScript 7 writes of the sources, in seconds, where tsup's own way,
 * which checks all that a package imports with TypeScript 5.9, takes a minute. Types of other packages come from what those
 * have built. Only entries that package.json gives types for have declarations.
 *
 * @param {Record<string, string>} entries
 */
function declarations(entries) {
  const { exports } = JSON.parse(readFileSync('package.json', 'utf8'))
  const typed = Object.keys(entries).filter((name) => JSON.stringify(exports).includes(`"./dist/${name}.d.ts"`))
  rmSync(folder, { recursive: true, force: true })
  mkdirSync(folder)
  const project = join(folder, 'tsconfig.json')
  writeFileSync(
    project,
    JSON.stringify({
      extends: '../tsconfig.json',
      // Types are checked by `pnpm typecheck`.
      compilerOptions: {
        customConditions: [],
        noCheck: true,
        noEmit: false,
        declaration: true,
        emitDeclarationOnly: true,
        rootDir: '../src',
        outDir: '.',
      },
      include: [],
      files: typed.map((name) => relative(folder, entries[name] ?? '')),
    }),
  )
  const compiler = join(dirname(createRequire(import.meta.url).resolve('typescript-7/package.json')), 'bin', 'tsc')
  execFileSync(process.execPath, [compiler, '-p', project], { stdio: ['ignore', 'inherit', 'inherit'] })
  const written = (/** @type {string} */ source) =>
    join(folder, relative('src', source)).replace(/\.(m?)ts$/, '.d.$1ts')
  return {
    entry: Object.fromEntries(typed.map((name) => [name, written(entries[name] ?? '')])),
    compilerOptions: { customConditions: [] },
  }
}

/** A package under construction still builds what it has; `pnpm check:packages` refuses an export without its file. */
function isThere(/** @type {string} */ file) {
  if (existsSync(file)) return true
  console.warn(`tsup preset: ${file} does not exist yet, left out of this build`)
  return false
}
