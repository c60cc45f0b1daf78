// pushToHub: an adapter, model or GGUF to a repository on the Hugging Face Hub, in commits that can be gone on with.
import { hubClient, HubError } from '@jora/llama'
import { planCommits } from './plan-commits'
import type { PushAccess } from './push-fetch'
import type { PushOptions, PushResult } from './push-options'
import {
  addressOf,
  checkNames,
  identify,
  isThere,
  look,
  makeBranch,
  makeRepository,
  type Outgoing,
  type Repository,
} from './repository'
import { refuseSecrets } from './secrets'
import { noteLocalPaths, selectFiles, selectFolder, type LocalFile } from './select-files'
import { compare, sendAll } from './send'
import { SentBytes } from './sent-bytes'

/**
 * Pushes an adapter, model or GGUF to the Hub. Files the repository has with the same content are not sent again, so a push
 * that was cut goes on where it was, a file being the smallest step. Nothing is ever deleted there.
 *
 * Throws {@link HubError}; or `signal.reason` when aborted. What was committed by then stays.
 */
export async function pushToHub(options: PushOptions): Promise<PushResult> {
  const { repo, revision = 'main', signal, dryRun = false, onProgress } = options
  checkNames(repo, revision)
  signal?.throwIfAborted()
  const settings = await hubClient.hubSettings(repo, options)
  const { endpoint, token, tokenSource } = settings
  const selection =
    'folder' in options ? await selectFolder(options.folder, repo) : await selectFiles(options.files, repo)
  const notes = await noteLocalPaths(selection.files)
  const bytes = new SentBytes(onProgress)
  const access: PushAccess = {
    id: repo,
    revision,
    endpoint,
    token,
    tokenSource,
    signal,
    account: {},
    onSent: bytes.count,
    ...(options.backoffMs !== undefined && { backoffMs: options.backoffMs }),
  }
  try {
    const found = await lookFirst(access, settings, options)
    const files = await withCard(selection.files, options.card, found.repository, notes)
    await refuseSecrets(files, repo, token)
    const told = await compare(files, found.repository, options)
    const groups = planCommits(
      told.filter(({ there }) => !there).map(({ file }) => file),
      options.maxCommitBytes ?? 10e9,
    )
    const created = found.repository === undefined && found.notLooked === undefined
    const wanted = (options.private ?? true) ? 'private' : 'public'
    const visibility = found.notLooked === undefined ? (found.repository?.visibility ?? wanted) : undefined
    if (visibility === 'public' && !created && wanted === 'private')
      notes.push(`${repo} is public, and stays so: everyone can see what is pushed`)
    const outgoing = new Map(groups.flat().map(({ name }, i) => [name, i]))
    const plan: PushResult = {
      repo,
      url: addressOf(access, revision),
      revision,
      visibility,
      created,
      dryRun,
      ...(found.notLooked !== undefined && { notLooked: found.notLooked }),
      files: told
        .map(({ file: { name, bytes: size }, there }) => ({ name, bytes: size, there }))
        .sort((a, b) => (outgoing.get(a.name) ?? -1) - (outgoing.get(b.name) ?? -1)),
      leftOut: selection.leftOut,
      notes,
      commits: [],
    }
    onProgress?.({ type: 'plan', plan })
    if (dryRun || groups.length === 0) return plan
    bytes.begin(groups.flat())
    if (created) await makeRepository(access, wanted)
    if (found.repository?.files === undefined && revision !== 'main') await makeBranch(access)
    return { ...plan, ...(await sendAll(access, groups, bytes, options, plan)) }
  } catch (error) {
    signal?.throwIfAborted()
    if (error instanceof HubError) throw error
    const { message } = error as Error
    throw new HubError('ServerError', repo, `${endpoint}: ${message}`, { cause: error })
  }
}

/** What the Hub says before anything is sent. A dry run need not get an answer. */
async function lookFirst(
  access: PushAccess,
  { offline, token }: hubClient.HubSettings,
  { dryRun, createPullRequest, revision = 'main' }: PushOptions,
): Promise<{ repository: Repository | undefined; notLooked?: string }> {
  const { id } = access
  if (offline) {
    if (dryRun) return { repository: undefined, notLooked: 'offline (HF_HUB_OFFLINE)' }
    throw new HubError('Offline', id, 'a push needs the Hub: unset HF_HUB_OFFLINE')
  }
  if (token === undefined && !dryRun) {
    const what = 'a push needs a token that may write: set HF_TOKEN, or log in with `hf auth login`'
    throw new HubError('Unauthorized', id, what)
  }
  try {
    if (token !== undefined) await identify(access)
    const repository = await look(access)
    if (createPullRequest && repository === undefined)
      throw new HubError('NotFound', id, 'a pull request needs a repository that is there')
    if (repository && repository.files === undefined && (createPullRequest || revision.startsWith('refs/')))
      throw new HubError('NotFound', id, `no branch ${JSON.stringify(revision)}`)
    return { repository }
  } catch (error) {
    access.signal?.throwIfAborted()
    const unseen =
      error instanceof HubError && (error.code === 'Unreachable' || (!token && error.code === 'Unauthorized'))
    if (!dryRun || !unseen) throw error
    return { repository: undefined, notLooked: error.message.replace(`${id}: `, '') }
  }
}

/** The files to be in the repository: with `card` as README.md where it is wanted. */
async function withCard(
  files: readonly LocalFile[],
  card: string | undefined,
  repository: Repository | undefined,
  notes: string[],
): Promise<Outgoing[]> {
  if (card === undefined || files.some(({ name }) => name === 'README.md')) return [...files]
  const made: Outgoing = { name: 'README.md', bytes: Buffer.byteLength(card), text: card }
  const there = repository?.files?.get('README.md')
  if (there === undefined) return [...files, made]
  if (!(await isThere(made, there, { signal: undefined, onProgress: undefined })))
    notes.push('README.md of the repository is kept: see whether it still fits, or put one into the folder')
  return [...files]
}
