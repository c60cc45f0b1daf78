// Runs a TypeScript program as the ranks of an MPI job: bundled from source, started by mpirun.
import { build, type Plugin } from 'esbuild'
import { spawn, spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** What tests with MPI need and this machine lacks, for the end of a test's name; empty if nothing. */
export const missingMpi = [hasMpirun() ? '' : 'mpirun of Open MPI', hasLibrary() ? '' : 'libmpi']
  .filter((part) => part !== '')
  .join(' and ')

function hasMpirun(): boolean {
  const { stdout } = spawnSync('mpirun', ['--version'], { encoding: 'utf8' })
  return stdout?.includes('Open MPI') ?? false
}

function hasLibrary(): boolean {
  const { stdout } = spawnSync('sh', ['-c', 'PATH=$PATH:/sbin:/usr/sbin ldconfig -p'], { encoding: 'utf8' })
  return process.env.JORA_MPI_LIBRARY !== undefined || /libmpi\.so/.test(stdout ?? '')
}

/** A bundled program. */
export interface Program {
  readonly file: string
  remove(): void
}

/** Bundles a program and our sources that it imports; npm packages are loaded from where they are installed. */
export async function bundle(source: string): Promise<Program> {
  const dir = mkdtempSync(join(tmpdir(), 'jora-mpi-'))
  const file = join(dir, 'program.mjs')
  await build({
    entryPoints: [source],
    outfile: file,
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: 'node20',
    conditions: ['@jora/source'],
    plugins: [installedPackages],
    logLevel: 'silent',
  })
  return { file, remove: () => rmSync(dir, { recursive: true }) }
}

const installedPackages: Plugin = {
  name: 'installed packages',
  setup({ onResolve, resolve }) {
    onResolve({ filter: /^[^./]/ }, async ({ path, kind, resolveDir, pluginData }) => {
      if (pluginData === 'resolving' || /^(@jora\/|node:)/.test(path)) return undefined
      const found = await resolve(path, { kind, resolveDir, pluginData: 'resolving' })
      return { path: found.path, external: true }
    })
  },
}

/** How a job ended. */
export interface Outcome {
  /** mpirun's exit code; −1 if it had to be killed. */
  readonly code: number
  readonly stdout: string
  readonly stderr: string
  readonly seconds: number
}

/** mpirun on this machine, for this many ranks: the start of a command. */
export function mpirun(ranks: number): readonly string[] {
  return ['mpirun', '--oversubscribe', '--bind-to', 'none', '-n', String(ranks)]
}

export interface RunOptions {
  readonly env?: Readonly<Record<string, string>>
  /** Seconds after which the command is killed. */
  readonly limit?: number
  /** Called with all output so far whenever there is more. */
  readonly watch?: (output: string) => void
}

/** Runs a command until it and all that writes to its output have ended. */
export function run(
  command: readonly string[],
  { env = {}, limit = 60, watch = () => {} }: RunOptions = {},
): Promise<Outcome> {
  const started = performance.now()
  const [name, ...parameters] = command
  const child = spawn(name!, parameters, {
    // Open MPI asks root twice.
    env: { ...process.env, OMPI_ALLOW_RUN_AS_ROOT: '1', OMPI_ALLOW_RUN_AS_ROOT_CONFIRM: '1', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: limit * 1000,
    killSignal: 'SIGKILL',
  })
  let stdout = ''
  let stderr = ''
  child.stdout.on('data', (data: Buffer) => {
    stdout += String(data)
    watch(stdout + stderr)
  })
  child.stderr.on('data', (data: Buffer) => {
    stderr += String(data)
    watch(stdout + stderr)
  })
  return new Promise((resolve, reject) => {
    child.on('error', reject)
    child.on('close', (code) =>
      resolve({ code: code ?? -1, stdout, stderr, seconds: (performance.now() - started) / 1000 }),
    )
  })
}
