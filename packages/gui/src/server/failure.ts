// The error of everything that a request can run into, and the answer it becomes.
import { basename } from 'node:path'
import type { z } from 'zod'
import type { ErrorBody, ErrorCode, Issue } from '../api'

const statuses: Readonly<Record<ErrorCode, number>> = {
  bad_request: 400,
  unauthenticated: 401,
  forbidden: 403,
  not_found: 404,
  conflict: 409,
  too_large: 413,
  too_many: 503,
  offline: 503,
  failed: 500,
}

/** Told to whoever asked: the message says what is wrong and what to do about it. */
export class Failure extends Error {
  override readonly name = 'Failure'

  constructor(
    readonly code: ErrorCode,
    message: string,
    readonly issues: readonly Issue[] = [],
    readonly status = statuses[code],
  ) {
    super(message)
  }

  toResponse(): Response {
    const { code, message, issues } = this
    const body: ErrorBody = { error: { code, message, ...(issues.length > 0 ? { issues: [...issues] } : {}) } }
    const headers: Record<string, string> = code === 'too_many' ? { 'retry-after': '5' } : {}
    return Response.json(body, { status: this.status, headers })
  }
}

/** A message in which files are called by their names: where the server keeps them tells a page's user nothing. */
export const byName = (message: string, paths: readonly (string | undefined)[]): string =>
  paths.reduce<string>((text, path) => (path ? text.replaceAll(path, basename(path)) : text), message)

/** One value that cannot be, under the name of its form field. */
export const badValue = (path: string, message: string): Failure =>
  new Failure('bad_request', path === '' ? message : `${path}: ${message}`, [{ path, message }])

/** The failure that a schema's findings are; `at` is where the checked value is. */
export function schemaFailure(error: z.ZodError, at = ''): Failure {
  const issues = error.issues.slice(0, 20).flatMap((issue) => {
    const path = [at, ...issue.path.map(String)].filter((part) => part !== '').join('.')
    if (issue.code === 'unrecognized_keys')
      return issue.keys.map((key) => ({ path: [path, key].filter(Boolean).join('.'), message: 'is not known' }))
    // A value that is not there is told so; zod would tell of "undefined".
    const missing = issue.code === 'invalid_type' && issue.message.endsWith('received undefined')
    return [{ path, message: missing ? 'is missing' : issue.message.replace(/^Invalid input: /, '') }]
  })
  const [first] = issues
  const more = issues.length > 1 ? ` (and ${issues.length - 1} more)` : ''
  return new Failure('bad_request', `${[first?.path, first?.message].filter(Boolean).join(': ')}${more}`, issues)
}
