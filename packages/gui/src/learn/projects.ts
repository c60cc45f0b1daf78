// Folders of documents on their way to a model: a folder each, whose files are those that `jora learn` leaves.
import { mkdir, readdir, readFile, realpath, rm, stat } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { writeJsonAtomic } from '@jora/tensor/files'
import { z } from 'zod'
import {
  learnFiguresSchema,
  learnSettingsSchema,
  learnStageNames,
  type LearnProject,
  type LearnSettings,
  type LearnStageRequest,
} from '../api'
import { receive } from '../files/receive'
import { newRunFolder } from '../runs/new-folder'
import { idOf } from '../runs/managed-run'
import { Failure } from '../server/failure'

const projectFile = 'project.json'
const sentFolder = 'documents'
/** Files that may be sent to a project. */
const mostFiles = 10_000

const storedSchema = z.object({
  name: z.string(),
  model: z.string(),
  /** Absent: files are sent. */
  documents: z.string().optional(),
  createdAt: z.string(),
  settings: learnSettingsSchema.optional(),
})
type Stored = z.infer<typeof storedSchema>

const journalSchema = z.object({
  stages: z.partialRecord(z.enum(learnStageNames), z.object({ key: z.string(), result: z.unknown() })),
})

/** A project's folder, and what its file says. */
export interface OpenProject extends Stored {
  readonly id: string
  readonly folder: string
  /** What is read: the folder that was chosen, or that of the files that were sent. */
  readonly source: string
}

export interface NewProject {
  readonly name: string
  readonly model: string
  /** A true path under the roots. */
  readonly documents?: string | undefined
}

/** The projects in a folder. */
export class LearnProjects {
  /** @param parent where they are made */
  constructor(readonly parent: string) {}

  async create({ name, model, documents }: NewProject): Promise<OpenProject> {
    const taken = new Set((await this.all()).map((project) => project.name))
    const made = await newRunFolder(this.parent, name, (tried) => taken.has(tried))
    const stored: Stored = { name: made.name, model, documents, createdAt: new Date().toISOString() }
    if (documents === undefined) await mkdir(join(made.folder, sentFolder))
    await writeJsonAtomic(join(made.folder, projectFile), stored)
    return this.get(basename(made.folder))
  }

  /** Newest first. */
  async all(): Promise<OpenProject[]> {
    const names = await readdir(this.parent).catch(() => [])
    const found = await Promise.all(names.map((id) => this.get(id).catch(() => undefined)))
    return found.filter((project) => project !== undefined).sort((a, b) => b.createdAt.localeCompare(a.createdAt))
  }

  /** @throws Failure when there is none */
  async get(id: string): Promise<OpenProject> {
    const folder = join(this.parent, id)
    const text =
      id === basename(folder) && !id.startsWith('.')
        ? await readFile(join(folder, projectFile), 'utf8').catch(() => undefined)
        : undefined
    const stored = text === undefined ? undefined : storedSchema.safeParse(parsed(text))
    if (!stored?.success) throw new Failure('not_found', 'There is no such project.')
    return { ...stored.data, id, folder, source: stored.data.documents ?? join(folder, sentFolder) }
  }

  /** As pages see it. */
  async describe({
    id,
    name,
    folder,
    model,
    documents,
    source,
    createdAt,
    settings = {},
  }: OpenProject): Promise<LearnProject> {
    const journal = journalSchema.safeParse(parsed(await readFile(join(folder, 'learn.json'), 'utf8').catch(() => '')))
    // A stage that is only begun has no result yet.
    const results = Object.entries(journal.data?.stages ?? {}).filter(([, noted]) => !noted.key.startsWith('begun '))
    const figures = learnFiguresSchema.safeParse(
      Object.fromEntries(results.map(([stage, { result }]) => [stage, result])),
    )
    const adapter = join(folder, 'adapter')
    const hasRun = await stat(join(adapter, 'metrics.jsonl')).catch(() => undefined)
    return {
      id,
      name,
      folder,
      model,
      documents: source,
      takesFiles: documents === undefined,
      files: documents === undefined ? await countFiles(source) : null,
      createdAt,
      settings,
      figures: figures.data ?? {},
      runId: hasRun ? idOf(await realpath(adapter)) : null,
    }
  }

  /** The request with what earlier ones said and it does not; remembered, but for a key. */
  async remember(
    { id: _id, folder, source: _source, ...stored }: OpenProject,
    { until, ...request }: LearnStageRequest,
  ): Promise<LearnStageRequest> {
    const { questions, columns, drafter, ...earlier }: LearnSettings = stored.settings ?? {}
    const asked =
      request.questions !== undefined || request.drafter !== undefined
        ? {}
        : {
            ...(questions !== undefined && { questions }),
            ...(columns !== undefined && { columns }),
            ...(drafter !== undefined && { drafter }),
          }
    const merged = { ...earlier, ...asked, ...request }
    const { key: _key, ...named }: NonNullable<LearnStageRequest['drafter']> = merged.drafter ?? { model: '' }
    const settings = { ...merged, ...(merged.drafter && { drafter: named }) }
    await writeJsonAtomic(join(folder, projectFile), { ...stored, settings })
    return { until, ...merged }
  }

  /**
   * Takes a file that is sent into a project's documents.
   * @param path in the folder that was dropped, `/`-separated
   * @throws Failure for a path that leads elsewhere, a file that is too large, or a project that takes none
   */
  async take(project: OpenProject, path: string, request: Request, limitBytes: number): Promise<{ bytes: number }> {
    if (project.documents !== undefined)
      throw new Failure('conflict', 'This project reads a folder of this machine: put the file there.')
    const parts = path.split('/')
    if (parts.some((part) => !/^[^\\/:*?"<>|\p{Cc}]{1,200}$/u.test(part) || /^\.+$/.test(part)) || parts.length > 20)
      throw new Failure('bad_request', `${JSON.stringify(path.slice(0, 100))} cannot be the name of a file.`)
    if ((await countFiles(project.source)) >= mostFiles)
      throw new Failure('too_many', `${mostFiles} files are here already: choose a folder of this machine instead.`)
    const target = join(project.source, ...parts)
    await mkdir(dirname(target), { recursive: true })
    return { bytes: await receive(request, target, limitBytes) }
  }

  /** Takes the files away that were sent, and what was read of them. */
  async clear(project: OpenProject): Promise<void> {
    if (project.documents !== undefined) return
    await rm(project.source, { recursive: true, force: true })
    await mkdir(project.source)
  }
}

const countFiles = async (folder: string): Promise<number> =>
  (await readdir(folder, { recursive: true, withFileTypes: true }).catch(() => [])).filter(
    (entry) => entry.isFile() && !entry.name.startsWith('.'),
  ).length

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
