// What a machine needs for JORA, one check an entry: what is there, and the way to what is missing.
import { readFileSync } from 'node:fs'
import { statfs } from 'node:fs/promises'
import { availableParallelism, cpus, totalmem } from 'node:os'
import { bytes, plural } from '../ui/format'

/** `missing`: something that JORA needs or that this machine could have is not there. `limited`: it works, with less. */
export type Health = 'ok' | 'limited' | 'missing'

export interface Finding {
  readonly health: Health
  /** What was found, in a line. */
  readonly found: string
  /** What to do about it, where there is something to do. */
  readonly fix?: string
}

export interface Check {
  readonly name: string
  /** Without it nothing runs: `jora doctor` ends with exit code 1. */
  readonly required?: true
  find(): Promise<Finding>
}

const message = (error: unknown): string =>
  (error instanceof Error ? error.message : String(error)).split('\n')[0] ?? ''

/** The memory this process may use: the container's limit where there is one below the machine's. */
function usableMemory(): number {
  for (const file of ['/sys/fs/cgroup/memory.max', '/sys/fs/cgroup/memory/memory.limit_in_bytes']) {
    try {
      const limit = Number(readFileSync(file, 'utf8').trim())
      if (Number.isFinite(limit) && limit > 0) return Math.min(limit, totalmem())
    } catch {
      // No such file: no control groups of that version here.
    }
  }
  return totalmem()
}

const gigabyte = 1e9

export const checks: readonly Check[] = [
  {
    name: 'Node',
    required: true,
    find: () => {
      const [major = 0, minor = 0] = process.versions.node.split('.').map(Number)
      const recent = major > 20 || (major === 20 && minor >= 19)
      return Promise.resolve({
        health: recent ? 'ok' : 'missing',
        found: `${process.versions.node} on ${process.platform}-${process.arch}`,
        ...(recent ? {} : { fix: 'install Node 20.19 or newer from https://nodejs.org' }),
      })
    },
  },
  {
    name: 'CPU',
    find: () =>
      Promise.resolve({
        health: 'ok',
        found: `${cpus()[0]?.model.trim() || 'unknown'}, ${plural(availableParallelism(), 'thread')}`,
      }),
  },
  {
    name: 'memory',
    find: () => {
      const usable = usableMemory()
      const small = usable < 4 * gigabyte
      return Promise.resolve({
        health: small ? 'limited' : 'ok',
        found: bytes(usable) + (usable < totalmem() ? ` of ${bytes(totalmem())} (limit of this container)` : ''),
        ...(small
          ? { fix: 'enough for models of some 100 million parameters; jora estimate shows what a run needs' }
          : {}),
      })
    },
  },
  {
    name: 'disk',
    find: async () => {
      const { bavail, bsize } = await statfs(process.cwd())
      const free = bavail * bsize
      return {
        health: free < 2 * gigabyte ? 'limited' : 'ok',
        found: `${bytes(free)} free in ${process.cwd()}`,
        ...(free < 2 * gigabyte ? { fix: 'checkpoints and merged models need room: choose another --output-dir' } : {}),
      }
    },
  },
  {
    name: 'CPU runtime',
    required: true,
    find: async () => {
      try {
        const { openCpuDevice } = await import('@jora/tensor/onnx')
        const device = await openCpuDevice({ threads: 1 })
        await device.close()
        return { health: 'ok', found: 'ONNX Runtime opens a device' }
      } catch (error) {
        const text = message(error)
        const command = /npm install[^(]*/.exec(text)?.[0].trim()
        return { health: 'missing', found: text, ...(command === undefined ? {} : { fix: command }) }
      }
    },
  },
  {
    name: 'GPU',
    find: async () => {
      try {
        const { firstGpu, listAdapters, missingFrom } = await import('@jora/tensor/webgpu')
        const adapters = await listAdapters()
        const gpu = firstGpu(adapters)
        if (gpu) return { health: 'ok', found: `${gpu.name}, by WebGPU` }
        const [first] = adapters
        if (!first)
          return {
            health: 'limited',
            found: 'no adapter: no GPU, or no Vulkan, Metal or Direct3D 12 driver',
            fix:
              process.platform === 'linux'
                ? "with a GPU: its vendor's driver and the Vulkan loader (Debian, Ubuntu: apt-get install libvulkan1)"
                : "with a GPU: its vendor's driver",
          }
        const why = missingFrom(first)
        return {
          health: 'limited',
          found: `${first.name} computes on the CPU${why === undefined ? '' : ` and cannot be used: ${why}`}`,
          fix: "runs compute on the CPU; with a GPU, install its vendor's driver",
        }
      } catch (error) {
        return { health: 'limited', found: message(error), fix: 'npm install webgpu@0.6.2' }
      }
    },
  },
  {
    name: 'MPI',
    find: async () => {
      try {
        const { loadMpi } = await import('@jora/shard/mpi')
        const { version, library } = await loadMpi()
        return { health: 'ok', found: `${version} (${library})` }
      } catch (error) {
        return {
          health: 'limited',
          found: message(error).replace(/\. Tried .*$/, ''),
          fix: 'only for several processes or machines: apt-get install openmpi-bin, and npm install koffi',
        }
      }
    },
  },
  {
    name: 'Hub',
    find: async () => {
      try {
        const { hubSettings } = await import('@jora/llama')
        const { endpoint, tokenSource, cacheDir, offline } = await hubSettings('doctor', {})
        const token = tokenSource === undefined ? 'no token' : `token from ${tokenSource}`
        return {
          health: offline ? 'limited' : 'ok',
          found: `${endpoint}, ${token}, cache ${cacheDir}${offline ? ', offline' : ''}`,
          ...(offline
            ? { fix: 'HF_HUB_OFFLINE is set: only models in the cache are found' }
            : tokenSource === undefined
              ? { fix: 'for private or gated models, and push: set HF_TOKEN' }
              : {}),
        }
      } catch (error) {
        return { health: 'missing', found: message(error) }
      }
    },
  },
]
