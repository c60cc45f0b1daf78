// How a process waits for others without taking the cores that they, or its own devices, compute on.

/** The event loop's other work, then on. */
export const turn = () => new Promise<void>((resolve) => setImmediate(resolve))
const timer = () => new Promise<void>((resolve) => setTimeout(resolve, 1))
const never = new Int32Array(new SharedArrayBuffer(4))

/** Milliseconds of a wait that are spent spinning: what a message takes when the other side is there already. */
const spin = 0.1
/** Milliseconds of a wait from which on a timer, whose step is 1 ms, is fine enough. */
const long = 16
/** The share of the wait that one sleep may add to it. */
const share = 1 / 16

/**
 * One step of a wait that has lasted `waited` milliseconds: the event loop runs, and the longer it lasts the longer the
 * thread sleeps, up to 1 ms. A wait takes at most a sixteenth longer than it must.
 */
export async function pause(waited: number): Promise<void> {
  if (waited >= long) return timer()
  if (waited >= spin) Atomics.wait(never, 0, 0, Math.max(waited * share, 0.02))
  return turn()
}
