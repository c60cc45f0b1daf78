// The publishable packages of the workspace, and their tarballs as `pnpm publish` would send them.
import { execFile } from 'node:child_process'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

export const root = fileURLToPath(new URL('../..', import.meta.url))

/** A command's output; a failure carries what the command said. */
export const exec = promisify(execFile)

/** @typedef {{ name: string, version: string, dir: string, exports: string[], bin: Record<string, string> }} Package */

/** @returns {Package[]} every package that is not private, in the order of their names */
export function publishable() {
  return ['packages', 'apps']
    .flatMap((group) => readdirSync(join(root, group)).map((name) => join(root, group, name)))
    .filter((dir) => existsSync(join(dir, 'package.json')))
    .map((dir) => ({ dir, manifest: JSON.parse(readFileSync(join(dir, 'package.json'), 'utf8')) }))
    .filter(({ manifest }) => !manifest.private)
    .map(({ dir, manifest: { name, version, exports = {}, bin = {} } }) => ({
      name,
      version,
      dir,
      exports: Object.keys(exports),
      bin,
    }))
    .sort((a, b) => a.name.localeCompare(b.name))
}

/** The built packages; what is missing is named in the second list. @returns {[Package[], string[]]} */
export function built() {
  const all = publishable()
  return [all, all.filter(({ dir }) => !existsSync(join(dir, 'dist'))).map(({ name }) => name)]
}

/**
 * Runs the pnpm that runs us, or else the pinned one through npx.
 * @param {string[]} args
 * @param {{ cwd: string, env?: NodeJS.ProcessEnv }} options
 */
export function pnpm(args, options) {
  const script = process.env.npm_execpath ?? ''
  const all = { maxBuffer: 1 << 26, ...options }
  if (/pnpm\.c?js$/.test(script)) return exec(process.execPath, [script, ...args], all)
  const { packageManager } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
  return exec('npx', ['--yes', packageManager, ...args], { ...all, shell: process.platform === 'win32' })
}

/**
 * Packs into `folder`; the packages must be built.
 * @param {Package[]} packages
 * @param {string} folder
 * @returns {Promise<(Package & { tarball: string })[]>}
 */
export async function packAll(packages, folder) {
  // One pnpm for all: each start of it takes seconds.
  const filters = packages.flatMap(({ name }) => ['--filter', name])
  await pnpm(['--recursive', ...filters, 'pack', '--pack-destination', folder], { cwd: root })
  return packages.map((one) => ({
    ...one,
    tarball: join(folder, `${one.name.replace('@', '').replace('/', '-')}-${one.version}.tgz`),
  }))
}
