// Errors in the form of OpenAI's API.
import type { z } from 'zod'

/** OpenAI's kinds of errors. */
type ErrorType =
  | 'invalid_request_error'
  | 'authentication_error'
  | 'permission_error'
  | 'not_found_error'
  | 'rate_limit_error'
  | 'server_error'

const typeOf = (status: number): ErrorType => {
  if (status === 401) return 'authentication_error'
  if (status === 403) return 'permission_error'
  if (status === 404) return 'not_found_error'
  if (status === 429) return 'rate_limit_error'
  return status >= 500 ? 'server_error' : 'invalid_request_error'
}

interface Details {
  /** The parameter at fault. */
  readonly param?: string
  /** What a program can tell it by. */
  readonly code?: string
  readonly headers?: Readonly<Record<string, string>>
}

/** What went wrong with a request, and the answer it becomes. */
export class ServeError extends Error {
  override readonly name = 'ServeError'

  constructor(
    readonly status: number,
    message: string,
    readonly details: Details = {},
  ) {
    super(message)
  }

  /** `{ error: … }`, as OpenAI's clients read it. */
  get body() {
    const { param = null, code = null } = this.details
    return { error: { message: this.message, type: typeOf(this.status), param, code } }
  }

  toResponse(): Response {
    return Response.json(this.body, { status: this.status, headers: this.details.headers ?? {} })
  }
}

/** The first of a schema's findings. */
export function schemaError({ issues }: z.ZodError): ServeError {
  const [first] = issues
  const param = first?.path.map(String).join('.') ?? ''
  // A value that is not there is told so; zod would tell of "undefined".
  const missing = first?.code === 'invalid_type' && first.message.endsWith('received undefined')
  const said = missing ? 'is missing' : first?.message.replace(/^Invalid input: /, '')
  const message = [param, said].filter(Boolean).join(': ')
  return new ServeError(400, message, param === '' ? {} : { param })
}

/**
 * What an answerer threw as an error of the request, where it is one.
 *
 * Answerers throw RangeError and DatasetError for what they cannot take: prompts that are too long, messages that a chat
 * template refuses.
 */
export function asServeError(error: unknown): ServeError {
  if (error instanceof ServeError) return error
  const { name, message } = error as Error
  if (name === 'DatasetError') return new ServeError(400, message, { param: 'messages' })
  if (name !== 'RangeError') return new ServeError(500, `something went wrong: ${message}`)
  const tooLong = /tokens, the model takes at most/.test(message)
  return new ServeError(400, message, tooLong ? { code: 'context_length_exceeded', param: 'messages' } : {})
}
