// Types of every workspace, by the compiler of TypeScript 7 (native, some ten times as fast as 5.9). TypeScript 5.9 stays
// beside it for tsup, which needs its API to write declarations. Workspaces with the same options are one program: they
// import each other's sources, which are checked once then (a third of the time of a program each).
// Usage: node tooling/scripts/typecheck.mjs [folder …]   (default: every workspace with a tsconfig.json)
import { spawn } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { availableParallelism } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..')
const compiler = join(dirname(createRequire(import.meta.url).resolve('typescript-7/package.json')), 'bin', 'tsc')

const workspaces = ['packages', 'apps', 'tooling']
  .flatMap((folder) => readdirSync(join(root, folder)).map((name) => `${folder}/${name}`))
  .concat('examples')
  .filter((folder) => existsSync(join(root, folder, 'tsconfig.json')))
const asked = process.argv.slice(2).map((folder) => folder.replace(/\/+$/, ''))
const unknown = asked.filter((folder) => !workspaces.includes(folder))
if (unknown.length > 0) {
  console.error(`typecheck: ${unknown.join(', ')}: expected one of ${workspaces.join(', ')}`)
  process.exit(2)
}

const cache = join(root, 'node_modules', '.cache', 'typecheck')
mkdirSync(cache, { recursive: true })

/** @param {string} folder @returns {{ include: string[], compilerOptions?: object }} */
const configOf = (folder) => JSON.parse(readFileSync(join(root, folder, 'tsconfig.json'), 'utf8'))

/** A project for the workspaces that have the options of all. @param {string[]} folders */
function together(folders) {
  const project = join(cache, 'together.json')
  const include = folders.flatMap((folder) => configOf(folder).include.map((path) => join(root, folder, path)))
  writeFileSync(project, JSON.stringify({ extends: join(root, 'tooling', 'tsconfig', 'base.json'), include }))
  return project
}

const folders = asked.length > 0 ? asked : workspaces
const plain = folders.filter((folder) => configOf(folder).compilerOptions === undefined)
const left = [
  ...(plain.length > 0 ? [{ name: plain.join(', '), project: together(plain) }] : []),
  ...folders.filter((folder) => !plain.includes(folder)).map((folder) => ({ name: folder, project: folder })),
]
let failed = 0
async function worker() {
  for (let next = left.shift(); next !== undefined; next = left.shift()) {
    const child = spawn(process.execPath, [compiler, '--noEmit', '--pretty', 'false', '-p', next.project], {
      cwd: root,
    })
    let text = ''
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (piece) => (text += piece))
    const code = await new Promise((resolve) => child.on('close', resolve))
    if (code === 0) continue
    failed++
    console.log(`${next.name}:\n${text}`)
  }
}
await Promise.all(Array.from({ length: Math.min(2, availableParallelism()) }, worker))
if (failed > 0) process.exit(1)
