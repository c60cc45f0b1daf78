// The error for settings.

/** Settings that cannot be used, naming the one at fault. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError'
}
