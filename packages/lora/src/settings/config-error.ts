// The error for settings.

/** Settings that cannot be used, naming the one at fault. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError'

  /** `setting` is the key of the setting at fault in the table of settings, where it is one. */
  constructor(
    message: string,
    readonly setting?: string,
  ) {
    super(message)
  }
}
