// jora devices: what models can run on, and which of it --device auto takes.
import { availableParallelism, cpus, totalmem } from 'node:os'
import type { Command } from 'commander'
import type { AdapterDescription } from '@jora/tensor/webgpu'
import { defineCommand } from '../flags/define-command'
import type { Session } from '../io'
import { bytes, plural } from '../ui/format'
import { styleFor, type Style } from '../ui/style'

/** What there is to know of one device. */
type DeviceFacts =
  | { readonly kind: 'cpu'; readonly name: string; readonly cores: number; readonly memoryBytes: number }
  | (Omit<AdapterDescription, 'profile'> &
      Pick<AdapterDescription['profile'], 'f16' | 'matrixUnits' | 'subgroupSize'> & {
        readonly kind: 'webgpu'
        /** Why JORA cannot run on it. */
        readonly unusable?: string
      })

interface Found {
  readonly devices: readonly DeviceFacts[]
  /** The one that --device auto takes. */
  readonly auto: DeviceFacts
  /** Why no adapter could be asked for. */
  readonly problem?: string
}

export function registerDevices(program: Command, io: Session): void {
  defineCommand(program, io, {
    name: 'devices',
    flags: {},
    examples: ['devices', 'devices --json'],
    run: async (_values, { json }) => {
      const { devices, auto, problem } = await findDevices()
      if (json) {
        const marked = devices.map((device) => ({ ...device, auto: device === auto }))
        io.stdout.write(`${JSON.stringify({ devices: marked, default: auto.kind, problem })}\n`)
        return
      }
      const style = styleFor(io.stdout, io.env)
      for (const device of devices) {
        const mark = device === auto ? style.green('  ← --device auto') : ''
        io.stdout.write(`${style.bold(device.kind.padEnd(6))}  ${headline(device)}${mark}\n`)
        for (const [what, value] of details(device, style))
          io.stdout.write(`        ${style.dim(what.padEnd(16))}  ${value}\n`)
      }
      if (devices.length > 1) return
      const why = problem ?? 'no adapter: no GPU, or no Vulkan, Metal or Direct3D 12 driver'
      io.stdout.write(`${style.dim(`webgpu  ${why}`)}\n`)
    },
  })
}

async function findDevices(): Promise<Found> {
  const cpu = {
    kind: 'cpu',
    name: cpus()[0]?.model.trim() || 'CPU',
    cores: availableParallelism(),
    memoryBytes: totalmem(),
  } as const
  try {
    const { firstGpu, listAdapters, missingFrom } = await import('@jora/tensor/webgpu')
    const adapters = await listAdapters()
    const gpus = adapters.map((adapter): DeviceFacts => {
      const { profile, ...rest } = adapter
      const { f16, matrixUnits, subgroupSize } = profile
      const unusable = missingFrom(adapter)
      const facts = { kind: 'webgpu', ...rest, f16, matrixUnits, subgroupSize } as const
      return unusable === undefined ? facts : { ...facts, unusable }
    })
    const first = firstGpu(adapters)
    return { devices: [cpu, ...gpus], auto: first ? gpus[adapters.indexOf(first)]! : cpu }
  } catch (error) {
    return { devices: [cpu], auto: cpu, problem: (error as Error).message }
  }
}

const headline = (device: DeviceFacts): string =>
  device.kind === 'webgpu'
    ? device.name
    : `${device.name}, ${plural(device.cores, 'core')}, ${bytes(device.memoryBytes)} memory`

function details(device: DeviceFacts, style: Style): [what: string, value: string][] {
  if (device.kind === 'cpu') return []
  const { software, vendor, architecture, description, f16, matrixUnits, subgroupSize, limits, unusable } = device
  const limit = (name: string): string => bytes(limits[name] ?? 0)
  const rows: [string, string][] = [
    [software ? 'software' : 'hardware', [vendor, architecture, description].filter(Boolean).join(', ')],
    ['16-bit floats', f16 ? 'yes' : 'no'],
    ['matrix units', matrixUnits.map(({ m, n, k }) => `${m}×${n}×${k}`).join(', ') || 'none'],
    ['subgroup', subgroupSize > 0 ? `${subgroupSize} lanes` : 'of no fixed size'],
    ['largest buffer', limit('maxBufferSize')],
    ['largest binding', limit('maxStorageBufferBindingSize')],
    ['workgroup memory', limit('maxComputeWorkgroupStorageSize')],
  ]
  return unusable === undefined ? rows : [['cannot be used', style.red(unusable)], ...rows]
}
