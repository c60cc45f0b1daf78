// How many threads the user gives the CPU's products.
import { availableParallelism } from 'node:os'

/**
 * Threads that the CPU devices of this process share: `OMP_NUM_THREADS` where it is a whole number from 1 on (the first of
 * several, which are for threads within threads), as people set it for PyTorch and batch systems do; else one for each core
 * that this process may use.
 */
export function threadsGiven(): number {
  const asked = Number(process.env.OMP_NUM_THREADS?.split(',')[0])
  return Number.isInteger(asked) && asked > 0 ? asked : availableParallelism()
}
