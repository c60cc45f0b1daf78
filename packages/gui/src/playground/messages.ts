// What server and playground process say to each other.
import type { ChatEvent, ChatRequest } from '../api'

/** A request with everything found: folders instead of names. */
export interface Ask extends Omit<ChatRequest, 'runId' | 'model' | 'adapter' | 'sides' | 'mode'> {
  readonly modelDir: string
  readonly adapterDir: string | null
  /** The tuned model itself, where that was trained instead of an adapter. */
  readonly tunedDir?: string | undefined
  readonly sides: NonNullable<ChatRequest['sides']>
  /** Absent: as the model was trained to be asked. */
  readonly mode?: ChatRequest['mode']
}

export type ToWorker =
  | { readonly type: 'ask'; readonly id: number; readonly ask: Ask }
  | { readonly type: 'abort'; readonly id: number }

/** Without an event: nothing more will come for this id. */
export interface FromWorker {
  readonly id: number
  readonly event?: ChatEvent
}
