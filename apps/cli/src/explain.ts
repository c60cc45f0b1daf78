// --explain: how a run's tensors are split over the mesh, and what its devices send one another.
import { MeshDevice, type Communication, type PlacedTensor, type ProgramReport } from '@jora/shard'
import type { Device } from '@jora/tensor'
import type { Io } from './io'
import { bytes, count, plural } from './ui/format'
import { styleFor, type Style } from './ui/style'
import { columns } from './ui/table'

/** Layers are told together: `layer 3/attention` as `layers/attention`. */
const alike = (text: string): string =>
  text.replace(/\blayer \d+/g, 'each layer').replace(/\.layers\.\d+\./g, '.layers.N.')

function together<T>(items: readonly T[], keyOf: (item: T) => string): T[][] {
  const groups = new Map<string, T[]>()
  for (const item of items) groups.set(keyOf(item), [...(groups.get(keyOf(item)) ?? []), item])
  return [...groups.values()]
}

const total = (items: readonly { readonly bytes: number }[]): number => items.reduce((n, { bytes: b }) => n + b, 0)

const isWhole = (spec: string): boolean => /^P\((null(, )?)*\)$/.test(spec)

function weightLines(weights: readonly PlacedTensor[], style: Style): string[] {
  const rows = together(weights, ({ name, aval, spec }) => `${alike(name)} ${aval} ${spec}`).map((alikes) => {
    const { name, aval, spec } = alikes[0]!
    const times = alikes.length > 1 ? `${alikes.length} ×` : ''
    return [
      `  ${alike(name)}`,
      times,
      aval,
      isWhole(spec) ? style.dim('whole') : style.cyan(spec),
      bytes(total(alikes)),
    ]
  })
  return columns(rows)
}

/** What is outside the model's named parts: the sums between layers, and what becomes of the gradients. */
function elsewhere({ axes, bytes: size }: Communication): string {
  if (axes.includes('data')) return 'gradients and loss'
  return size <= 8 ? 'norm of the gradient' : 'residual stream'
}

function communicationLines(communications: readonly Communication[], style: Style): string[] {
  const rows = together(
    communications,
    ({ op, axes, scope, bytes: b }) => `${op} ${axes.join()} ${alike(scope)} ${b}`,
  ).map((alikes) => {
    const { op, axes, scope, bytes: each } = alikes[0]!
    const place = alikes.length > 1 ? alike(scope) : scope
    const times = alikes.length > 1 ? `${alikes.length} × ${bytes(each)}` : ''
    return [
      `  ${op} over ${axes.join(' and ')}`,
      times,
      bytes(total(alikes)),
      style.dim(place || elsewhere(alikes[0]!)),
    ]
  })
  return columns(rows)
}

/** The report of one program, as lines: of a pass over rows, which holds the weights, or of the update after it. */
function explainProgram(report: ProgramReport, style: Style): string[] {
  const { mesh, constants, communications, segments, compiled } = report
  const sums = `${bytes(total(communications))} in ${plural(communications.length, 'exchange')}`
  if (constants.length === 0)
    return [style.bold(`What it sends in the update: ${sums}`), ...communicationLines(communications, style)]
  return [
    style.bold(`What each device of mesh ${mesh} has: ${bytes(total(constants))} of weights`),
    ...weightLines(constants, style),
    style.dim(
      "  P('model', null): rows over the axis model; P(null, 'model'): columns; whole: all of it on each device",
    ),
    style.bold(`What it sends in a pass over a batch: ${sums}`),
    ...communicationLines(communications, style),
    style.dim(`  ${count(segments)} segments between exchanges, ${count(compiled)} of them different`),
  ]
}

/**
 * Tells of the programs that `device` runs, once each is partitioned, until it is called back; says so where there is nothing
 * to split.
 */
export function explainTo(device: Device, io: Io): () => void {
  const style = styleFor(io.stderr, io.env)
  const write = (lines: readonly string[]) => io.stderr.write(`${lines.map((line) => line.trimEnd()).join('\n')}\n`)
  if (!(device instanceof MeshDevice)) {
    write(['one device: no tensor is split, and nothing is sent'])
    return () => {}
  }
  device.onProgram = (report) => {
    if (report.communications.length > 0) write(explainProgram(report, style))
  }
  return () => (device.onProgram = undefined)
}
