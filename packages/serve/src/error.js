const typeOf = (status) => {
  if (status === 401) return 'authentication_error'
  if (status === 403) return 'permission_error'
  if (status === 404) return 'not_found_error'
  if (status === 429) return 'rate_limit_error'
  return status >= 500 ? 'server_error' : 'invalid_request_error'
}
/** What went wrong with a request, and the answer it becomes. */
export class ServeError extends Error {
  status
  details
  name = 'ServeError'
  constructor(status, message, details = {}) {
    super(message)
    this.status = status
    this.details = details
  }
  /** `{ error: … }`, as OpenAI's clients read it. */
  get body() {
    const { param = null, code = null } = this.details
    return { error: { message: this.message, type: typeOf(this.status), param, code } }
  }
  toResponse() {
    return Response.json(this.body, { status: this.status, headers: this.details.headers ?? {} })
  }
}
/** The first of a schema's findings. */
export function schemaError({ issues }) {
  const [first] = issues
  const param = first?.path.map(String).join('.') ?? ''
  const message = [param, first?.message].filter(Boolean).join(': ')
  return new ServeError(400, message, param === '' ? {} : { param })
}
/**
 * What an answerer threw as an error of the request, where it is one.
 *
 * Answerers throw RangeError and DatasetError for what they cannot take: prompts that are too long, messages that a chat
 * template refuses.
 */
export function asServeError(error) {
  if (error instanceof ServeError) return error
  const { name, message } = error
  if (name === 'DatasetError') return new ServeError(400, message, { param: 'messages' })
  if (name !== 'RangeError') return new ServeError(500, `something went wrong: ${message}`)
  const tooLong = /tokens, the model takes at most/.test(message)
  return new ServeError(400, message, tooLong ? { code: 'context_length_exceeded', param: 'messages' } : {})
}
