// The state of a repository on the Hub: whether it is there, who sees it, which files it has.
import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { createBranch, createRepo, listFiles, modelInfo, whoAmI } from '@huggingface/hub'
import { hubClient, HubError } from '@jora/llama'
import { Missing, pushFetch, type PushAccess } from './push-fetch'
import type { LocalFile } from './select-files'

/** A file to be in the repository: of the disk, or made here. */
export type Outgoing = LocalFile | { readonly name: string; readonly bytes: number; readonly text: string }

export interface RemoteFile {
  readonly bytes: number
  /** SHA-256 of a large file, git object id (SHA-1) of a small one. */
  readonly hash: string
  readonly large: boolean
}

export interface Repository {
  readonly visibility: 'private' | 'public'
  /** By name; absent where the branch is not there. */
  readonly files: ReadonlyMap<string, RemoteFile> | undefined
}

// createRepo and whoAmI insist on a token that begins so; pushFetch sets the one there is, whatever it looks like.
const accessToken = 'hf_'

const requestOf = (access: PushAccess) => ({ hubUrl: access.endpoint, fetch: pushFetch(access) })
const repoOf = ({ id }: PushAccess) => ({ type: 'model' as const, name: id })

/** Finds out whose token it is. Throws {@link HubError} when it is refused, or can only read. */
export async function identify(access: PushAccess): Promise<void> {
  const who = await whoAmI({ ...requestOf(access), accessToken })
  access.account.name = who.name
  if (who.type === 'user') access.account.organizations = who.orgs.map(({ name }) => name)
  if (who.auth?.accessToken?.role === 'read') {
    const what = `the token from ${access.tokenSource} of ${who.name} may only read`
    throw new HubError(
      'Unauthorized',
      access.id,
      `${what}: make one that may write at ${access.endpoint}/settings/tokens`,
    )
  }
}

/** The state of the repository; undefined when it does not exist. */
export async function look(access: PushAccess): Promise<Repository | undefined> {
  try {
    const info = await modelInfo({ ...requestOf(access), name: access.id })
    return { visibility: info.private ? 'private' : 'public', files: await listBranch(access) }
  } catch (error) {
    if (error instanceof Missing && error.what === 'repository') return undefined
    throw error
  }
}

async function listBranch(access: PushAccess): Promise<Repository['files']> {
  const files = new Map<string, RemoteFile>()
  const revision = encodeURIComponent(access.revision) // the package does not
  try {
    for await (const { type, path, size, oid = '', lfs } of listFiles({
      ...requestOf(access),
      repo: repoOf(access),
      revision,
    })) {
      if (type !== 'file') continue
      files.set(path, lfs ? { bytes: lfs.size, hash: lfs.oid, large: true } : { bytes: size, hash: oid, large: false })
    }
    return files
  } catch (error) {
    if (error instanceof Missing && error.what === 'branch') return undefined
    throw error
  }
}

/** Makes the repository. One that was made in the meantime, perhaps by an earlier try, will do if as many see it. */
export async function makeRepository(access: PushAccess, visibility: 'private' | 'public'): Promise<void> {
  try {
    await createRepo({ ...requestOf(access), accessToken, repo: repoOf(access), visibility })
  } catch (error) {
    if (!(error instanceof HubError && error.code === 'Conflict')) throw error
    const found = await look(access)
    if (found?.visibility === visibility) return
    const what = `the repository was made by someone else just now, and is ${found?.visibility ?? 'gone'}: see it and push again`
    throw new HubError('Conflict', access.id, what, { cause: error })
  }
}

/** Makes the branch, off the main one, unless it is there. */
export async function makeBranch(access: PushAccess): Promise<void> {
  try {
    await createBranch({ ...requestOf(access), repo: repoOf(access), branch: access.revision })
  } catch (error) {
    if (!(error instanceof HubError && error.code === 'Conflict')) throw error
  }
}

export interface HashEvent {
  readonly type: 'hash'
  readonly file: string
  readonly doneBytes: number
  readonly totalBytes: number
}

/** Whether the Hub's copy has the same bytes. Only files of the same size are read. */
export async function isThere(
  file: Outgoing,
  remote: RemoteFile | undefined,
  { signal, onProgress }: { signal: AbortSignal | undefined; onProgress: ((event: HashEvent) => void) | undefined },
): Promise<boolean> {
  if (remote?.bytes !== file.bytes) return false
  const hash = remote.large ? createHash('sha256') : createHash('sha1').update(`blob ${file.bytes}\0`)
  let doneBytes = 0
  const chunks = 'text' in file ? [Buffer.from(file.text)] : createReadStream(file.path, { highWaterMark: 2 ** 20 })
  for await (const chunk of chunks as AsyncIterable<Buffer>) {
    signal?.throwIfAborted()
    hash.update(chunk)
    doneBytes += chunk.byteLength
    onProgress?.({ type: 'hash', file: file.name, doneBytes, totalBytes: file.bytes })
  }
  return hash.digest('hex') === remote.hash
}

/** Where a person looks at it. */
export function addressOf({ endpoint, id }: PushAccess, revision: string): string {
  return revision === 'main' ? `${endpoint}/${id}` : `${endpoint}/${id}/tree/${encodeURIComponent(revision)}`
}

/** Throws unless `repo` is `user/name` and `revision` a branch. */
export function checkNames(repo: string, revision: string): void {
  if (!hubClient.isModelId(repo) || !repo.includes('/')) {
    const what = 'is not a repository id: expected user/name, of letters, digits, "-", "_" and "."'
    throw new HubError('InvalidName', JSON.stringify(repo), what)
  }
  hubClient.checkRevision(revision, repo)
  if (hubClient.isCommit(revision))
    throw new HubError('InvalidName', repo, `${revision} is a commit, expected a branch`)
}
