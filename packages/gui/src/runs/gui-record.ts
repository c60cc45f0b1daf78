// gui.json: what the server knows of a run beyond what training writes, kept beside it.
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { writeJsonAtomic } from '@jora/tensor/files'
import { z } from 'zod'
import { runStates, settingsSchema } from '../api'

const recordFile = 'gui.json'
export const logFile = 'gui.log'
export const configFile = 'config.yaml'

const markSchema = z.object({ pid: z.number().int().positive(), start: z.string().min(1) })

const recordSchema = z.object({
  version: z.literal(1),
  name: z.string(),
  kind: z.enum(['train', 'quickstart']),
  settings: settingsSchema.nullable(),
  /** Of a quickstart. */
  device: z.enum(['auto', 'cpu', 'webgpu']).optional(),
  state: z.enum(runStates),
  pending: z.enum(['pause', 'stop']).nullable(),
  message: z.string().nullable(),
  createdAt: z.string(),
  startedAt: z.string().nullable(),
  /** Decides the order of the queue. */
  queuedAt: z.number(),
  /** The run's process. */
  process: markSchema.nullable(),
  /** The server that starts, queues and stops it, as long as it lives. */
  server: markSchema.extend({ instance: z.string() }).nullable(),
})
export type GuiRecord = z.infer<typeof recordSchema>

/** Marks a text as this server's own. */
export type Seal = (text: string) => string

const sealOf = (folder: string, record: GuiRecord, seal: Seal): string => seal(`${folder}\n${JSON.stringify(record)}`)

export interface FoundRecord {
  readonly record: GuiRecord
  /** Whether a server with this key wrote it, for this folder. */
  readonly isSealed: boolean
}

/** Undefined when there is none, or none that this version reads. */
export async function readRecord(folder: string, seal: Seal): Promise<FoundRecord | undefined> {
  try {
    const json = JSON.parse(await readFile(join(folder, recordFile), 'utf8')) as { seal?: unknown }
    const record = recordSchema.parse(json)
    return { record, isSealed: json.seal === sealOf(folder, record, seal) }
  } catch {
    return undefined
  }
}

/** A record of a folder that was moved here, or came from elsewhere: by what it says nothing is started or ended. */
export function strayed(record: GuiRecord): GuiRecord {
  const message = 'Its folder was moved, or comes from elsewhere: it waits to be resumed.'
  const isOpen = record.state === 'running' || record.state === 'queued'
  return { ...record, ...(isOpen ? { state: 'stopped', message } : {}), pending: null, process: null, server: null }
}

export const writeRecord = (folder: string, record: GuiRecord, seal: Seal): Promise<void> =>
  writeJsonAtomic(join(folder, recordFile), {
    ...recordSchema.parse(record),
    seal: sealOf(folder, recordSchema.parse(record), seal),
  })
