// Makes .gpu/ at the root of the repository: Node, Dawn, a Vulkan loader, JORA in one file, a model, and run.sh.
import { execFileSync } from 'node:child_process'
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
} from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'

const here = dirname(fileURLToPath(import.meta.url))
const root = join(here, '../..')
const target = join(root, '.gpu')

/** What is bundled, each into one file `dist/NAME.mjs`. An entry that does not exist is left out, and run.sh says so. */
const bundles = [
  { name: 'jora', entry: 'apps/cli/src/main.ts' },
  { name: 'conformance', entry: 'packages/tensor/test/backend/run.ts' },
]

/** The Vulkan loader, and what NVIDIA's driver links to and a machine without a screen may lack. */
const libraries = [
  'libvulkan1',
  'libglvnd0',
  'libx11-6',
  'libxext6',
  'libxcb1',
  'libxau6',
  'libxdmcp6',
  'libbsd0',
  'libmd0',
]

const mostBytes = 64 * 2 ** 20

if (process.platform !== 'linux' || process.arch !== 'x64')
  throw new Error('pack runs on Linux x64: it takes its own Node along')
const scratch = mkdtempSync(join(tmpdir(), 'jora-gpu-'))
try {
  mkdirSync(target, { recursive: true })
  const nodeArchive = packNode()
  for (const name of readdirSync(target)) if (name !== nodeArchive) rmSync(join(target, name), { recursive: true })
  packWebgpu()
  packLibraries()
  await bundle()
  cpSync(join(root, 'apps/cli/assets'), join(target, 'assets'), { recursive: true })
  for (const name of ['run.sh', 'adapter.mjs', 'compare.mjs', 'peft_bench.py', 'icd'])
    cpSync(join(here, name), join(target, name), { recursive: true })
} finally {
  rmSync(scratch, { recursive: true })
}
report()

/** This very Node, stripped. Compressing it takes a minute, so it is kept as long as the version stays. */
function packNode() {
  const archive = `node-${process.version}.tar.xz`
  if (existsSync(join(target, archive))) return archive
  console.log('compressing Node (a minute, once) …')
  mkdirSync(join(scratch, 'node/bin'), { recursive: true })
  const copy = join(scratch, 'node/bin/node')
  cpSync(realpathSync(process.execPath), copy)
  execFileSync('strip', [copy])
  compress(join(scratch, 'node'), archive)
  return archive
}

/** The package without the builds for other platforms, and without its dependency for debug output. */
function packWebgpu() {
  const source = dirname(createRequire(import.meta.url).resolve('webgpu'))
  const copy = join(scratch, 'webgpu/node_modules/webgpu')
  for (const part of ['package.json', 'index.js', 'LICENSE.md', 'dist/linux-x64']) {
    cpSync(join(source, part), join(copy, part), { recursive: true, dereference: true })
  }
  compress(join(scratch, 'webgpu'), 'webgpu.tar.xz')
}

/** Only the shared libraries out of Debian's packages; run.sh puts them before no program but ours. */
function packLibraries() {
  const folder = join(scratch, 'debs')
  mkdirSync(folder)
  execFileSync('apt-get', ['download', '-q', ...libraries.map((name) => `${name}:amd64`)], {
    cwd: folder,
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  for (const deb of readdirSync(folder)) execFileSync('dpkg-deb', ['-x', join(folder, deb), join(scratch, 'tree')])
  mkdirSync(join(target, 'lib'))
  const found = join(scratch, 'tree/usr/lib/x86_64-linux-gnu')
  for (const name of readdirSync(found).filter((one) => /\.so\.\d+$/.test(one))) {
    cpSync(realpathSync(join(found, name)), join(target, 'lib', name))
  }
}

async function bundle() {
  for (const { name, entry } of bundles) {
    if (!existsSync(join(root, entry))) {
      console.warn(`${entry} does not exist: no ${name} in the pack`)
      continue
    }
    await build({
      entryPoints: [join(root, entry)],
      outfile: join(target, 'dist', `${name}.mjs`),
      bundle: true,
      platform: 'node',
      format: 'esm',
      target: 'node20',
      conditions: ['@jora/source'],
      // koffi serves MPI, which one GPU does without.
      external: ['webgpu', 'onnxruntime-node', 'koffi'],
      // CommonJS dependencies ask for Node's modules with require.
      banner: {
        js: "import { createRequire as requireFrom } from 'node:module'; const require = requireFrom(import.meta.url);",
      },
      logLevel: 'warning',
    })
  }
}

/** @param {string} folder whose contents are packed @param {string} archive its name in the pack */
function compress(folder, archive) {
  const unfinished = join(scratch, archive)
  execFileSync('tar', ['--owner=0', '--group=0', '-cJf', unfinished, '-C', folder, '.'], {
    env: { ...process.env, XZ_OPT: '-9 -T0' },
  })
  cpSync(unfinished, join(target, `${archive}.part`))
  renameSync(join(target, `${archive}.part`), join(target, archive))
}

function report() {
  let total = 0
  for (const name of readdirSync(target)) {
    const bytes = size(join(target, name))
    total += bytes
    console.log(`${(bytes / 2 ** 20).toFixed(1).padStart(6)} MiB  ${name}`)
  }
  console.log(`${(total / 2 ** 20).toFixed(1).padStart(6)} MiB  in all`)
  if (total > mostBytes) throw new Error(`.gpu is ${total} bytes, over ${mostBytes}`)
}

/** @returns {number} */
function size(/** @type {string} */ path) {
  if (!statSync(path).isDirectory()) return statSync(path).size
  return readdirSync(path).reduce((sum, name) => sum + size(join(path, name)), 0)
}
