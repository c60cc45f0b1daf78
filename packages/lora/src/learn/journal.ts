// Which stages of a folder are done: each by what it was made from.
import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { writeJsonAtomic } from '@jora/tensor/files'
import { ConfigError } from '../settings/config-error'

/** The stages, in their order, with the file that each leaves. */
export const learnStages = {
  read: 'documents.jsonl',
  draft: 'questions.jsonl',
  contexts: 'contexts.jsonl',
  train: 'adapter',
  evaluate: 'report.json',
} as const
/** A key of {@link learnStages}. */
export type LearnStage = keyof typeof learnStages

const journalFile = 'learn.json'

interface Noted {
  /** Hash of what the stage was made from. */
  key: string
  /** What it came to, for those who go on from it. */
  result: unknown
}

/** The stages of a folder that are done. */
export class Journal {
  readonly #dir: string
  readonly #stages: Partial<Record<LearnStage, Noted>>

  private constructor(dir: string, stages: Partial<Record<LearnStage, Noted>>) {
    this.#dir = dir
    this.#stages = stages
  }

  /** @throws ConfigError when the folder's journal is none */
  static async open(dir: string): Promise<Journal> {
    const path = join(dir, journalFile)
    const source = await readFile(path, 'utf8').catch(() => undefined)
    if (source === undefined) return new Journal(dir, {})
    try {
      return new Journal(dir, (JSON.parse(source) as { stages: Partial<Record<LearnStage, Noted>> }).stages)
    } catch {
      throw new ConfigError(`${path} is no journal of jora learn; remove it, or choose another output directory`)
    }
  }

  /** Whether a stage was begun before, and from what else. */
  isOther(stage: LearnStage, key: string): boolean {
    const noted = this.#stages[stage]
    return noted !== undefined && noted.key !== key && noted.key !== `begun ${key}`
  }

  /** What a stage came to, where it was made from the same. */
  resultOf<T>(stage: LearnStage, key: string): T | undefined {
    const noted = this.#stages[stage]
    return noted?.key === key ? (noted.result as T) : undefined
  }

  async note(stage: LearnStage, key: string, result: unknown): Promise<void> {
    this.#stages[stage] = { key, result }
    await writeJsonAtomic(join(this.#dir, journalFile), { stages: this.#stages })
  }
}

/** One text for all that a stage is made from. */
export const keyOf = (...parts: readonly unknown[]): string =>
  createHash('sha256').update(JSON.stringify(parts)).digest('hex')

/** SHA-256 of a file; empty where there is none. */
export async function fileHash(path: string): Promise<string> {
  const hash = createHash('sha256')
  try {
    for await (const chunk of createReadStream(path)) hash.update(chunk as Uint8Array)
  } catch {
    return ''
  }
  return hash.digest('hex')
}
