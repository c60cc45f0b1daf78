// From a folder or a Hub id to a folder that holds what a decoder needs.

import { readdir, readFile, stat } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { listFiles, modelInfo } from '@huggingface/hub'
import { fileBytes, ModelCache } from './cache'
import { downloadBlob, type DownloadEvent, type RemoteFile } from './download'
import { HubError } from './error'
import { ggufNameOf, selectGguf, type GgufName } from './gguf-files'
import { hubFetch, type HubAccess } from './http'
import { checkRevision, isCommit, isModelId, isPath } from './names'
import { checkModel, indexCounts, indexName, parseWeightIndex, selectSmall, selectWeights } from './select'
import { expandHome, hubSettings, type HubSettings, type SettingsOptions } from './settings'

/** Which files of the Hub {@link resolveModel} fetches. */
export interface ResolveOptions extends SettingsOptions {
  /** Branch, tag or commit (default `main`). */
  revision?: string | undefined
  /** Aborting it ends the download, which throws its reason. */
  signal?: AbortSignal | undefined
  /** Called for each chunk of each file that is downloaded. */
  onProgress?: ((event: DownloadEvent) => void) | undefined
}

/** The files of a model on this machine. */
export interface ResolvedModel {
  /** Absolute path of the folder that holds `files`. */
  dir: string
  /** The Hub id; absent for a local folder. */
  id?: string
  /** The commit; absent for a local folder. */
  revision?: string
  /** Relative to `dir`, `/`-separated: config, tokenizer, the index where there is one, then weights. */
  files: string[]
  /** Set where the folder has both model.safetensors, which is used, and an index of shards, which is not. */
  ignoredIndex?: boolean
}

/**
 * Finds a model. A local folder is used as it is; otherwise `idOrDir` is a Hub id (`org/name`), whose config, tokenizer
 * and safetensors weights are downloaded into the standard Hugging Face cache, or found there; or one of its GGUF files,
 * `org/name/file.gguf` or `org/name:Q4_K_M`, with its other parts. Offline (`offline`, HF_HUB_OFFLINE) only the cache is read.
 * @throws HubError naming the model and the cause; or `signal.reason` when aborted. No half-written file is left
 */
export async function resolveModel(idOrDir: string, options: ResolveOptions = {}): Promise<ResolvedModel> {
  if (idOrDir === '') throw new HubError('InvalidName', 'model', 'the name is empty, expected a folder or a Hub id')
  const local = resolve(expandHome(idOrDir))
  const found = await stat(local).catch(() => undefined)
  if (found?.isDirectory()) return await folderModel(local, idOrDir)
  if (isPath(idOrDir) || (found && !isModelId(idOrDir))) {
    throw new HubError('LocalFolder', idOrDir, found ? 'is a file, expected a model folder' : `no folder at ${local}`)
  }
  const gguf = ggufNameOf(idOrDir)
  if (!gguf && /\.gguf$/i.test(idOrDir)) throw new HubError('LocalFolder', idOrDir, `no file at ${local}`)
  const id = gguf?.id ?? idOrDir
  if (!isModelId(id)) throw new HubError('InvalidName', id, 'neither a local folder nor a Hub id (org/name)')
  const revision = options.revision ?? 'main'
  checkRevision(revision, id)
  options.signal?.throwIfAborted()
  const settings = await hubSettings(id, options)
  const cache = new ModelCache(settings.cacheDir, id)
  if (settings.offline) return fromCache(cache, id, revision, gguf)
  try {
    return await fromHub(cache, { id, revision, gguf }, settings, options)
  } catch (error) {
    options.signal?.throwIfAborted()
    if (error instanceof HubError) throw error
    const { syscall, message } = error as NodeJS.ErrnoException
    if (syscall) throw new HubError('Cache', id, `the cache ${cache.dir}: ${message}`, { cause: error })
    throw new HubError('ServerError', id, `${settings.endpoint}: ${message}`, { cause: error })
  }
}

/**
 * The model in a folder, as it is.
 * @param name what errors call it
 * @throws HubError when its index is bad or names a file that is missing
 */
export async function folderModel(dir: string, name = dir): Promise<ResolvedModel> {
  const { files, ignoredIndex } = await listFolder(dir, name)
  return { dir, files, ...(ignoredIndex && { ignoredIndex }) }
}

