// Requests of the client: JSON there and back, and errors as the server tells them.
import type { ErrorBody, ErrorCode, Issue } from '../api'

/** Where a {@link JoraClient} sends its requests, and with what. */
export interface ClientOptions {
  /** Where the server is, without a trailing path; absent: where the page comes from. */
  readonly baseUrl?: string
  /** Headers of every request: outside a browser, the session's cookie. */
  readonly headers?: Readonly<Record<string, string>>
  /** Sends the requests (default: the global `fetch`). */
  readonly fetch?: typeof fetch
}

/** A refusal or failure; `message` is for people, `issues` name the form fields that are wrong. */
export class ApiError extends Error {
  override readonly name = 'ApiError'

  constructor(
    /** `unreachable`: there was no answer, or one that is not the server's. */
    readonly code: ErrorCode | 'unreachable',
    message: string,
    readonly status: number,
    readonly issues: readonly Issue[] = [],
  ) {
    super(message)
  }
}

/** Parts of a query; those that are undefined are left out. */
export type Query = Readonly<Record<string, string | number | undefined>>

export const withQuery = (path: string, query: Query = {}): string => {
  const given = Object.entries(query).flatMap(([key, value]) => (value === undefined ? [] : [[key, String(value)]]))
  const text = new URLSearchParams(Object.fromEntries(given) as Record<string, string>).toString()
  return text === '' ? path : `${path}?${text}`
}

/** What went wrong, of an answer that is no success. */
async function errorOf(response: Response): Promise<ApiError> {
  const body = (await response.json().catch(() => undefined)) as Partial<ErrorBody> | undefined
  if (body?.error) return new ApiError(body.error.code, body.error.message, response.status, body.error.issues)
  return new ApiError('unreachable', `The server answered ${response.status} without a reason.`, response.status)
}

export class Http {
  constructor(readonly options: ClientOptions) {}

  url(path: string): string {
    return `${this.options.baseUrl?.replace(/\/$/, '') ?? ''}${path}`
  }

  /** @throws ApiError, or the signal's reason when aborted */
  async send(method: string, path: string, init: RequestInit = {}): Promise<Response> {
    const { fetch: send = globalThis.fetch, headers } = this.options
    let response: Response
    try {
      response = await send(this.url(path), {
        ...init,
        method,
        credentials: 'same-origin',
        headers: { ...headers, ...(init.headers as Record<string, string> | undefined) },
      })
    } catch (error) {
      if (init.signal?.aborted) throw init.signal.reason ?? error
      throw new ApiError('unreachable', 'The server does not answer. Is `jora gui` still running?', 0)
    }
    if (!response.ok) throw await errorOf(response)
    return response
  }

  async json<T>(method: string, path: string, body?: unknown, signal?: AbortSignal): Promise<T> {
    const sent =
      body === undefined ? {} : { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } }
    const response = await this.send(method, path, { ...sent, ...(signal && { signal }) })
    return (await response.json()) as T
  }
}
