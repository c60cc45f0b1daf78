// Bytes between real ranks, on one host and on two; and how a job ends when one of them fails.
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { bundle, missingMpi, mpirun, run, type Program } from './harness'
import { createTwoHosts, missingTwoHosts, type TwoHosts } from './two-hosts'

let program: Program
beforeAll(async () => {
  program = await bundle(`${import.meta.dirname}/rank.ts`)
})
afterAll(() => program?.remove())

const rank = (...parameters: readonly string[]) => [process.execPath, program.file, ...parameters]

describe.skipIf(missingMpi !== '')(`one host${missingMpi && ` (needs ${missingMpi})`}`, () => {
  test.each([2, 4])('%i ranks exchange messages of 0 bytes to 40 MB', async (ranks) => {
    const { code, stdout, stderr } = await run([...mpirun(ranks), ...rank('exchange')])
    expect(stderr).toBe('')
    expect(code).toBe(0)
    for (let i = 0; i < ranks; i++) expect(stdout).toContain(`rank ${i} of ${ranks} on`)
  })

  test('a rank that waits leaves the cores to others, and its event loop runs', async () => {
    const { stdout } = await run([...mpirun(2), ...rank('wait')])
    const [, cpu, turns] = /cpu ([\d.]+) s, (\d+) turns/.exec(stdout) ?? []
    expect(Number(cpu)).toBeLessThan(0.5)
    expect(Number(turns)).toBeGreaterThan(20)
  })

  test('a rank that never answers is named after the time-out, and the job ends', async () => {
    const { code, stderr, seconds } = await run([...mpirun(4), ...rank('silent')])
    expect(stderr).toMatch(
      /rank 0 on host \S+: TransportError: gradients of step 12: no answer for 5 s: rank 3 on host \S+ has not come to it/,
    )
    expect(code).toBe(1)
    expect(seconds).toBeLessThan(45)
  })

  test('a rank that never joins ends the job', async () => {
    const { code, stderr, seconds } = await run([...mpirun(2), ...rank('absent', '2')])
    expect(stderr).toContain('rank 0: the 2 processes of the job have not all joined MPI after 2 s')
    expect(code).not.toBe(0)
    expect(seconds).toBeLessThan(15)
  })

  test('a killed rank ends the job', async () => {
    const { code, seconds } = await run([...mpirun(4), ...rank('killed')])
    expect(code).toBe(137)
    expect(seconds).toBeLessThan(10)
  })

  test('SIGTERM to one rank ends the job', async () => {
    const { code, stderr, seconds } = await run([...mpirun(2), ...rank('terminated')])
    expect(stderr).toMatch(/rank 1 on host \S+: ended by SIGTERM/)
    expect(code).toBe(143)
    expect(seconds).toBeLessThan(10)
  })

  test('an error that nobody catches ends the job, after the name of its rank', async () => {
    const { code, stderr, seconds } = await run([...mpirun(4), ...rank('thrown')])
    expect(stderr).toMatch(/rank 3 on host \S+: RangeError: a loss of NaN/)
    expect(code).toBe(1)
    expect(seconds).toBeLessThan(10)
  })

  test('an exit without close is no success', async () => {
    const { code, stderr } = await run([...mpirun(2), ...rank('exits')])
    expect(stderr).toMatch(/rank 1 on host \S+: left the job without closing it\n/)
    expect(code).toBe(1)
  })

  test.each([
    ['shorter', /embeddings: rank 0 on host \S+ sent 12 bytes under tag 4, 16 expected/],
    ['longer', /embeddings: receiving from rank 0 on host \S+, tag 4, 12 bytes expected: .*truncated/],
    ['nobody', /a wrong rank: a rank from 0 to 1 expected, got 9/],
  ])('what does not fit is refused: %s', async (scenario, message) => {
    const { code, stderr } = await run([...mpirun(2), ...rank(scenario)])
    expect(stderr).toMatch(message)
    expect(code).toBe(1)
  })

  test('without mpirun it says how to start', async () => {
    const { code, stderr } = await run(rank())
    expect(stderr).toContain('started by no launcher; start it as `mpirun')
    expect(code).toBe(1)
  })

  test('a world of another size than the launcher says is refused', async () => {
    const env = {
      OMPI_COMM_WORLD_RANK: '0',
      OMPI_COMM_WORLD_SIZE: '2',
      OMPI_COMM_WORLD_LOCAL_RANK: '0',
      OMPI_COMM_WORLD_LOCAL_SIZE: '2',
    }
    const { code, stderr } = await run(rank(), { env })
    expect(stderr).toMatch(
      /mpirun started this process as rank 0 of 2, but for Open MPI \S+ \(libmpi\S+\) it is rank 0 of 1/,
    )
    expect(code).toBe(1)
  })

  test('a library that is not there is named, with what to install', async () => {
    const { code, stderr } = await run([...mpirun(1), ...rank()], { env: { JORA_MPI_LIBRARY: '/nowhere/libmpi.so' } })
    expect(stderr).toMatch(/No MPI library: install Open MPI .*Tried \/nowhere\/libmpi\.so/)
    expect(code).toBe(1)
  })
})

const missing = [missingMpi, missingTwoHosts].filter((part) => part !== '').join(' and ')

describe.skipIf(missing !== '')(`two hosts${missing && ` (needs ${missing})`}`, () => {
  let hosts: TwoHosts
  beforeAll(() => {
    hosts = createTwoHosts()
  })
  afterAll(() => hosts?.destroy())

  test('two ranks on each exchange messages of 0 bytes to 40 MB', async () => {
    const { code, stdout, stderr } = await run([...hosts.mpirun(2), ...rank('exchange')])
    expect(stderr).toBe('')
    expect(code).toBe(0)
    expect(stdout).toContain('rank 3 of 4 on host-a host-a host-b host-b: done')
  })

  test('an error on the other host ends the job', async () => {
    const { code, stderr, seconds } = await run([...hosts.mpirun(1), ...rank('thrown')])
    expect(stderr).toContain('rank 1 on host host-b: RangeError: a loss of NaN')
    expect(code).toBe(1)
    expect(seconds).toBeLessThan(10)
  })

  test('a rank killed on the other host ends the job', async () => {
    const { code, seconds } = await run([...hosts.mpirun(1), ...rank('killed')])
    expect(code).not.toBe(0)
    expect(seconds).toBeLessThan(10)
  })

  test('a cut cable is reported by the rank that waits', async () => {
    const cable = createTwoHosts()
    let cut = false
    const watch = (output: string) => {
      if (output.includes('greeted') && !cut) {
        cut = true
        cable.cut()
      }
      // mpirun itself waits for its daemon over there as long as the kernel goes on sending: many minutes.
      if (output.includes('no answer for')) cable.destroy()
    }
    try {
      const { stderr } = await run([...cable.mpirun(1), ...rank('silent')], { watch })
      expect(stderr).toContain('gradients of step 12: no answer for 5 s: rank 1 on host host-b has not come to it')
    } finally {
      cable.destroy()
    }
  })
})
