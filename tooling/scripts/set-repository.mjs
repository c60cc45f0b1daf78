// Before a release is published: writes into every package where its source is, which npm's provenance compares with
// the workflow that publishes. The address is the workflow's own, so a fork publishes under its own.
//   GITHUB_REPOSITORY=owner/name node tooling/scripts/set-repository.mjs
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join, posix } from 'node:path'

const repository = process.env.GITHUB_REPOSITORY
if (!/^[\w.-]+\/[\w.-]+$/.test(repository ?? '')) {
  console.error(`set-repository: GITHUB_REPOSITORY is ${repository ?? 'not set'}, expected owner/name`)
  process.exit(2)
}
const server = process.env.GITHUB_SERVER_URL ?? 'https://github.com'
const root = join(import.meta.dirname, '..', '..')

for (const folder of ['packages', 'apps'])
  for (const name of readdirSync(join(root, folder))) {
    const path = join(root, folder, name, 'package.json')
    if (!existsSync(path)) continue
    const manifest = JSON.parse(readFileSync(path, 'utf8'))
    if (manifest.private) continue
    const directory = posix.join(folder, name)
    manifest.homepage = `${server}/${repository}/tree/HEAD/${directory}#readme`
    manifest.bugs = `${server}/${repository}/issues`
    manifest.repository = { type: 'git', url: `git+${server}/${repository}.git`, directory }
    writeFileSync(path, `${JSON.stringify(manifest, null, 2)}\n`)
    console.log(manifest.name)
  }
