// Types of every workspace, by the compiler of TypeScript 7 (native, some ten times as fast as 5.9). TypeScript 5.9 stays
// beside it for tsup, which needs its API to write declarations.
// Usage: node tooling/scripts/typecheck.mjs [folder …]   (default: every workspace with a tsconfig.json)
import { spawn } from 'node:child_process'
import { existsSync, readdirSync } from 'node:fs'
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

const left = asked.length > 0 ? asked : workspaces
let failed = 0
async function worker() {
  for (let folder = left.shift(); folder !== undefined; folder = left.shift()) {
    const cache = join('node_modules', '.cache', 'typecheck', `${folder.replaceAll('/', '-')}.tsbuildinfo`)
    const args = [compiler, '--noEmit', '--pretty', 'false', '-p', folder, '--incremental', '--tsBuildInfoFile', cache]
    const child = spawn(process.execPath, args, { cwd: root })
    let text = ''
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (piece) => (text += piece))
    const code = await new Promise((resolve) => child.on('close', resolve))
    if (code === 0) continue
    failed++
    console.log(`${folder}:\n${text}`)
  }
}
await Promise.all(Array.from({ length: Math.min(2, availableParallelism()) }, worker))
if (failed > 0) process.exit(1)
