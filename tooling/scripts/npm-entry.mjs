// What `npm run quickstart|build|test|jora|results` calls: brings the pinned pnpm, installs, builds, then runs the command.
// stdout belongs to the command alone (`--json` stays clean); everything said on the way goes to stderr, and only if it
// takes long or fails.
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { isBuilt, noteBuild, sourceState } from './build-state.mjs'

const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..')
const [command, ...args] = process.argv.slice(2)
const { packageManager } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))

const [major = 0, minor = 0] = process.versions.node.split('.').map(Number)
if (major < 20 || (major === 20 && minor < 19))
  fail(`JORA needs Node 20.19 or newer; this is ${process.versions.node}.`)

// npm and pnpm hand every setting down as npm_config_*, and each warns about the other's: keep those both know.
const shared = /^npm_config_(registry|@.*|https?_proxy|proxy|no_?proxy|cache|cafile|ca|strict_ssl|userconfig|offline)$/i
const env = {
  ...Object.fromEntries(Object.entries(process.env).filter(([key]) => !/^npm_config_/i.test(key) || shared.test(key))),
  npm_config_update_notifier: 'false',
  TURBO_TELEMETRY_DISABLED: '1',
  TURBO_NO_UPDATE_NOTIFIER: '1',
}

/** Workspaces with heavy dependencies that only tests use: a first `npm run quickstart` does without them. */
const testOnly = ['@jora-tooling/browser', '@jora-tooling/software-gpu']

switch (command) {
  case 'build':
    install('everything')
    build()
    break
  case 'test':
    install('everything')
    pnpm(['--silent', 'run', 'check:test', ...args], 'inherit')
    break
  case 'jora':
    install('to run')
    build()
    await jora(args)
    break
  case 'quickstart':
    install('to run')
    build()
    await jora(['quickstart', ...args])
    break
  case 'doctor':
    install('to run')
    build()
    await jora(['doctor', ...args])
    break
  case 'results':
    install('everything')
    build()
    run(process.execPath, [join(root, 'tooling/studies/results.mjs'), ...args], {
      cwd: process.env.INIT_CWD ?? root,
      stdio: 'inherit',
    })
    break
  default:
    fail(`npm-entry: build, test, jora, quickstart, doctor or results expected, got ${command ?? 'nothing'}`, 2)
}

/**
 * Installs when the lock file (or the Node that native packages were chosen for) is not the one of the last install.
 * @param {'everything' | 'to run'} extent
 */
function install(extent) {
  const stamp = join(root, 'node_modules', '.jora-install')
  const wanted = createHash('sha256')
    .update(`${process.platform}-${process.arch}-${process.versions.modules}\n`)
    .update(readFileSync(join(root, 'pnpm-lock.yaml')))
    .digest('hex')
  const modules = join(root, 'node_modules', '.modules.yaml')
  const last = existsSync(modules) && existsSync(stamp) ? readFileSync(stamp, 'utf8') : ''
  if (last === `everything ${wanted}` || last === `${extent} ${wanted}`) return
  console.error('Installing dependencies (once, then only when the lock file changes) …')
  const leftOut = extent === 'everything' ? [] : testOnly.map((name) => `--filter=!${name}`)
  pnpm(['install', '--frozen-lockfile', '--prefer-offline', ...leftOut], 'quiet')
  writeFileSync(stamp, `${extent} ${wanted}`)
}

/** Builds what changed; where nothing did, no other program is asked. */
function build() {
  if (isBuilt(root)) return
  const state = sourceState(root)
  pnpm(['exec', 'turbo', 'run', 'build', '--output-logs=errors-only', '--log-order=grouped'], 'quiet')
  noteBuild(root, state)
}

/** The command line runs where npm was called, so that relative paths mean what the user typed; in this process, to begin at once. */
async function jora(/** @type {string[]} */ joraArgs) {
  const launcher = join(root, 'apps', 'cli', 'bin', 'jora.mjs')
  process.chdir(process.env.INIT_CWD ?? root)
  process.argv = [process.execPath, launcher, ...joraArgs]
  await import(pathToFileURL(launcher).href)
}

/**
 * Runs the pinned pnpm: the one already running this script, or else through npx, which also puts it on PATH for turbo.
 * @param {string[]} pnpmArgs
 * @param {'inherit' | 'quiet'} output quiet: shown on stderr only when it fails
 */
function pnpm(pnpmArgs, output) {
  const running = `${process.env.npm_config_user_agent ?? ''} `.startsWith(`${packageManager.replace('@', '/')} `)
  const script = process.env.npm_execpath ?? ''
  const [program, before] =
    running && /\.c?js$/.test(script) ? [process.execPath, [script]] : ['npx', ['--yes', packageManager]]
  run(program, [...before, ...pnpmArgs], {
    env,
    cwd: root,
    shell: process.platform === 'win32' && program === 'npx',
    ...(output === 'inherit'
      ? { stdio: 'inherit' }
      : { stdio: ['ignore', 'pipe', 'pipe'], encoding: 'utf8', maxBuffer: 1 << 28 }),
  })
}

/** @param {string} program @param {string[]} programArgs @param {import('node:child_process').SpawnSyncOptions} options */
function run(program, programArgs, options) {
  // A terminal's Ctrl-C reaches the child as well: let it finish its own way, then pass on how it ended.
  const wait = () => {}
  for (const name of /** @type {const} */ (['SIGINT', 'SIGTERM'])) process.on(name, wait)
  const { status, signal, error, stdout, stderr } = spawnSync(program, programArgs, options)
  for (const name of /** @type {const} */ (['SIGINT', 'SIGTERM'])) process.off(name, wait)
  if (error) fail(`npm-entry: cannot run ${program}: ${error.message}`)
  if (status === 0) return
  if (stdout) process.stderr.write(stdout)
  if (stderr) process.stderr.write(stderr)
  process.exit(status ?? (signal === 'SIGINT' ? 130 : signal === 'SIGTERM' ? 143 : 1))
}

/** @returns {never} */
function fail(/** @type {string} */ message, code = 1) {
  console.error(message)
  process.exit(code)
}
