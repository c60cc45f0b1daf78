// Results of long work, in their order: those of a call that was stopped come back, the others are made and kept.

/** The results of one stage. */
export interface Kept<T> {
  /** The next result of an earlier call; undefined once there are no more. */
  take(): T | undefined
  /** Keeps a result that was made now, behind all before it. */
  add(result: T): void
}

/** The next result: an earlier call's, or one that is made now. */
export function nextOf<T>(kept: Kept<T> | undefined, make: () => T): { result: T; isEarlier: boolean } {
  const earlier = kept?.take()
  if (earlier !== undefined) return { result: earlier, isEarlier: true }
  const result = make()
  kept?.add(result)
  return { result, isEarlier: false }
}
