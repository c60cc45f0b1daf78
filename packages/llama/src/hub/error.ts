// The error of everything that finds, downloads, caches or pushes a model.

export type HubErrorCode =
  | 'InvalidName' // an id, revision, file name, endpoint or token that is refused before use
  | 'LocalFolder' // a path that is not a folder, or a folder that lacks a file its index names or may not be pushed
  | 'Secret' // a file to be pushed holds what looks like an access token
  | 'Unauthorized' // 401, 403: gated, private, or a token without the right
  | 'NotFound' // 404: no such model, revision or file
  | 'Conflict' // 409, 412: the repository was changed by someone else
  | 'Refused' // another 4xx: what was pushed is not taken
  | 'RateLimited' // 429, after the bounded wait
  | 'ServerError' // 5xx after retries, or any other answer that is no success
  | 'Unreachable' // no answer at all
  | 'Offline' // offline, and not (wholly) in the cache
  | 'NotAModel' // no config.json, or no safetensors weights
  | 'Corrupt' // bytes that are not those the Hub announced, or a malformed index
  | 'Cache' // the cache folder cannot be written

/** A model could not be resolved or pushed. The message names the model and the cause, never the token. */
export class HubError extends Error {
  override readonly name = 'HubError'

  constructor(
    readonly code: HubErrorCode,
    /** The model's id, or the local path. */
    readonly id: string,
    what: string,
    options?: ErrorOptions,
  ) {
    super(`${id}: ${what}`, options)
  }
}
