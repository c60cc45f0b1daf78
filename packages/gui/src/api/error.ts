// What every refusal and failure looks like.
import { z } from './zod'

/** Kinds of refusals and failures, each with its HTTP status. */
export const errorCodes = [
  'bad_request', // 400: malformed, or a value out of range; `issues` names each
  'unauthenticated', // 401: no session; open the address that `jora gui` printed
  'forbidden', // 403: a foreign origin or host, a spent launch token, a path outside the roots
  'not_found', // 404
  'conflict', // 409: the run is in a state in which this cannot be done
  'too_large', // 413
  'too_many', // 429 | 503: tries or streams; wait
  'offline', // 503: the Hub is needed and is not there
  'failed', // 500 | 502: a command that was started ended with an error; the message is its own
] as const
/** A name of {@link errorCodes}. */
export type ErrorCode = (typeof errorCodes)[number]

/** One value that is wrong: the path to it, and what was expected. */
export const issueSchema = z.object({ path: z.string(), message: z.string() })
/** An issue that {@link issueSchema} describes. */
export type Issue = z.infer<typeof issueSchema>

/** Body of every response that is not a success. */
export const errorSchema = z.object({
  error: z.object({
    code: z.enum(errorCodes),
    /** A sentence or two, for people: what is wrong, and what to do about it. */
    message: z.string(),
    /** For `bad_request`: each value at fault. `path` is that of a form field, such as `settings.loraR`. */
    issues: z.array(issueSchema).optional(),
  }),
})
/** A body that {@link errorSchema} describes. */
export type ErrorBody = z.infer<typeof errorSchema>
