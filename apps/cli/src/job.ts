// The processes of a job that a launcher started: who of them tells an error that all meet.
import { hostname } from 'node:os'
import { detectLauncher } from '@jora/shard/mpi'

/** Longer than mpirun takes to end all ranks after the first one that failed. */
const secondsToBeEnded = 4

/**
 * Resolves when this process may tell an error, with what is before it. All ranks of a job read the same arguments and
 * meet the same errors: rank 0 tells at once and its end ends the others while they wait; one that only another rank
 * meets is told after that, by name.
 */
export async function turnOfRank(env: Readonly<Record<string, string | undefined>>): Promise<string> {
  const rank = rankOf(env)
  if (rank === 0) return ''
  await new Promise((resolve) => setTimeout(resolve, secondsToBeEnded * 1000))
  return `rank ${rank} on host ${hostname()}: `
}

/** Which process of its job this one is; 0 on its own. */
export function rankOf(env: Readonly<Record<string, string | undefined>>): number {
  try {
    return detectLauncher(env)?.rank ?? 0
  } catch {
    return 0 // Variables that make no sense are an error of their own, where a mesh is opened.
  }
}
