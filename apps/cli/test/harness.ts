// Running the command line in tests: in this process with its streams caught, or as the built program.
import { spawn, type ChildProcess } from 'node:child_process'
import { cpSync, existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setDefaultDevice } from '@jora/tensor'
import { run } from '../src/program'
import type { Io } from '../src/io'

const shared = process.env.JORA_SHARED ?? join(import.meta.dirname, '../../../../shared')
const candidates = [join(import.meta.dirname, '../assets/tiny-llama'), join(shared, 'models/stories260K')]

/** A small model to train on, if there is one. */
export const modelSource = candidates.find((folder) => existsSync(join(folder, 'model.safetensors')))

const launcher = join(import.meta.dirname, '../bin/jora.mjs')
export const isBuilt = existsSync(join(import.meta.dirname, '../dist/main.js'))

export interface Result {
  readonly code: number
  readonly out: string
  readonly err: string
}

/** Runs `jora …argv` in this process. */
export async function jora(
  argv: readonly string[],
  options: { stdin?: string; isTTY?: boolean; env?: Io['env'] } = {},
): Promise<Result> {
  let [out, err] = ['', '']
  const { isTTY = false, env = {} } = options
  const code = await run(argv, {
    stdout: { write: (text) => void (out += text), isTTY, columns: 100 },
    stderr: { write: (text) => void (err += text), isTTY, columns: 100 },
    env,
    readStdin: async () => options.stdin ?? '',
    async *readLines() {
      yield* (options.stdin ?? '').split('\n').slice(0, -1)
    },
    onInterrupt: () => () => {},
    endNow: () => {},
    turnToTell: async () => '',
  })
  return { code, out, err }
}

export interface Spawned {
  readonly child: ChildProcess
  /** Resolves when stderr holds `text`. */
  says(text: string): Promise<void>
  readonly ended: Promise<{ code: number | null; signal: NodeJS.Signals | null; out: string; err: string }>
}

/** Runs the built program in `cwd`. */
export function spawnJora(argv: readonly string[], cwd: string): Spawned {
  const child = spawn(process.execPath, [launcher, ...argv], { cwd, stdio: ['ignore', 'pipe', 'pipe'] })
  let [out, err] = ['', '']
  child.stdout.on('data', (chunk: Buffer) => (out += chunk.toString()))
  child.stderr.on('data', (chunk: Buffer) => (err += chunk.toString()))
  const ended = new Promise<Awaited<Spawned['ended']>>((resolve) => {
    child.on('close', (code, signal) => resolve({ code, signal, out, err }))
  })
  const says = async (text: string) => {
    const deadline = Date.now() + 60_000
    while (!err.includes(text)) {
      if (Date.now() > deadline || child.exitCode !== null)
        throw new Error(`never said ${JSON.stringify(text)}: ${err}`)
      await new Promise((resolve) => setTimeout(resolve, 5))
    }
  }
  return { child, says, ended }
}

/** Short questions whose answers are in them. */
export const rows = Array.from({ length: 20 }, (_, i) => ({
  instruction: `Say the word ${['red', 'blue', 'green', 'black'][i % 4]}.`,
  output: ['red', 'blue', 'green', 'black'][i % 4],
}))

/** Closes a GPU that commands in this process left open: for the other files of a worker `auto` would be that one. */
async function closeGpu(): Promise<void> {
  const device = setDefaultDevice(undefined)
  if (device?.kind === 'webgpu') await device.close()
  else setDefaultDevice(device)
}

/** A folder with `rows.json` and, in `model`, a copy of the small model; removed at the end. */
export function workspace(): { dir: string; path: (...parts: string[]) => string; remove(): Promise<void> } {
  const dir = mkdtempSync(join(tmpdir(), 'jora-cli-'))
  writeFileSync(join(dir, 'rows.json'), JSON.stringify(rows))
  if (modelSource !== undefined) cpSync(modelSource, join(dir, 'model'), { recursive: true })
  const remove = async () => {
    rmSync(dir, { recursive: true, force: true })
    await closeGpu()
  }
  return { dir, path: (...parts) => join(dir, ...parts), remove }
}
