// `pnpm check:release`: `pnpm release` on a copy of the repository, publishing to a registry that exists only for this
// run and keeps nothing. It proves that versions, changelogs, builds and tarballs hold together.
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import { gunzipSync } from 'node:zlib'
import { built, exec, pnpm, publishable, root } from './pack.mjs'

const [packages, missing] = built()
if (missing.length > 0) {
  fail(`not built: ${missing.join(', ')}`)
  process.exit()
}
const copy = mkdtempSync(join(tmpdir(), 'jora-release-'))

/** @type {Map<string, { version: string, manifest: any, files: string[] }>} */
const published = new Map()

// As much of the registry protocol as publishing needs: nothing is there yet, every package sent is welcome.
const registry = createServer((request, response) => {
  if (request.method !== 'PUT') return void response.writeHead(404).end('{}')
  /** @type {Buffer[]} */
  const chunks = []
  request.on('data', (chunk) => chunks.push(chunk))
  request.on('end', () => {
    const { name, versions, _attachments } = JSON.parse(Buffer.concat(chunks).toString())
    const [[version, manifest] = []] = /** @type {[string, any][]} */ (Object.entries(versions))
    const [{ data } = { data: '' }] = /** @type {{ data: string }[]} */ (Object.values(_attachments))
    published.set(name, { version: version ?? '', manifest, files: tarFiles(gunzipSync(Buffer.from(data, 'base64'))) })
    response.writeHead(201, { 'content-type': 'application/json' }).end('{"ok":true}')
  })
})

try {
  await new Promise((resolve) => registry.listen(0, '127.0.0.1', () => resolve(undefined)))
  const { port } = /** @type {import('node:net').AddressInfo} */ (registry.address())

  await copyRepository()
  await pnpm(['install', '--frozen-lockfile', '--prefer-offline', '--ignore-scripts'], { cwd: copy })
  const before = new Map(packages.map(({ name, version }) => [name, version]))
  const waiting = await waitingChangesets()
  await pnpm(['exec', 'changeset', 'version'], { cwd: copy })
  await pnpm(['install', '--lockfile-only', '--prefer-offline'], { cwd: copy })
  await publish(`http://127.0.0.1:${port}/`)

  const problems = packages.flatMap(({ name, dir }) => {
    const { version } = JSON.parse(readFileSync(join(copy, relative(root, dir), 'package.json'), 'utf8'))
    const sent = published.get(name)
    if (!sent) return [`${name} was not published`]
    const text = JSON.stringify(sent.manifest)
    return [
      ...(sent.version === version ? [] : [`${name}: published ${sent.version}, version says ${version}`]),
      ...(waiting > 0 && version === before.get(name) ? [`${name}: still ${version} after changeset version`] : []),
      ...(/"(workspace|catalog):/.test(text) ? [`${name}: workspace: or catalog: left in package.json`] : []),
      ...(text.includes('@jora/source') ? [`${name}: the source condition is published`] : []),
      ...(sent.files.some((file) => file.startsWith('package/LICENSE')) ? [] : [`${name}: no LICENSE in the tarball`]),
      ...sent.files.filter((file) => /\.test\.|\/src\/|\.tgz$/.test(file)).map((file) => `${name}: holds ${file}`),
    ]
  })
  const [{ version = '' } = {}] = published.values()
  if (problems.length > 0) fail(problems.join('\n'))
  else console.log(`check:release: ${published.size} packages would be published as ${version}`)
} catch (error) {
  const { stdout = '', stderr = '' } = /** @type {{ stdout?: string, stderr?: string }} */ (error)
  fail(`${error}\n${stdout}${stderr}`)
} finally {
  registry.close()
  registry.closeAllConnections()
  rmSync(copy, { recursive: true, force: true })
}

/** Tracked and new files as they are in the working tree, and what the build made of them, as a repository of its own. */
async function copyRepository() {
  const { stdout } = await exec('git', ['ls-files', '--cached', '--others', '--exclude-standard', '-z'], { cwd: root })
  const files = stdout.split('\0').filter((file) => file && existsSync(join(root, file)))
  const dists = publishable().map(({ dir }) => join(relative(root, dir), 'dist'))
  for (const file of [...files, ...dists]) cpSync(join(root, file), join(copy, file), { recursive: true })
  const git = (/** @type {string[]} */ ...args) =>
    exec('git', ['-c', 'user.name=check', '-c', 'user.email=check@localhost', ...args], { cwd: copy })
  await git('init', '--quiet', '--initial-branch=main')
  await git('add', '--all')
  await git('commit', '--quiet', '--message=copy')
}

async function waitingChangesets() {
  await pnpm(['exec', 'changeset', 'status', '--output=.changeset-status.json'], { cwd: copy })
  const file = join(copy, '.changeset-status.json')
  const { changesets } = JSON.parse(readFileSync(file, 'utf8'))
  rmSync(file)
  return changesets.length
}

/**
 * Publishes to `url` and cannot reach another registry's account: neither settings nor credentials of the user are seen.
 * @param {string} url
 */
async function publish(url) {
  const npmrc = join(copy, '.npmrc-dry-run')
  writeFileSync(npmrc, `registry=${url}\n${url.replace('http:', '')}:_authToken=none\n`)
  const env = {
    ...Object.fromEntries(Object.entries(process.env).filter(([key]) => !/^(npm_|NPM_|NODE_AUTH)|TOKEN/i.test(key))),
    npm_config_userconfig: npmrc,
    npm_config_globalconfig: `${npmrc}-none`,
    npm_config_registry: url,
  }
  await pnpm(['exec', 'changeset', 'publish', '--no-git-tag'], { cwd: copy, env })
}

/** The file names in a tar archive: a 512-byte header for each, then its content rounded up to 512. @param {Buffer} tar */
function tarFiles(tar) {
  const names = []
  for (let at = 0; at + 512 <= tar.length && tar[at] !== 0;) {
    names.push(tar.toString('utf8', at, at + 100).replace(/\0.*$/s, ''))
    at += 512 + Math.ceil(parseInt(tar.toString('latin1', at + 124, at + 136), 8) / 512) * 512
  }
  return names
}

function fail(/** @type {string} */ message) {
  console.error(`check:release: ${message}`)
  process.exitCode = 1
}
