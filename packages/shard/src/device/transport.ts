// How processes of one job move bytes to one another: the interface of the mesh executor, and its error.

/** Bytes for, or from, another process. */
export interface Message {
  /** The other process. */
  readonly rank: number
  /** Tells the messages of one pair of processes apart; 0 to 32766. */
  readonly tag: number
  /** Read when sent, overwritten when received; its length is the message's, and both sides must agree on it. */
  readonly bytes: Uint8Array
}

/** Moves bytes between the processes of a job. All arithmetic happens on devices: a transport never looks inside. */
export interface Transport {
  /** This process, counted from 0. */
  readonly rank: number
  /** Number of processes. */
  readonly size: number
  /** Host of each rank, for messages. */
  readonly hosts: readonly string[]

  /**
   * Sends and receives; resolves when all outgoing are sent and all incoming have arrived in their bytes, which must
   * not be touched before. The other ranks must make the matching calls. Calls are made one after another: the next
   * only when the last has resolved.
   * @param what says in errors what was being moved, as `gradients of step 12`
   * @throws TransportError naming the ranks and hosts that have not answered after the time-out, or the message whose
   *   length is not the expected one; the job can then only be aborted
   */
  exchange(outgoing: readonly Message[], incoming: readonly Message[], what: string): Promise<void>

  /** Ends the whole job at once with this exit code, all ranks of it. */
  abort(code: number): never

  /**
   * Leaves the job in order; every rank must call it. Does nothing the second time.
   * @throws TransportError when not all ranks have come within the time-out
   */
  close(): Promise<void>
}

/** The processes of a job could not be reached, did not answer or do not fit together. */
export class TransportError extends Error {
  override readonly name = 'TransportError'
}
