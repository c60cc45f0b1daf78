// What launchers put into the environment, and what is read from it.
import { expect, test } from 'vitest'
import { detectLauncher, startCommand } from './launcher'

const openMpi = {
  OMPI_COMM_WORLD_RANK: '3',
  OMPI_COMM_WORLD_SIZE: '4',
  OMPI_COMM_WORLD_LOCAL_RANK: '1',
  OMPI_COMM_WORLD_LOCAL_SIZE: '2',
}
const slurm = {
  SLURM_PROCID: '6',
  SLURM_NTASKS: '7',
  SLURM_LOCALID: '0',
  SLURM_NODEID: '3',
  SLURM_STEP_TASKS_PER_NODE: '2(x3),1',
}

test('a process started on its own has no launcher', () => {
  expect(detectLauncher({})).toBeUndefined()
  expect(detectLauncher({ PATH: '/bin', SLURM_JOB_ID: '12' })).toBeUndefined()
})

test('mpirun of Open MPI', () => {
  expect(detectLauncher(openMpi)).toEqual({ launcher: 'mpirun', rank: 3, size: 4, localRank: 1, localSize: 2 })
})

test('mpirun inside a Slurm job is mpirun', () => {
  expect(detectLauncher({ ...slurm, ...openMpi })?.launcher).toBe('mpirun')
})

test('mpiexec of MPICH', () => {
  const env = { PMI_RANK: '1', PMI_SIZE: '2', MPI_LOCALRANKID: '1', MPI_LOCALNRANKS: '2' }
  expect(detectLauncher(env)).toEqual({ launcher: 'mpiexec', rank: 1, size: 2, localRank: 1, localSize: 2 })
})

test('srun, with PMIx or PMI-2', () => {
  const expected = { launcher: 'srun', rank: 6, size: 7, localRank: 0, localSize: 1 }
  expect(detectLauncher({ ...slurm, PMIX_RANK: '6' })).toEqual(expected)
  expect(detectLauncher({ ...slurm, PMI_RANK: '6', PMI_SIZE: '7' })).toEqual(expected)
  const second = { ...slurm, PMIX_RANK: '2', SLURM_PROCID: '2', SLURM_NODEID: '1' }
  expect(detectLauncher(second)?.localSize).toBe(2)
})

test('a batch script, or a step of one task, is no launch', () => {
  expect(detectLauncher(slurm)).toBeUndefined()
  expect(detectLauncher({ ...slurm, SLURM_NTASKS: '1', PMIX_RANK: '0' })).toBeUndefined()
})

test('variables that make no sense are named', () => {
  expect(() => detectLauncher({ ...openMpi, OMPI_COMM_WORLD_SIZE: undefined })).toThrow(
    'OMPI_COMM_WORLD_SIZE: a whole number from the launcher expected, got nothing',
  )
  expect(() => detectLauncher({ ...openMpi, OMPI_COMM_WORLD_RANK: '-1' })).toThrow('OMPI_COMM_WORLD_RANK')
  expect(() => detectLauncher({ ...openMpi, OMPI_COMM_WORLD_SIZE: '3' })).toThrow('mpirun names rank 3 of 3')
  expect(() => detectLauncher({ ...slurm, PMIX_RANK: '6', SLURM_STEP_TASKS_PER_NODE: 'two' })).toThrow(
    'SLURM_STEP_TASKS_PER_NODE: tasks of each node as 2(x3),1 expected, got two',
  )
})

test('a job that root is told to start is one that Open MPI starts for root', () => {
  expect(startCommand(4, 'jora train', false)).toBe('mpirun -n 4 jora train')
  expect(startCommand(4, 'jora train', true)).toBe('mpirun --allow-run-as-root -n 4 jora train')
})
