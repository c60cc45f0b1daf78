// --explain: how a run's tensors are split over the mesh, and what its devices send one another.
import { MeshDevice, type Communication, type PlacedTensor, type ProgramReport } from '@jora/shard'
import type { Device } from '@jora/tensor'
import type { Io } from './io'
import { bytes, count, plural } from './ui/format'
import { styleFor, type Style } from './ui/style'
import { columns } from './ui/table'

/** Programs of fewer exchanges than this are no training steps. */
const fewest = 3

/** Layers are told together: `layer 3/attention` as `layers/attention`. */
const alike = (text: string): string =>
  text.replace(/\blayer \d+/g, 'each layer').replace(/\.layers\.\d+\./g, '.layers.N.')

function together<T>(items: readonly T[], keyOf: (item: T) => string): T[][] {
  const groups = new Map<string, T[]>()
  for (const item of items) groups.set(keyOf(item), [...(groups.get(keyOf(item)) ?? []), item])
  return [...groups.values()]
}

const total = (items: readonly { readonly bytes: number }[]): number => items.reduce((n, { bytes: b }) => n + b, 0)

function weightLines(weights: readonly PlacedTensor[], style: Style): string[] {
  const rows = together(weights, ({ name, aval, spec }) => `${alike(name)} ${aval} ${spec}`).map((alikes) => {
    const { name, aval, spec } = alikes[0]!
    const times = alikes.length > 1 ? `${alikes.length} ×` : ''
    return [
      `  ${alike(name)}`,
      times,
      aval,
      spec === 'P()' || /^P\((null(, )?)*\)$/.test(spec) ? style.dim('whole') : style.cyan(spec),
      `${bytes(total(alikes))}`,
    ]
  })
  return columns(rows)
}

function communicationLines(communications: readonly Communication[], style: Style): string[] {
  const rows = together(
    communications,
    ({ op, axes, scope, bytes: b }) => `${op} ${axes.join()} ${alike(scope)} ${b}`,
  ).map((alikes) => {
    const { op, axes, scope, bytes: each } = alikes[0]!
    return [`  ${op}`, axes.join(' × '), `${alikes.length} ×`, bytes(each), style.dim(alike(scope) || 'between layers')]
  })
  return columns(rows)
}

/** The report of one program, as lines. */
export function explainProgram(report: ProgramReport, style: Style): string[] {
  const { mesh, constants, communications, segments, compiled } = report
  return [
    style.bold(`What each device of mesh ${mesh} holds: ${bytes(total(constants))} of weights`),
    ...weightLines(constants, style),
    style.bold(
      `What it sends in a pass: ${bytes(total(communications))} in ${plural(communications.length, 'exchange')}`,
    ),
    ...communicationLines(communications, style),
    style.dim(`${count(segments)} segments between exchanges, ${count(compiled)} of them different`),
  ]
}

/** Tells of the first large program that `device` runs, once it is partitioned; says so where there is nothing to split. */
export function explainTo(device: Device, io: Io): void {
  const style = styleFor(io.stderr, io.env)
  const write = (lines: readonly string[]) => io.stderr.write(`${lines.map((line) => line.trimEnd()).join('\n')}\n`)
  if (!(device instanceof MeshDevice)) return write(['one device: nothing is split, and nothing is sent'])
  device.onProgram = (report) => {
    if (report.communications.length < fewest) return
    device.onProgram = undefined
    write(explainProgram(report, style))
  }
}
