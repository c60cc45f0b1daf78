// How every JORA package is built: ESM with types and source maps for Node 20, all output files at the root of dist/.
import { copyFileSync, existsSync } from 'node:fs'
import { basename, join } from 'node:path'

/**
 * The tsup options of one package. Output names are the keys of `entries`, without folders, and shared chunks lie beside
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
    dts,
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

/** A package under construction still builds what it has; `pnpm check:packages` refuses an export without its file. */
function isThere(/** @type {string} */ file) {
  if (existsSync(file)) return true
  console.warn(`tsup preset: ${file} does not exist yet, left out of this build`)
  return false
}