async function fromHub(
  cache: ModelCache,
  { id, revision, gguf }: { id: string; revision: string; gguf: GgufName | undefined },
  settings: HubSettings,
  { signal, onProgress }: ResolveOptions,
): Promise<ResolvedModel> {
  const { endpoint, token, xet } = settings
  const access: HubAccess = { id, revision, endpoint, token, signal }
  const request = { hubUrl: endpoint, fetch: hubFetch(access) }
  const { sha: commit } = await modelInfo({ ...request, name: id, revision, additionalFields: ['sha'] })
  if (!isCommit(commit)) throw new HubError('ServerError', id, `${endpoint} gave no commit for ${revision}`)

  const remote = new Map<string, RemoteFile>()
  for await (const entry of listFiles({
    ...request,
    repo: { type: 'model', name: id },
    revision: commit,
    recursive: true,
  })) {
    const blobId = entry.lfs?.oid ?? entry.oid ?? ''
    if (entry.type === 'file')
      remote.set(entry.path, { name: entry.path, bytes: entry.lfs?.size ?? entry.size, blobId })
  }
  const names = new Set(remote.keys())
  const dir = cache.snapshot(commit)
  const ensure = async (name: string) => {
    const file = remote.get(name)
    if (!file) throw new HubError('Corrupt', id, `${indexName} names ${name}, which is not in the repository`)
    if (!/^([0-9a-f]{40}|[0-9a-f]{64})$/.test(file.blobId)) {
      throw new HubError('ServerError', id, `${endpoint} gave no hash for ${name}`)
    }
    if ((await fileBytes(join(dir, name))) === file.bytes) return
    if ((await fileBytes(cache.blob(file.blobId))) !== file.bytes) {
      await downloadBlob(cache, file, { access, commit, xet, onProgress })
    }
    await cache.point(commit, name, file.blobId)
  }

  if (gguf) {
    const files = selectGguf(names, gguf)
    for (const name of files) await ensure(name)
    await cache.writeRef(revision, commit)
    return { dir, id, revision: commit, files }
  }
  const small = selectSmall(names)
  // Says so before anything is fetched, where the list alone shows it.
  if (!indexCounts(names)) checkModel(names, selectWeights(names, undefined), id)
  for (const name of small) await ensure(name)
  const index = indexCounts(names) ? parseWeightIndex(await readFile(join(dir, indexName), 'utf8'), id) : undefined
  const weights = selectWeights(names, index)
  checkModel(names, weights, id)
  for (const name of weights) await ensure(name)
  // Last, so that a branch in the cache always names a whole snapshot.
  await cache.writeRef(revision, commit)
  return { dir, id, revision: commit, files: [...small, ...weights] }
}

async function fromCache(
  cache: ModelCache,
  id: string,
  revision: string,
  gguf: GgufName | undefined,
): Promise<ResolvedModel> {
  const commit = await cache.commitOf(revision)
  const hint = 'unset HF_HUB_OFFLINE to download it'
  const dir = commit && cache.snapshot(commit)
  if (!dir || !(await stat(dir).catch(() => undefined))?.isDirectory()) {
    throw new HubError('Offline', id, `revision ${revision} is not in the cache ${cache.dir}: ${hint}`)
  }
  try {
    if (gguf) {
      const names = (await readdir(dir, { recursive: true })).map((name) => name.replaceAll('\\', '/'))
      return { dir, id, revision: commit, files: selectGguf(new Set(names), gguf) }
    }
    const { files, all, weights, ignoredIndex } = await listFolder(dir, id)
    checkModel(all, weights, id)
    return { dir, id, revision: commit, files, ...(ignoredIndex && { ignoredIndex }) }
  } catch (error) {
    const what = (error as Error).message.replace(`${id}: `, '')
    throw new HubError('Offline', id, `the cached copy ${dir} is not whole: ${what}; ${hint}`, { cause: error })
  }
}

/** What a decoder needs of a folder on disk. Throws {@link HubError} when its index is bad or names a missing file. */
async function listFolder(
  dir: string,
  id: string,
): Promise<{ files: string[]; all: Set<string>; weights: string[]; ignoredIndex: boolean }> {
  const all = new Set<string>()
  for (const name of await readdir(dir)) if ((await fileBytes(join(dir, name))) !== undefined) all.add(name)
  const index = indexCounts(all) ? parseWeightIndex(await readFile(join(dir, indexName), 'utf8'), id) : undefined
  const weights = selectWeights(all, index)
  for (const name of weights) {
    if ((await fileBytes(join(dir, name))) === undefined) {
      throw new HubError('LocalFolder', id, `${indexName} names ${name}, which is not in ${dir}`)
    }
  }
  return { files: [...selectSmall(all), ...weights], all, weights, ignoredIndex: all.has(indexName) && !index }
}
