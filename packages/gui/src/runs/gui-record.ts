// gui.json: what the server must know of a run to start it, find its process again and leave those of others alone. What
// happens to the run is in control.jsonl beside it.
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { ControlEvent } from '@jora/lora'
import { writeJsonAtomic } from '@jora/tensor/files'
import { z } from 'zod'
import { settingsSchema } from '../api'

const recordFile = 'gui.json'
export const logFile = 'gui.log'
export const configFile = 'config.yaml'

const markSchema = z.object({ pid: z.number().int().positive(), start: z.string().min(1) })

const common = {
  name: z.string(),
  kind: z.enum(['train', 'quickstart']),
  settings: settingsSchema.nullable(),
  /** Of a quickstart. */
  device: z.enum(['auto', 'cpu', 'webgpu']).optional(),
  createdAt: z.string(),
  /** The run's process. */
  process: markSchema.nullable(),
  /** The server that starts, queues and stops it, as long as it lives. */
  server: markSchema.extend({ instance: z.string() }).nullable(),
}

const recordSchema = z.object({
  version: z.literal(2),
  ...common,
  /** Bytes of its log that earlier starts wrote. */
  logFrom: z.number(),
})
export type GuiRecord = z.infer<typeof recordSchema>

/** Earlier versions kept the state here. */
const firstSchema = z.object({
  version: z.literal(1),
  ...common,
  state: z.enum(['queued', 'running', 'paused', 'stopped', 'failed', 'done']),
  pending: z.enum(['pause', 'stop']).nullable(),
  message: z.string().nullable(),
  startedAt: z.string().nullable(),
  queuedAt: z.number(),
})
type FirstRecord = z.infer<typeof firstSchema>

/** Marks a text as this server's own. */
export type Seal = (text: string) => string

const sealOf = (folder: string, record: GuiRecord | FirstRecord, seal: Seal): string =>
  seal(`${folder}\n${JSON.stringify(record)}`)

export interface FoundRecord {
  readonly record: GuiRecord
  /** Whether a server with this key wrote it, for this folder. */
  readonly isSealed: boolean
  /** What control.jsonl would say, of a record of an earlier version that has none. */
  readonly control: readonly ControlEvent[]
}

/** Undefined when there is none, or none that this version reads. */
export async function readRecord(folder: string, seal: Seal): Promise<FoundRecord | undefined> {
  try {
    const json = JSON.parse(await readFile(join(folder, recordFile), 'utf8')) as { seal?: unknown }
    const found = z.discriminatedUnion('version', [firstSchema, recordSchema]).parse(json)
    const isSealed = json.seal === sealOf(folder, found, seal)
    return found.version === 2 ? { record: found, isSealed, control: [] } : { ...upgraded(found), isSealed }
  } catch {
    return undefined
  }
}

const endOf = { paused: 'paused', stopped: 'stopped', failed: 'failed', done: 'finished' } as const

function upgraded(first: FirstRecord): Pick<FoundRecord, 'record' | 'control'> {
  const { state, pending, message, startedAt, queuedAt, ...rest } = first
  const at = startedAt === null ? queuedAt : Date.parse(startedAt)
  const control: ControlEvent[] = [{ type: 'queue', at: queuedAt }]
  if (state !== 'queued') control.push({ type: 'start', at })
  if (pending !== null) control.push({ type: pending, at })
  if (state !== 'queued' && state !== 'running')
    control.push({ type: endOf[state], at, ...(message === null ? {} : { message }) })
  return { record: { ...rest, version: 2, logFrom: 0 }, control }
}

export const writeRecord = (folder: string, given: GuiRecord, seal: Seal): Promise<void> => {
  const record = recordSchema.parse(given)
  return writeJsonAtomic(join(folder, recordFile), { ...record, seal: sealOf(folder, record, seal) })
}
