// How the memory of this process goes back to the system while others of its tensors live.
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

/** Blocks of this many bytes and more are mapped: glibc's own default, before it adapts. */
const mappedBytes = 2 ** 17

/** M_MMAP_THRESHOLD of glibc's malloc.h. */
const mapThreshold = -3

let asked: Promise<boolean> | undefined

/**
 * Has large blocks mapped from now on, each on its own, so that they go back when they are freed. By default glibc takes blocks up
 * to the largest freed so far, at most 32 MB, from heaps that shrink only at their ends: after a model is read and compiled
 * these hold some hundred megabytes that nothing uses.
 * @returns whether it does: not without koffi, elsewhere than on Linux, or where the environment says otherwise
 */
export const mapLargeBlocks = (): Promise<boolean> => (asked ??= askLibrary())

async function askLibrary(): Promise<boolean> {
  if (process.platform !== 'linux' || process.env.MALLOC_MMAP_THRESHOLD_ !== undefined) return false
  try {
    const { default: koffi } = await import('koffi')
    return koffi.load('libc.so.6').func('int mallopt(int, int)')(mapThreshold, mappedBytes) === 1
  } catch {
    return false // it only takes more memory then
  }
}

/** Less garbage than this is not worth the time of a collection. */
const worthBytes = 2 ** 25

/** What this thread's heap held after the last collection. */
let heldBytes = 0

/**
 * Collects this thread's garbage, when it may be much: of tracing and lowering a step tens of megabytes are left, which V8 would keep
 * for as long as nothing else is made.
 */
export function collectGarbage(): void {
  if (process.memoryUsage().heapUsed - heldBytes < worthBytes) return
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as () => void
  setFlagsFromString('--no-expose-gc')
  collect()
  heldBytes = process.memoryUsage().heapUsed
}
