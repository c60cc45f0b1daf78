// Whether the build is that of the sources as they are, told by their sizes and times: a few milliseconds, where asking
// turbo takes seconds.
import { createHash } from 'node:crypto'
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

/** What the build reads, besides the folders of packages. */
const files = ['package.json', 'pnpm-lock.yaml', 'pnpm-workspace.yaml', 'turbo.json']
const folders = ['packages', 'apps', 'tooling/tsup', 'tooling/tsconfig']
/** What it does not read, or writes. As `inputs` in turbo.json. */
const skipped = new Set(['node_modules', 'dist', 'test', 'README.md'])
const isSkipped = (/** @type {string} */ name) => name.startsWith('.') || skipped.has(name) || name.endsWith('.test.ts')

const stampOf = (/** @type {string} */ root) => join(root, 'node_modules', '.jora-build')

/**
 * A text that changes when a source does.
 * @param {string} root folder of the repository
 */
export function sourceState(root) {
  const hash = createHash('sha256').update(`${process.version}\n`)
  const note = (/** @type {string} */ path) => {
    const { size, mtimeMs } = statSync(join(root, path))
    hash.update(`${path}:${size}:${mtimeMs}\n`)
  }
  const walk = (/** @type {string} */ folder) => {
    for (const entry of readdirSync(join(root, folder), { withFileTypes: true })) {
      if (isSkipped(entry.name)) continue
      const path = `${folder}/${entry.name}`
      if (entry.isDirectory()) walk(path)
      else if (entry.isFile()) note(path)
    }
  }
  for (const path of files) if (existsSync(join(root, path))) note(path)
  for (const folder of folders) if (existsSync(join(root, folder))) walk(folder)
  return hash.digest('hex')
}

/** Whether the last build was of these sources, and what it wrote is there. @param {string} root */
export function isBuilt(root) {
  if (!existsSync(stampOf(root)) || readFileSync(stampOf(root), 'utf8') !== sourceState(root)) return false
  return ['packages', 'apps'].every((folder) =>
    readdirSync(join(root, folder)).every(
      (name) =>
        !existsSync(join(root, folder, name, 'package.json')) || readdirSync(join(root, folder, name)).includes('dist'),
    ),
  )
}

/**
 * Notes that a build is that of the sources as they were.
 * @param {string} root
 * @param {string} state `sourceState` before the build: what changes meanwhile is built again
 */
export const noteBuild = (root, state) => writeFileSync(stampOf(root), state)
