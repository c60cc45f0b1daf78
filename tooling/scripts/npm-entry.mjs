// What `npm run quickstart|build|test|jora` calls: brings pnpm through npx, installs, builds, then runs the command.
import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync, statSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..')
const [command, ...args] = process.argv.slice(2)
const { packageManager } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))

const [major = 0, minor = 0] = process.versions.node.split('.').map(Number)
if (major < 20 || (major === 20 && minor < 19)) {
  console.error(`JORA needs Node 20.19 or newer; this is ${process.versions.node}.`)
  process.exit(1)
}

function run(program, programArgs, options = {}) {
  const { status, error } = spawnSync(program, programArgs, {
    cwd: root,
    stdio: 'inherit',
    shell: process.platform === 'win32' && program !== process.execPath,
    ...options,
  })
  if (error) throw error
  if (status !== 0) process.exit(status ?? 1)
}

// npm exports its own settings as npm_config_*; pnpm warns about the ones it does not know.
const env = Object.fromEntries(
  Object.entries(process.env).filter(([key]) => !/^npm_config_(?!registry|proxy|https_proxy|cache)/i.test(key)),
)
const pnpm = (pnpmArgs) => run('npx', ['--yes', packageManager, ...pnpmArgs], { env, stdio: ['inherit', 2, 2] })

function isStale() {
  const stamp = join(root, 'node_modules', '.modules.yaml')
  return !existsSync(stamp) || statSync(join(root, 'pnpm-lock.yaml')).mtimeMs > statSync(stamp).mtimeMs
}

if (isStale()) pnpm(['install', '--frozen-lockfile', '--prefer-offline'])
if (command === 'test') {
  run('npx', ['--yes', packageManager, 'run', 'check:test', ...args], { env })
} else {
  pnpm(['exec', 'turbo', 'run', 'build', '--output-logs=errors-only', '--log-order=stream'])
  if (command !== 'build') {
    const jora = join(root, 'apps', 'cli', 'bin', 'jora.mjs')
    run(process.execPath, [jora, ...(command === 'quickstart' ? ['quickstart'] : []), ...args], {
      cwd: process.env.INIT_CWD ?? root,
    })
  }
}
