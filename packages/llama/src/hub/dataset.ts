// From the Hub id of a data set to files with its rows: those of the repository, or the Hub's copies of them in Parquet.

import { readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { datasetInfo, listFiles } from '@huggingface/hub'
import { fileBytes, ModelCache } from './cache'
import { chooseSplit, datasetLayout, datasetNameOf, type DatasetName } from './dataset-files'
import { downloadBlob, type RemoteFile } from './download'
import { HubError } from './error'
import { hubFetch, type HubAccess } from './http'
import { checkFileName, checkRevision, isCommit } from './names'
import type { ResolveOptions } from './resolve'
import { hubSettings, type HubSettings } from './settings'

/** How {@link resolveDataset} finds a data set. */
export interface ResolveDatasetOptions extends ResolveOptions {
  /** Splits to take where none is named, the first that there is (default `train`). */
  readonly splits?: readonly string[]
}

/** The rows of a data set on this machine. */
export interface ResolvedDataset {
  readonly id: string
  /** The commit that the files are of. */
  readonly revision: string
  readonly config: string
  readonly split: string
  /** Absolute paths, in their order. */
  readonly files: readonly string[]
}

/** The branch on which the Hub keeps its own copies of data sets, in Parquet. */
const convertBranch = 'refs/convert/parquet'

/**
 * Finds a data set of the Hub (`org/name`, `org/name:config:split`) and downloads the files of one split into the standard
 * Hugging Face cache, or finds them there. Offline only the cache is read.
 *
 * @throws HubError naming the data set and the cause; `signal.reason` when aborted
 */
export async function resolveDataset(text: string, options: ResolveDatasetOptions = {}): Promise<ResolvedDataset> {
  const name = datasetNameOf(text)
  if (!name) throw new HubError('InvalidName', text, 'is no Hub id of a data set (org/name, org/name:config:split)')
  const { id } = name
  const { revision, splits = ['train'] } = options
  if (revision !== undefined) checkRevision(revision, id)
  const settings = await hubSettings(id, options)
  const cache = new ModelCache(settings.cacheDir, id, 'dataset')
  // A repository may hold its rows as they were made, which only the Hub's copies have as tables.
  const revisions = revision === undefined ? ['main', convertBranch] : [revision]
  for (const each of revisions) {
    const found = settings.offline
      ? await fromCache(cache, name, each, splits)
      : await fromHub(cache, name, each, splits, settings, options)
    if (found) return found
  }
  const what = settings.offline
    ? `is not in the cache ${cache.dir}: unset HF_HUB_OFFLINE to download it`
    : 'has no Parquet, JSON or CSV files, and the Hub keeps no Parquet copy of it'
  throw new HubError(settings.offline ? 'Offline' : 'NotFound', id, what)
}

/** Undefined where the revision has no rows, or there is none. */
async function fromHub(
  cache: ModelCache,
  name: DatasetName,
  revision: string,
  splits: readonly string[],
  { endpoint, token, xet }: HubSettings,
  { signal, onProgress }: ResolveDatasetOptions,
): Promise<ResolvedDataset | undefined> {
  const { id } = name
  const access: HubAccess = { id, revision, kind: 'dataset', endpoint, token, signal }
  const request = { hubUrl: endpoint, fetch: hubFetch(access) }
  const info = await datasetInfo({ ...request, name: id, revision, additionalFields: ['sha'] }).catch(
    (error: unknown) => {
      signal?.throwIfAborted()
      if (revision === convertBranch && error instanceof HubError && error.code === 'NotFound') return undefined
      throw error
    },
  )
  if (!info) return undefined
  const { sha: commit } = info
  if (!isCommit(commit)) throw new HubError('ServerError', id, `${endpoint} gave no commit for ${revision}`)
  const remote = new Map<string, RemoteFile>()
  const repo = { type: 'dataset', name: id } as const
  for await (const entry of listFiles({ ...request, repo, revision: commit, recursive: true })) {
    if (entry.type !== 'file') continue
    checkFileName(entry.path, id, 'the repository')
    const blobId = entry.lfs?.oid ?? entry.oid ?? ''
    remote.set(entry.path, { name: entry.path, bytes: entry.lfs?.size ?? entry.size, blobId })
  }
  const layout = datasetLayout(remote.keys())
  if (layout.size === 0) return undefined
  const chosen = chooseSplit(layout, name, splits)
  const dir = cache.snapshot(commit)
  for (const file of chosen.files) {
    const known = remote.get(file)!
    if (!/^([0-9a-f]{40}|[0-9a-f]{64})$/.test(known.blobId))
      throw new HubError('ServerError', id, `${endpoint} gave no hash for ${file}`)
    if ((await fileBytes(join(dir, file))) === known.bytes) continue
    if ((await fileBytes(cache.blob(known.blobId))) !== known.bytes)
      await downloadBlob(cache, known, { access, commit, xet, onProgress })
    await cache.point(commit, file, known.blobId)
  }
  await cache.writeRef(revision, commit)
  return { ...chosen, id, revision: commit, files: chosen.files.map((file) => join(dir, file)) }
}

/** Undefined where the cache has nothing of the revision. */
async function fromCache(
  cache: ModelCache,
  name: DatasetName,
  revision: string,
  splits: readonly string[],
): Promise<ResolvedDataset | undefined> {
  const commit = await cache.commitOf(revision)
  const dir = commit && cache.snapshot(commit)
  if (!dir || !(await stat(dir).catch(() => undefined))?.isDirectory()) return undefined
  const names = (await readdir(dir, { recursive: true })).map((path) => path.replaceAll('\\', '/'))
  const layout = datasetLayout(names)
  if (layout.size === 0) return undefined
  const chosen = chooseSplit(layout, name, splits)
  return { ...chosen, id: name.id, revision: commit, files: chosen.files.map((file) => join(dir, file)) }
}
