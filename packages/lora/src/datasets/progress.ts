// How far the preparing of rows has come, by the bytes of their files.

/** How far the preparing of rows has come. */
export interface PrepareEvent {
  /** Of large files it is looked up first whether they are prepared; rows are read for the split then, and tokenised. */
  readonly stage: 'checking' | 'reading' | 'tokenising'
  /** Bytes of the files that are read in this stage, of all. */
  readonly doneBytes: number
  readonly totalBytes: number
}

/** Counts the bytes that are read in a stage. */
export function stageBytes(
  stage: PrepareEvent['stage'],
  totalBytes: number,
  onPrepare: ((event: PrepareEvent) => void) | undefined,
): (bytes: Uint8Array) => void {
  let doneBytes = 0
  return (bytes) => {
    doneBytes += bytes.length
    onPrepare?.({ stage, doneBytes, totalBytes })
  }
}
