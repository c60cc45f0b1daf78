// gui.json: what the server knows of a run beyond what training writes, kept beside it.
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { writeJsonAtomic } from '@jora/lora'
import { z } from 'zod'
import { runStates, settingsSchema } from '../api'

export const recordFile = 'gui.json'
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

/** Undefined when there is none, or none that this version reads. */
export async function readRecord(folder: string): Promise<GuiRecord | undefined> {
  try {
    return recordSchema.parse(JSON.parse(await readFile(join(folder, recordFile), 'utf8')))
  } catch {
    return undefined
  }
}

export const writeRecord = (folder: string, record: GuiRecord): Promise<void> =>
  writeJsonAtomic(join(folder, recordFile), record)
