// The kinds of jobs: a model comes from the Hub; what a run has trained becomes files of another format, goes to the Hub, or is evaluated.
import { mkdir } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { hubClient, resolveModel } from '@jora/llama'
import { z } from 'zod'
import type { EvalRequest, ExportRequest, PushRequest } from '../api'
import { inRun } from '../files/run-files'
import { childEnv, flags, type Commands } from '../process/command'
import type { ManagedRun } from '../runs/managed-run'
import { badValue, Failure } from '../server/failure'
import type { JobWork } from './jobs'

const tellEveryMs = 250
/** Large models take their time. */
const timeoutMs = 12 * 3_600_000

const resultSchema = z.record(z.string(), z.unknown())

export function downloadWork(id: string): JobWork {
  if (!hubClient.isModelId(id) || hubClient.isPath(id))
    throw badValue(
      'id',
      `${JSON.stringify(id)} is not a Hub id; expected USER/NAME, of letters, digits, "-", "_" and "."`,
    )
  return {
    kind: 'download',
    title: id,
    async run(signal, progress) {
      const files = new Map<string, { done: number; total: number }>()
      let toldMs = 0
      const { dir, revision } = await resolveModel(id, {
        signal,
        onProgress: ({ file, receivedBytes, totalBytes }) => {
          files.set(file, { done: receivedBytes, total: totalBytes })
          if (Date.now() - toldMs < tellEveryMs && receivedBytes < totalBytes) return
          toldMs = Date.now()
          const all = [...files.values()]
          const sum = (key: 'done' | 'total') => all.reduce((n, each) => n + each[key], 0)
          progress({ done: sum('done'), total: sum('total'), text: file })
        },
      })
      return { ref: id, path: dir, revision: revision ?? null }
    },
  }
}

export interface RunWorkOptions {
  readonly commands: Commands
  readonly cwd: string
  /** The base model's folder. */
  readonly modelDir: string
}

/** The folder of what was trained. @throws Failure when there is none yet */
function trainedOf({ trained }: ManagedRun): string {
  if (trained === null)
    throw new Failure('conflict', 'This run has trained nothing yet: let it reach a checkpoint first.')
  return trained
}

/** What a command is given of a run: the base with the adapter, or the model that was trained itself. */
const modelFlags = (run: ManagedRun, modelDir: string): { readonly model: string; readonly adapter?: string } =>
  run.trains === 'model' ? { model: trainedOf(run) } : { model: modelDir, adapter: trainedOf(run) }

export async function exportWork(
  run: ManagedRun,
  { format, dtype }: ExportRequest,
  { commands, cwd, modelDir }: RunWorkOptions,
): Promise<JobWork> {
  const asked = modelFlags(run, modelDir)
  if (asked.adapter === undefined && (format === 'peft' || format === 'gguf-lora'))
    throw badValue('format', 'is for adapters: this run has trained the model itself')
  const isFile = format === 'gguf' || format === 'gguf-lora'
  const name = [format, dtype, ...(run.toRun().hasAdapter ? [] : [`step-${run.snapshot.step}`])]
    .filter(Boolean)
    .join('-')
  // One at a time gets a new name where another export of the kind is there.
  const stamp = new Date().toISOString().slice(0, 19).replace(/[-:]/g, '').replace('T', '-')
  const file = `exports/${name}-${stamp}${isFile ? '.gguf' : ''}`
  const output = join(run.folder, ...file.split('/'))
  return {
    kind: 'export',
    title: `${run.toRun().name} as ${format}${dtype === undefined ? '' : ` ${dtype}`}`,
    runId: run.id,
    async run(signal) {
      await mkdir(join(run.folder, 'exports'), { recursive: true })
      const given = flags({ format, ...asked, output, dtype })
      const printed = await commands.json(['export', ...given], resultSchema, { cwd, signal, timeoutMs })
      return { ...printed, path: output, file, isFolder: !isFile }
    },
  }
}

/** @param dataset a true path under the roots */
export function evalWork(
  run: ManagedRun,
  { dataset, columns, limit }: EvalRequest,
  { commands, cwd, modelDir }: RunWorkOptions,
): JobWork {
  const asked = modelFlags(run, modelDir)
  const stamp = new Date().toISOString().slice(0, 19).replace(/[-:]/g, '').replace('T', '-')
  const file = `evaluations/${stamp}.jsonl`
  const output = join(run.folder, ...file.split('/'))
  return {
    kind: 'eval',
    title: `${run.toRun().name} on ${basename(dataset)}`,
    runId: run.id,
    async run(signal, progress) {
      await mkdir(join(run.folder, 'evaluations'), { recursive: true })
      const given = flags({ ...asked, dataset, columns, limit, output })
      const onLine = (text: string) => progress({ done: 0, total: null, text: text.slice(0, 200) })
      const printed = await commands.json(['eval', ...given], resultSchema, { cwd, signal, timeoutMs, onLine })
      return { ...printed, path: output, file }
    },
  }
}

export async function pushWork(
  run: ManagedRun,
  { repoId, file, token, public: isPublic, commitMessage, dryRun }: PushRequest,
  { commands, cwd }: Omit<RunWorkOptions, 'modelDir'>,
): Promise<JobWork> {
  const input = file === undefined ? trainedOf(run) : await inRun(run.folder, file)
  return {
    kind: 'push',
    title: `${run.toRun().name} to ${repoId}`,
    runId: run.id,
    async run(signal) {
      const given = flags({
        input,
        'repo-id': repoId,
        public: isPublic ? true : undefined,
        'commit-message': commitMessage,
        'dry-run': dryRun ? true : undefined,
      })
      // By environment: arguments are there for all to see.
      const env = childEnv(token === undefined ? {} : { HF_TOKEN: token })
      try {
        return await commands.json(['push', ...given], resultSchema, { cwd, signal, env, timeoutMs })
      } catch (error) {
        // Whatever the push says of it, the token is told to nobody.
        if (token === undefined || !(error instanceof Failure)) throw error
        throw new Failure(error.code, error.message.replaceAll(token, '…'))
      }
    },
  }
}
