// Errors raised by @jora/tensor: one class, always naming the operation.

/** An operation was called with shapes, dtypes or parameters it cannot take. */
export class TensorError extends Error {
  constructor(
    readonly operation: string,
    detail: string,
  ) {
    super(`${operation}: ${detail}`)
    this.name = 'TensorError'
  }
}

/** A value as a message quotes it: as JSON, cut after `most` characters; `missing` where there is none. */
export function showValue(value: unknown, most = 80): string {
  if (value === undefined) return 'missing'
  const text = JSON.stringify(value) ?? typeof value
  return text.length > most ? `${text.slice(0, most)}… (${text.length} characters)` : text
}

export function fail(operation: string, detail: string): never {
  throw new TensorError(operation, detail)
}
