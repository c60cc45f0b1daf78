// `pnpm check:packages`: publint and are-the-types-wrong on every package, as packed for publishing.
import { mkdtempSync, rmSync } from 'node:fs'
import { availableParallelism, tmpdir } from 'node:os'
import { join } from 'node:path'
import { built, exec, packAll, root } from './pack.mjs'

const publint = join(root, 'node_modules', 'publint', 'src', 'cli.js')
const attw = join(root, 'node_modules', '@arethetypeswrong', 'cli', 'dist', 'index.js')

const [packages, missing] = built()
if (missing.length > 0) {
  console.error(`check:packages: not built: ${missing.join(', ')}`)
  process.exit(1)
}

const folder = mkdtempSync(join(tmpdir(), 'jora-pack-'))
try {
  const packed = await packAll(packages, folder)
  const checks = packed.flatMap(({ name, tarball, exports }) => [
    () => check('publint', name, [publint, 'run', tarball, '--strict']),
    // An app has nothing to import. Packages are ES modules only, for Node's and bundlers' resolution.
    ...(exports.length > 0
      ? [() => check('attw', name, [attw, tarball, '--profile', 'esm-only', '--no-definitely-typed', '--no-emoji'])]
      : []),
  ])
  /** @type {boolean[]} */
  const results = []
  const worker = async () => {
    for (let next = checks.pop(); next; next = checks.pop()) results.push(await next())
  }
  await Promise.all(Array.from({ length: availableParallelism() }, worker))
  const failed = results.filter((ok) => !ok).length
  console.log(`check:packages: ${packed.length} packages, ${results.length} checks, ${failed} failed`)
  if (failed > 0) process.exitCode = 1
} finally {
  rmSync(folder, { recursive: true, force: true })
}

/** @param {string} tool @param {string} name @param {string[]} args */
async function check(tool, name, args) {
  try {
    await exec(process.execPath, args, { cwd: root })
    return true
  } catch (error) {
    const { stdout = '', stderr = '' } = /** @type {{ stdout?: string, stderr?: string }} */ (error)
    console.error(`${tool} ${name}:\n${stdout}${stderr || (stdout ? '' : error)}`)
    return false
  }
}
