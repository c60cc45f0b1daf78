// The fetch a push gives to @huggingface/hub: token, retries, what a refusal means, and how many bytes have gone.
import { hubClient, HubError } from '@jora/llama'
import { CountingBlob } from './counting-blob'

/** It is not known, or it does not matter, what became of a request: look at the repository and try the commit again. */
export class TryCommitAgain extends Error {
  constructor(
    override readonly cause: HubError,
    /** The commit itself is in doubt, not an upload before it. */
    readonly atCommit: boolean,
  ) {
    super(cause.message, { cause })
  }
}

/** 404: there is no such repository, or no such branch in it. */
export class Missing extends HubError {
  constructor(
    readonly what: 'repository' | 'branch',
    repo: string,
    message: string,
  ) {
    super('NotFound', repo, message)
  }
}

/** Who asks; filled in once the Hub has said. */
export interface Account {
  name?: string
  organizations?: readonly string[]
  role?: string
}

export interface PushAccess extends hubClient.HubAccess {
  readonly tokenSource: string | undefined
  readonly account: Account
  /** Called with the bytes of a file that have gone in this part: more, or less when a part begins again. */
  readonly onSent: (file: string, bytes: number) => void
}

/**
 * Requests to the Hub carry the token, uploads to its storage do not. All are repeated as the download's are (a repository
 * or branch that was made after all is a 409 the second time), but for the commit, which would be made twice: its doubtful
 * end is told by {@link TryCommitAgain}.
 */
export function pushFetch(access: PushAccess): typeof fetch {
  const origin = new URL(access.endpoint).origin
  return async (input, init = {}) => {
    const url = new URL(input instanceof Request ? input.url : input)
    // One of several uploads that fails ends the others, by the package's own signal.
    const signals = [access.signal, init.signal].filter((signal) => signal != null)
    const signal = AbortSignal.any(signals)
    const method = init.method ?? 'GET'
    if (url.origin !== origin || method === 'PUT') return upload({ ...access, signal }, input, { ...init, signal })
    const headers = new Headers(init.headers)
    headers.delete('authorization')
    if (access.token) headers.set('authorization', `Bearer ${access.token}`)
    const hub: hubClient.HubAccess = {
      ...access,
      signal,
      offlineHint: 'Try again when there is a network: what was sent stays',
      refusal: (response) => refusal(access, response),
    }
    const isCommit = url.pathname.includes(`/api/models/${access.id}/commit/`)
    const send = () => fetch(input, { ...init, headers, signal })
    return hubClient.sendWithRetries(hub, send, !isCommit).catch((error: unknown) => {
      const doubtful = error instanceof HubError && (error.code === 'Unreachable' || error.code === 'ServerError')
      throw isCommit && doubtful && !signal.aborted ? new TryCommitAgain(error, true) : error
    })
  }
}

/** The package's hint to whoever sends a body: of which file it is. */
interface ProgressHint {
  readonly progressHint?: { readonly path?: string }
}

/** Else Node's fetch keeps all it has sent, to send it again where it might be redirected: gigabytes of a large file. */
const streamed = { redirect: 'error', window: null } as const

/** A file, or a part of it, to the Hub's storage; its address carries the right to write. */
async function upload(
  access: PushAccess,
  input: Parameters<typeof fetch>[0],
  init: RequestInit & ProgressHint,
): Promise<Response> {
  const { body } = init
  const file = init.progressHint?.path ?? ''
  const storage: hubClient.HubAccess = {
    ...access,
    offlineHint: 'Try again when there is a network: what was sent stays',
    refusal: async ({ status }) =>
      new HubError(
        'ServerError',
        access.id,
        `the storage of ${access.endpoint} answered ${status}${file && ` for ${file}`}`,
      ),
  }
  let gone = 0
  const send = () => {
    if (!(body instanceof Blob)) return fetch(input, init)
    access.onSent(file, -gone)
    gone = 0
    const count = (bytes: number) => {
      gone += bytes
      access.onSent(file, bytes)
    }
    return fetch(input, { ...init, ...streamed, body: new CountingBlob(body, count) })
  }
  try {
    return await hubClient.sendWithRetries(storage, send)
  } catch (error) {
    access.onSent(file, -gone)
    // An address that has run out, or whose upload is done: the Hub gives a new one, or knows the file.
    throw error instanceof HubError && error.code === 'ServerError' ? new TryCommitAgain(error, false) : error
  }
}

async function refusal(access: PushAccess, response: Response): Promise<HubError | undefined> {
  const { id, revision, endpoint, account } = access
  const { status, headers } = response
  const reason = headers.get('x-error-code')
  if (status === 401 && !access.token) return new HubError('Unauthorized', id, `not to be seen without a token (401)`)
  if (status === 401) {
    const what = `the token from ${access.tokenSource} was refused (401): it is wrong, or no longer valid`
    return new HubError('Unauthorized', id, `${what}; make one at ${endpoint}/settings/tokens`)
  }
  const said = await messageOf(response)
  if (status === 403) {
    const whose = account.name ? ` of ${account.name}` : ''
    const what = `the token from ${access.tokenSource}${whose} may not write here (403${said})`
    return new HubError('Unauthorized', id, `${what}: ${rightLacking(access)}`)
  }
  if (status === 404 && reason === 'RevisionNotFound') {
    return new Missing('branch', id, `no branch ${JSON.stringify(revision)} (404)`)
  }
  if (status === 404) {
    return new Missing(
      'repository',
      id,
      `no such repository at ${endpoint}, or none that this token may see (404${said})`,
    )
  }
  if (status === 409 || status === 412) {
    return new HubError('Conflict', id, `${endpoint} answered ${status}${said}: someone else changed it; push again`)
  }
  if (status < 429 && status !== 408) return new HubError('Refused', id, `${endpoint} refused (${status}${said})`)
  return undefined
}

function rightLacking({ id, endpoint, account }: PushAccess): string {
  const [namespace] = id.split('/')
  const { name, organizations = [] } = account
  if (name !== undefined && namespace !== name && !organizations.includes(namespace!)) {
    return `${namespace} is neither this account nor one of its organizations`
  }
  return `it needs the right to write to ${namespace}'s models, see ${endpoint}/settings/tokens`
}

/** `: ` and what the Hub says of a refusal, on one line; nothing where it says nothing. */
async function messageOf(response: Response): Promise<string> {
  const text = await response.text().catch(() => '')
  let said: unknown = response.headers.get('x-error-message')
  try {
    said ??= (JSON.parse(text) as { error?: unknown }).error
  } catch {
    // A page of a proxy says nothing of use.
  }
  if (typeof said !== 'string' || said === '') return ''
  return `: ${said.replace(/\s+/g, ' ').slice(0, 200)}`
}
