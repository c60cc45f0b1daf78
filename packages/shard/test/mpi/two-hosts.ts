// Two hosts on one machine: network namespaces with names of their own, joined by a cable that can be pulled. Linux, root.
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** Two hosts, `host-a` and `host-b`, that reach each other over TCP and nothing else. */
export interface TwoHosts {
  /** mpirun on `host-a`, with this many ranks on each: the start of a command for `run`. */
  mpirun(ranksPerHost: number): readonly string[]
  /** Takes the network between them away. */
  cut(): void
  /** Ends what still runs there and removes both. Does nothing the second time. */
  destroy(): void
}

let made = 0

/** What is missing to make two hosts, for the end of a test's name; empty if nothing. */
export const missingTwoHosts = missing()

/**
 * Makes two hosts; `destroy` belongs in a `finally` or an `afterAll`.
 * @throws Error with what the system said when it refuses
 */
export function createTwoHosts(): TwoHosts {
  const job = `jora-${process.pid}-${made++}`
  const dir = mkdtempSync(join(tmpdir(), `${job}-`))
  const hosts = [
    { name: 'host-a', address: '10.99.0.1', device: 'cable-a' },
    { name: 'host-b', address: '10.99.0.2', device: 'cable-b' },
  ] as const
  const space = (host: string) => `${job}-${host}`
  const [a, b] = hosts

  const destroy = () => {
    for (const { name } of hosts) {
      const { stdout } = spawnSync('ip', ['netns', 'pids', space(name)], { encoding: 'utf8' })
      for (const pid of stdout.split('\n').filter((line) => line !== '')) kill(Number(pid))
      // The cable goes with either end.
      spawnSync('ip', ['netns', 'delete', space(name)])
    }
    rmSync(dir, { recursive: true, force: true })
  }

  try {
    for (const { name } of hosts) ip('netns', 'add', space(name))
    // Made inside: the machine itself never sees the cable, so its name need not be unique.
    ip('-n', space(a.name), 'link', 'add', a.device, 'type', 'veth', 'peer', 'name', b.device, 'netns', space(b.name))
    for (const { name, address, device } of hosts) {
      ip('-n', space(name), 'address', 'add', `${address}/30`, 'dev', device)
      ip('-n', space(name), 'link', 'set', 'lo', 'up')
      ip('-n', space(name), 'link', 'set', device, 'up')
    }
  } catch (error) {
    destroy()
    throw error
  }

  // Open MPI calls `agent ADDRESS COMMAND…` where it would call ssh.
  const agent = join(dir, 'agent')
  const cases = hosts.map(
    ({ name, address }) =>
      `${address}) exec ip netns exec ${space(name)} unshare --uts sh -c 'hostname ${name}; eval "$1"' sh "$*" ;;`,
  )
  writeFileSync(agent, `#!/bin/sh\naddress=$1\nshift\ncase $address in\n${cases.join('\n')}\nesac\n`, { mode: 0o755 })

  return {
    mpirun: (ranksPerHost) =>
      [
        ['ip', 'netns', 'exec', space(a.name), 'unshare', '--uts', 'sh', '-c', `hostname ${a.name}; exec "$@"`, 'sh'],
        ['mpirun', '--oversubscribe', '--bind-to', 'none', '-n', String(2 * ranksPerHost)],
        ['--host', hosts.map(({ address }) => `${address}:${ranksPerHost}`).join(',')],
        ['--mca', 'plm_rsh_agent', agent, '--mca', 'btl', 'tcp,self', '--mca', 'btl_tcp_if_include', '10.99.0.0/30'],
        ['--mca', 'oob_tcp_if_include', '10.99.0.0/30'],
      ].flat(),
    cut: () => ip('-n', space(b.name), 'link', 'set', b.device, 'down'),
    destroy,
  }
}

function ip(...parameters: readonly string[]): void {
  const { status, stderr, error } = spawnSync('ip', parameters, { encoding: 'utf8' })
  if (status !== 0) throw new Error(`ip ${parameters.join(' ')}: ${error?.message ?? stderr.trim()}`)
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL')
  } catch {
    // It has ended meanwhile.
  }
}

function missing(): string {
  for (const [command, ...parameters] of [
    ['ip', '-V'],
    ['unshare', '--version'],
    ['hostname', '--version'],
  ] as const)
    if (spawnSync(command, parameters).error) return `the command ${command}`
  try {
    createTwoHosts().destroy()
    return ''
  } catch (error) {
    if (error instanceof Error && error.message.startsWith('ip ')) return 'the right to make network namespaces'
    throw error
  }
}
