// Sending files in commits, each tried again where it is not known what became of it.
import { stat } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { commit } from '@huggingface/hub'
import { HubError } from '@jora/llama'
import { DiskBlob } from './disk-blob'
import { pushFetch, TryCommitAgain, type PushAccess } from './push-fetch'
import type { PushOptions, PushResult } from './push-options'
import { isThere, look, type Outgoing, type Repository } from './repository'
import type { SentBytes } from './sent-bytes'

/** How often a commit is tried whose end is not known. */
const commitTries = 3

/** Which of the files the repository has. */
export async function compare(
  files: readonly Outgoing[],
  repository: Repository | undefined,
  { signal, onProgress }: Pick<PushOptions, 'signal' | 'onProgress'>,
): Promise<{ file: Outgoing; there: boolean }[]> {
  const told: { file: Outgoing; there: boolean }[] = []
  for (const file of files) {
    told.push({ file, there: await isThere(file, repository?.files?.get(file.name), { signal, onProgress }) })
  }
  return told
}

/** Sends the groups, one commit after another. */
export async function sendAll(
  access: PushAccess,
  groups: readonly Outgoing[][],
  bytes: SentBytes,
  { commitMessage = 'Upload with JORA', createPullRequest = false, onProgress, signal }: PushOptions,
  plan: PushResult,
): Promise<Pick<PushResult, 'url' | 'revision' | 'commits'>> {
  let { url, revision } = plan
  const commits: string[] = []
  for (const [i, group] of groups.entries()) {
    const title = groups.length === 1 ? commitMessage : `${commitMessage} (part ${i + 1} of ${groups.length})`
    const opens = createPullRequest && i === 0
    const made = await sendGroup({ ...access, revision }, group, title, opens, bytes, signal)
    if (made) commits.push(made.oid)
    if (made?.pullRequestUrl !== undefined) {
      url = made.pullRequestUrl
      revision = `refs/pr/${/\/(\d+)\/?$/.exec(url)?.[1]}` // the other parts go there
    }
    bytes.finish(group)
    const event = { type: 'commit' as const, files: group.map(({ name }) => name) }
    onProgress?.(createPullRequest ? { ...event, pullRequestUrl: url } : event)
  }
  return { url, revision, commits }
}

/** One commit. Where its end is in doubt, the repository is asked whether it has the files. */
async function sendGroup(
  access: PushAccess,
  group: readonly Outgoing[],
  title: string,
  opens: boolean,
  bytes: SentBytes,
  signal: AbortSignal | undefined,
): Promise<{ oid: string; pullRequestUrl: string | undefined } | undefined> {
  let files = group
  for (let tries = 1; ; tries++) {
    try {
      const output = await commit({
        repo: { type: 'model', name: access.id },
        title,
        branch: access.revision,
        isPullRequest: opens,
        hubUrl: access.endpoint,
        fetch: pushFetch(access),
        // Plain LFS: see "Pushing to the Hub" in the README.
        useXet: false,
        operations: files.map((file) => ({
          operation: 'addOrUpdate',
          path: file.name,
          content: 'text' in file ? new Blob([file.text]) : new DiskBlob(file.path, 0, file.bytes),
        })),
        ...(signal && { abortSignal: signal }),
      })
      await checkUnchanged(files, access.id)
      return output && { oid: output.commit.oid, pullRequestUrl: output.pullRequestUrl }
    } catch (error) {
      signal?.throwIfAborted()
      if (!(error instanceof TryCommitAgain)) throw error
      if (opens && error.atCommit) {
        const page = `${access.endpoint}/${access.id}/discussions`
        const what = `${error.cause.message.replace(`${access.id}: `, '')}; ${page} tells whether the pull request was opened`
        throw new HubError(error.cause.code, access.id, what, { cause: error })
      }
      if (tries >= commitTries) throw error.cause
      bytes.forget(files)
      await sleep((access.backoffMs ?? 500) * 2 ** tries, undefined, { ...(signal && { signal }) })
      if (opens) continue
      const told = await compare(files, await look(access), { signal, onProgress: undefined })
      files = told.filter(({ there }) => !there).map(({ file }) => file)
      if (files.length === 0) return undefined
    }
  }
}

/** Throws {@link HubError} when a file is not what it was when the push began: it may have been sent half old, half new. */
async function checkUnchanged(files: readonly Outgoing[], repo: string): Promise<void> {
  for (const file of files) {
    if ('text' in file) continue
    const now = await stat(file.path).catch(() => undefined)
    if (now?.size !== file.bytes || now.mtimeMs !== file.mtimeMs)
      throw new HubError('LocalFolder', repo, `${file.name} changed while it was pushed: push again`)
  }
}
