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

export function fail(operation: string, detail: string): never {
  throw new TensorError(operation, detail)
}
