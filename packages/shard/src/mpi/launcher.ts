// Which launcher started this process, and as which of how many: read from the environment, before MPI is loaded.
import { TransportError } from '../device/transport'

/** What a launcher says of the process it started. */
export interface Launch {
  /** Who started it: Open MPI's mpirun, the mpiexec of MPICH and its kin, or Slurm's srun. */
  readonly launcher: 'mpirun' | 'mpiexec' | 'srun'
  /** This process, counted from 0. */
  readonly rank: number
  /** Number of processes. */
  readonly size: number
  /** This process among those of its host, counted from 0. */
  readonly localRank: number
  /** Number of processes on this host. */
  readonly localSize: number
}

type Environment = Readonly<Record<string, string | undefined>>

/**
 * The launch this process is part of; undefined when it was started on its own, or by a Slurm step that was not started
 * for MPI. Nothing is loaded, so every command may ask.
 * @param env the environment, usually `process.env`
 * @throws TransportError when a launcher's variables are incomplete or no numbers
 */
export function detectLauncher(env: Environment): Launch | undefined {
  if (env.OMPI_COMM_WORLD_RANK !== undefined)
    return launch('mpirun', {
      rank: count(env, 'OMPI_COMM_WORLD_RANK'),
      size: count(env, 'OMPI_COMM_WORLD_SIZE'),
      localRank: count(env, 'OMPI_COMM_WORLD_LOCAL_RANK'),
      localSize: count(env, 'OMPI_COMM_WORLD_LOCAL_SIZE'),
    })
  // A batch script has SLURM_PROCID=0 as well: only srun, and only with an --mpi plugin, adds the variables of PMI.
  const step = env.PMIX_RANK !== undefined || env.PMI_RANK !== undefined
  if (env.SLURM_PROCID !== undefined && step && count(env, 'SLURM_NTASKS') > 1)
    return launch('srun', {
      rank: count(env, 'SLURM_PROCID'),
      size: count(env, 'SLURM_NTASKS'),
      localRank: count(env, 'SLURM_LOCALID'),
      localSize: tasksOnNode(env),
    })
  if (env.PMI_RANK !== undefined && env.PMI_SIZE !== undefined)
    return launch('mpiexec', {
      rank: count(env, 'PMI_RANK'),
      size: count(env, 'PMI_SIZE'),
      localRank: count(env, 'MPI_LOCALRANKID'),
      localSize: count(env, 'MPI_LOCALNRANKS'),
    })
  return undefined
}

/**
 * How a job of `processes` is started on this machine, for messages. Open MPI starts nothing for root, which a user of a
 * container is, unless it is told to.
 */
export const startCommand = (processes: number, program: string, isRoot = process.getuid?.() === 0): string =>
  `mpirun ${isRoot ? '--allow-run-as-root ' : ''}-n ${processes} ${program}`

function launch(launcher: Launch['launcher'], place: Omit<Launch, 'launcher'>): Launch {
  const { rank, size, localRank, localSize } = place
  if (rank >= size || localRank >= localSize || localSize > size)
    throw new TransportError(
      `${launcher} names rank ${rank} of ${size}, and ${localRank} of ${localSize} on this host: no such process can be`,
    )
  return { launcher, ...place }
}

/** `SLURM_STEP_TASKS_PER_NODE` reads `2(x3),1`: three nodes of two tasks, one of one. */
function tasksOnNode(env: Environment): number {
  const name = env.SLURM_STEP_TASKS_PER_NODE === undefined ? 'SLURM_TASKS_PER_NODE' : 'SLURM_STEP_TASKS_PER_NODE'
  let node = count(env, 'SLURM_NODEID')
  for (const group of (env[name] ?? '').split(',')) {
    const [, tasks, nodes = '1'] = /^(\d+)(?:\(x(\d+)\))?$/.exec(group) ?? []
    if (tasks === undefined) break
    if (node < Number(nodes)) return Number(tasks)
    node -= Number(nodes)
  }
  throw new TransportError(`${name}: tasks of each node as 2(x3),1 expected, got ${env[name] ?? 'nothing'}`)
}

function count(env: Environment, name: string): number {
  const value = env[name]
  if (value === undefined || !/^\d+$/.test(value))
    throw new TransportError(`${name}: a whole number from the launcher expected, got ${value ?? 'nothing'}`)
  return Number(value)
}
