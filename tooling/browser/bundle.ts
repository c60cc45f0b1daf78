// Bundles a module for a page, from the packages' sources.
import { build } from 'esbuild'

export interface PageBundle {
  /** One ES module. */
  readonly code: string
  /** The npm packages in it that are not ours, sorted. */
  readonly packages: readonly string[]
}

/**
 * Bundles TypeScript text whose imports are resolved from this folder.
 * @throws Error naming file and import when something is imported that a page has not, as `node:fs`
 */
export async function bundleForPage(text: string): Promise<PageBundle> {
  const { outputFiles, metafile } = await build({
    stdin: { contents: text, resolveDir: import.meta.dirname, loader: 'ts' },
    bundle: true,
    platform: 'browser',
    format: 'esm',
    target: 'es2022',
    conditions: ['@jora/source', 'browser'],
    // Names stay: an error in a page is read by someone.
    minifyWhitespace: true,
    write: false,
    metafile: true,
    logLevel: 'silent',
  })
  const inputs = Object.values(metafile.outputs).flatMap((output) => Object.entries(output.inputs))
  const packages = inputs.flatMap(([file, { bytesInOutput }]) => {
    if (bytesInOutput === 0) return [] // what nobody uses is left out
    const name = /.*\/node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(file)?.[1]
    return name === undefined ? [] : [name]
  })
  return { code: outputFiles[0]!.text, packages: [...new Set(packages)].sort() }
}
