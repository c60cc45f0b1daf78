// The error of an export that does not hold against its source.

/** A written file that is not what it was made from, with the file and what differs. */
export class ExportError extends Error {
  override readonly name = 'ExportError'
}
