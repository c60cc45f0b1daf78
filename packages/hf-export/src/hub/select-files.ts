// What of a folder is pushed: the files of an adapter, a model or GGUF, and nothing else.
import type { Stats } from 'node:fs'
import { readdir, readFile, realpath, stat } from 'node:fs/promises'
import { basename, join, resolve, sep } from 'node:path'
import { companionFiles, hubClient, HubError, isLicence, resolveModel } from '@jora/llama'

/** A file to be pushed. */
export interface LocalFile {
  /** Its name in the repository. */
  readonly name: string
  readonly path: string
  readonly bytes: number
  readonly mtimeMs: number
}

export interface LeftOut {
  /** Folders end in `/`. */
  readonly name: string
  readonly reason: string
}

export interface Selection {
  /** Sorted by name. */
  readonly files: readonly LocalFile[]
  readonly leftOut: readonly LeftOut[]
}

const adapterFiles = ['adapter_config.json', 'adapter_model.safetensors']
const named = new Set(['README.md', 'config.json', 'model.safetensors.index.json', ...companionFiles, ...adapterFiles])

export const isWeights = (name: string): boolean => /\.(safetensors|gguf)$/i.test(name)
const isTrainerState = (name: string): boolean =>
  /^(optimizer|scheduler|scaler|trainer_state|training|rng_state)/i.test(name)

/** Why a name is not pushed; undefined for one that may be, weights among them. */
function unwanted(name: string): string | undefined {
  if (name.startsWith('.')) return 'hidden'
  if (name === 'run.json' || name === 'metrics.jsonl') return 'record of the run'
  if (isTrainerState(name)) return 'state of the trainer'
  if (/\.(bin|pt|pth|ckpt|pkl)$/i.test(name)) return 'pickle files can run code when opened'
  if (named.has(name) || isLicence(name) || isWeights(name)) return undefined
  return 'no file of an adapter, model or GGUF'
}

/**
 * The files of `folder` that make an adapter (PEFT), a model (Hugging Face layout) or GGUF, with README and licence.
 * Throws {@link HubError} when it holds none of these, lacks one of their files, or would push a link that leads outside.
 */
export async function selectFolder(folder: string, repo: string): Promise<Selection> {
  const dir = resolve(hubClient.expandHome(folder))
  const entries = await readdir(dir, { withFileTypes: true }).catch((error: NodeJS.ErrnoException) => {
    const why =
      { ENOENT: 'does not exist', ENOTDIR: 'is not a folder' }[error.code ?? ''] ?? `cannot be read: ${error.message}`
    throw new HubError('LocalFolder', repo, `${folder} ${why}`)
  })
  const leftOut: LeftOut[] = []
  const found = new Map<string, Stats>()
  for (const { name } of entries.sort((a, b) => (a.name < b.name ? -1 : 1))) {
    const at = await stat(join(dir, name)).catch(() => undefined)
    const reason = at?.isDirectory() ? 'a folder' : (unwanted(name) ?? (at?.isFile() ? undefined : 'no file'))
    if (reason === undefined) found.set(name, at!)
    else leftOut.push({ name: at?.isDirectory() ? `${name}/` : name, reason })
  }
  const weights = await weightsOf(dir, folder, new Set(found.keys()), repo)
  const files: LocalFile[] = []
  for (const [name, at] of found) {
    if (isWeights(name) && !weights.has(name)) {
      leftOut.push({ name, reason: 'not among the weights of this model' })
      continue
    }
    await checkInside(dir, name, repo)
    files.push(checkedFile(name, join(dir, name), at, repo))
  }
  return { files, leftOut }
}

/** Of the safetensors and GGUF files in `dir`, those that what it holds consists of. */
async function weightsOf(dir: string, folder: string, names: Set<string>, repo: string): Promise<Set<string>> {
  const wanted = new Set([...names].filter((name) => /\.gguf$/i.test(name)))
  const present = adapterFiles.filter((name) => names.has(name))
  if (present.length === 1) {
    const missing = adapterFiles.find((name) => !names.has(name))
    throw new HubError('LocalFolder', repo, `${folder} has ${present[0]} but no ${missing}`)
  }
  if (present.length > 0) wanted.add('adapter_model.safetensors')
  if (names.has('config.json')) {
    const { files } = await resolveModel(dir) // throws when the index names a file that is not there
    for (const name of files) if (names.has(name) && isWeights(name) && !adapterFiles.includes(name)) wanted.add(name)
  }
  if (wanted.size > 0) return wanted
  const checkpoint = (await readdir(join(dir, 'checkpoints')).catch(() => [] as string[])).sort().at(-1)
  const hint =
    checkpoint === undefined
      ? ''
      : `; its run is not done: push ${join(folder, 'checkpoints', checkpoint)}, or finish it`
  throw new HubError('LocalFolder', repo, `${folder} holds no adapter, model or GGUF file${hint}`)
}

/** Single files, each under its own name. Throws {@link HubError} for one that may not be pushed, or a name that comes twice. */
export async function selectFiles(paths: readonly string[], repo: string): Promise<Selection> {
  if (paths.length === 0) throw new HubError('LocalFolder', repo, 'no files to push')
  const files = new Map<string, LocalFile>()
  for (const path of paths) {
    const full = resolve(hubClient.expandHome(path))
    const name = basename(full)
    const at = await stat(full).catch(() => undefined)
    const reason = at?.isFile() ? unwanted(name) : at ? 'it is not a file' : 'it does not exist'
    if (reason !== undefined) throw new HubError('LocalFolder', repo, `${path} is not pushed: ${reason}`)
    if (files.has(name)) throw new HubError('LocalFolder', repo, `two files are called ${name}`)
    files.set(name, checkedFile(name, full, at!, repo))
  }
  return { files: [...files.values()].sort((a, b) => (a.name < b.name ? -1 : 1)), leftOut: [] }
}

function checkedFile(name: string, path: string, { size: bytes, mtimeMs }: Stats, repo: string): LocalFile {
  hubClient.checkFileName(name, repo, 'the folder')
  return { name, path, bytes, mtimeMs }
}

async function checkInside(dir: string, name: string, repo: string): Promise<void> {
  const [root, target] = await Promise.all([realpath(dir), realpath(join(dir, name))])
  if (!target.startsWith(root.endsWith(sep) ? root : root + sep)) {
    throw new HubError('LocalFolder', repo, `${name} is a link that leads out of the folder: put the file itself there`)
  }
}

/** What a person should know of the files before others read them. */
export async function noteLocalPaths(files: readonly LocalFile[]): Promise<string[]> {
  const notes: string[] = []
  const home = hubClient.expandHome('~')
  for (const { name, path } of files) {
    if (!/\.(json|md|jinja|txt)$/i.test(name) || name.startsWith('tokenizer')) continue
    const text = await readFile(path, 'utf8')
    const local =
      name === 'adapter_config.json'
        ? /"base_model_name_or_path":\s*"([./~\\][^"]*|[A-Za-z]:[^"]*)"/.exec(text)?.[1]
        : undefined
    if (local !== undefined) notes.push(`${name} names the base model by a path of this machine: ${local}`)
    else if (home.length > 3 && text.includes(home + sep)) notes.push(`${name} names a path under your home folder`)
  }
  return notes
}
