// How the memory of this process goes back to the system while others of its tensors live.
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

/** glibc's malloc_trim, which gives the pages back that lie free between blocks in use; undefined where there is none. */
let trim: ((pad: number) => number) | undefined

/**
 * Options of glibc's mallopt, by which heaps stay as large as a step has made them until {@link giveBack}: left to itself glibc gives
 * their ends back whenever 64 MB are free there, and whole heaps of a thread, and operators fault in gigabytes a step (some 4 % of its time).
 */
const heapOptions = [
  { name: 'M_MMAP_THRESHOLD', option: -3, bytes: 2 ** 25 }, // the most that may be of a heap, from the start
  { name: 'M_TRIM_THRESHOLD', option: -1, bytes: 2 ** 31 - 1 },
  { name: 'M_TOP_PAD', option: -2, bytes: 2 ** 27 }, // twice the largest heap of a thread: none is unmapped
]

/**
 * Readies {@link giveBack}, and has heaps keep what they have until then. glibc takes blocks of up to 32 MB from heaps: after a model is
 * read and compiled these hold some hundred megabytes that nothing uses. To map every larger block on its own instead would cost each
 * run its page faults, a quarter of the time of a small model.
 * @returns whether free pages can be given back: not without koffi, nor elsewhere than on Linux
 */
export const openGiveBack = (): Promise<boolean> => (opening ??= open())
let opening: Promise<boolean> | undefined

async function open(): Promise<boolean> {
  if (process.platform !== 'linux') return false
  try {
    const { default: koffi } = await import('koffi')
    const libc = koffi.load('libc.so.6')
    const mallopt = libc.func('int mallopt(int, int)') as (option: number, value: number) => number
    for (const { option, bytes } of heapOptions) mallopt(option, bytes)
    trim = libc.func('int malloc_trim(size_t)') as (pad: number) => number
    return true
  } catch {
    return false // it only takes more memory then
  }
}

/** Gives free memory back to the system, garbage of this thread's heap included. */
export function giveBack(): void {
  collectGarbage()
  trim?.(0)
}

/** Between two times that pages are given back while a program runs, in ms: each takes some ten, and the next run faults them in again. */
const trimMs = 20_000
let trimmedAt = 0

/** Gives free pages back after a long run, which leaves holes between what it keeps and what it does not. */
export function giveBackPages(): void {
  const now = performance.now()
  if (now - trimmedAt < trimMs) return
  trimmedAt = now
  trim?.(0)
}

/** Less garbage than this is not worth the time of a collection. */
const worthBytes = 2 ** 25

/** What this thread's heap and its arrays held after the last collection. */
let heldBytes = 0

const bytesHeld = (): number => {
  const { heapUsed, external } = process.memoryUsage()
  return heapUsed + external
}

/**
 * Collects this thread's garbage, when it may be much: of tracing and lowering a step tens of megabytes are left, which V8 would keep
 * for as long as nothing else is made.
 */
function collectGarbage(): void {
  if (bytesHeld() - heldBytes < worthBytes) return
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as () => void
  setFlagsFromString('--no-expose-gc')
  // The first time marks the pages that are empty, and the next gives them back.
  for (let i = 0; i < 2; i++) collect()
  heldBytes = bytesHeld()
  clearTimeout(later)
  later = setTimeout(collect, quietMs).unref()
}

/** V8 shrinks the space of new objects, 34 MB after a trace, where a collection finds that little was made in five seconds. */
const quietMs = 6000
let later: NodeJS.Timeout | undefined
