// The fetch given to @huggingface/hub: adds the token, waits and retries, and turns refusals into HubErrors.

import { setTimeout as sleep } from 'node:timers/promises'
import { HubError } from './error'

/** What a repository holds. */
export type RepoKind = 'model' | 'dataset'

/** What a request to the Hub needs. */
export interface HubAccess {
  /** The Hub id, for messages. */
  id: string
  revision: string
  /** What `id` names (default `model`). */
  kind?: RepoKind
  endpoint: string
  token: string | undefined
  signal: AbortSignal | undefined
  /** First pause between tries in ms, doubling after; for tests. */
  backoffMs?: number
  /**
   * Makes the error of a response that is not a success; returns undefined where the usual error of a download fits.
   */
  refusal?: (response: Response) => Promise<HubError | undefined>
  /** What the error suggests when there is no response at all; absent: what helps a download. */
  offlineHint?: string
}

export const maxTries = 5
const firstBackoffMs = 500
// The Hub counts requests in windows of five minutes, so an honest Retry-After is at most that.
const maxWaitMs = 300_000

/**
 * A `fetch` for one model. Requests to the endpoint carry the token (fetch itself drops it when redirected elsewhere), are
 * tried up to 5 times on 408, 5xx and cut connections, and wait out one 429 window; other refusals throw {@link HubError}.
 * Requests to other hosts (Xet storage, with its own tokens and retries) pass through.
 */
export function hubFetch(access: HubAccess): typeof fetch {
  const origin = new URL(access.endpoint).origin
  return async (input, init) => {
    const url = new URL(input instanceof Request ? input.url : input)
    const signal = access.signal ?? null
    if (url.origin !== origin) return fetch(input, { ...init, signal })
    const headers = new Headers(init?.headers)
    if (access.token && !headers.has('authorization')) headers.set('authorization', `Bearer ${access.token}`)
    return sendWithRetries(access, () => fetch(input, { ...init, headers, signal }))
  }
}

/**
 * Sends until an answer is a success, as `hubFetch` says, or throws a {@link HubError}. A request that is not
 * `repeatable`, because the Hub would do twice what it may already have done, is sent again only where it surely was not
 * taken: on 429, or when no connection was made.
 */
export async function sendWithRetries(
  access: HubAccess,
  send: () => Promise<Response>,
  repeatable = true,
): Promise<Response> {
  let waited = 0
  for (let tries = 1; ; tries++) {
    let response: Response
    try {
      response = await send()
    } catch (error) {
      access.signal?.throwIfAborted()
      const again = (repeatable ? transientCodes : unsentCodes).has(causeCode(error) ?? '')
      if (tries >= maxTries || !again) throw unreachable(access, error)
      await pause(access, tries)
      continue
    }
    if (response.ok) return response
    // @huggingface/hub reads this one itself, as "no such file".
    if (response.status === 404 && response.headers.get('x-error-code') === 'EntryNotFound') return response
    if (response.status === 429 && tries < maxTries) {
      const wait = retryAfterMs(response.headers) ?? backoff(access, tries)
      waited += wait
      if (waited <= maxWaitMs) {
        await response.body?.cancel()
        await sleep(wait, undefined, { ...(access.signal && { signal: access.signal }) })
        continue
      }
    }
    if (repeatable && (response.status === 408 || response.status >= 500) && tries < maxTries) {
      await response.body?.cancel()
      await pause(access, tries)
      continue
    }
    const error = (await access.refusal?.(response)) ?? refusal(access, response, tries)
    await response.body?.cancel().catch(() => {}) // it may have been read
    throw error
  }
}

/** Waits before try `tries` + 1: 0.5, 1, 2, 4 s, each up to half longer so that many ranks do not return at once. */
export async function pause(access: HubAccess, tries: number): Promise<void> {
  await sleep(backoff(access, tries), undefined, { ...(access.signal && { signal: access.signal }) })
}

function backoff({ backoffMs = firstBackoffMs }: HubAccess, tries: number): number {
  return backoffMs * 2 ** (tries - 1) * (1 + Math.random() / 2)
}

/** From `Retry-After` (seconds or a date) or the Hub's `RateLimit: "api";r=0;t=55` (seconds left in the window). */
function retryAfterMs(headers: Headers): number | undefined {
  const after = headers.get('retry-after') ?? /;\s*t=(\d+)/.exec(headers.get('ratelimit') ?? '')?.[1]
  if (after == null) return undefined
  const ms = /^\s*\d+\s*$/.test(after) ? Number(after) * 1000 : Date.parse(after) - Date.now()
  return Number.isNaN(ms) ? undefined : Math.max(0, ms)
}

/** No connection was made. */
const unsentCodes = new Set(['EAI_AGAIN', 'UND_ERR_CONNECT_TIMEOUT'])

const transientCodes = new Set([
  ...unsentCodes,
  'ECONNRESET',
  'EPIPE',
  'ETIMEDOUT',
  'UND_ERR_SOCKET',
  'UND_ERR_HEADERS_TIMEOUT',
  'UND_ERR_BODY_TIMEOUT',
])

function causeCode(error: unknown): string | undefined {
  const { code, cause } = error as { code?: unknown; cause?: unknown }
  if (typeof code === 'string') return code
  return cause === undefined ? undefined : causeCode(cause)
}

const downloadHint = 'Without a network, HF_HUB_OFFLINE=1 uses a cached copy, and a local folder needs neither'

function unreachable({ id, endpoint, offlineHint = downloadHint }: HubAccess, cause: unknown): HubError {
  const why = causeCode(cause) ?? (cause as Error).message
  return new HubError('Unreachable', id, `cannot reach ${endpoint} (${why}). ${offlineHint}`, { cause })
}

function refusal(access: HubAccess, response: Response, tries: number): HubError {
  const { id, revision, endpoint, token, kind = 'model' } = access
  const what = kind === 'model' ? kind : 'data set'
  const { status, headers } = response
  const reason = headers.get('x-error-code')
  const giveToken = 'give a token that may read it: HF_TOKEN, or `hf auth login`'
  if (status === 401 || status === 403) {
    const page = `accept its terms at ${endpoint}/${kind === 'model' ? '' : 'datasets/'}${id}`
    if (reason === 'GatedRepo') return new HubError('Unauthorized', id, `gated: ${page}, then ${giveToken} (${status})`)
    if (token) {
      const why = `the token was refused (${status}): expired, without the right to read this ${what}, or gated: ${page}`
      return new HubError('Unauthorized', id, why)
    }
    // Without a token the Hub says 401 for models that do not exist, so as not to tell which private ones do.
    return new HubError(
      'Unauthorized',
      id,
      `no such ${what} at ${endpoint}, or private or gated: ${giveToken} (${status})`,
    )
  }
  if (status === 404) {
    if (reason === 'RevisionNotFound')
      return new HubError('NotFound', id, `no revision ${JSON.stringify(revision)} (404)`)
    return new HubError(
      'NotFound',
      id,
      `neither a local ${kind === 'model' ? 'folder' : 'file'} nor a ${what} at ${endpoint} (404)`,
    )
  }
  if (status === 429) {
    const wait = retryAfterMs(headers)
    const when = wait === undefined ? 'later' : `in ${Math.ceil(wait / 1000)} s`
    const hint = token ? '' : '; with a token (HF_TOKEN) the limit is higher'
    return new HubError('RateLimited', id, `${endpoint} limits our requests: try again ${when}${hint} (429)`)
  }
  const tried = tries > 1 ? ` after ${tries} tries` : ''
  return new HubError('ServerError', id, `${endpoint} answered ${status}${tried}`)
}
