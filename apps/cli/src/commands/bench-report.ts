// What jora bench shows a person: the ceilings, then each step beside its floor.
import { flopsLegend } from '@jora/lora'
import type { Io } from '../io'
import { parameters } from '../measure/shapes'
import type { Timing } from '../measure/timing'
import { bytes, count } from '../ui/format'
import { styleFor } from '../ui/style'
import { columns } from '../ui/table'
import type { LoraConfig } from '@jora/lora'
import type { CopyRate, ProductRate, AttentionRate } from '../measure/ceilings'
import type { StepRate } from '../measure/lora-step'

/** In the place of what could not be measured. */
export interface Failure {
  readonly error: string
}

/** What `--json` prints; docs/benchmarks says what each number means. */
export interface BenchResult {
  readonly schema: 'jora-bench/1'
  readonly date: string
  readonly versions: { readonly jora: string; readonly node: string }
  readonly platform: string
  readonly device: {
    readonly kind: 'cpu' | 'webgpu'
    readonly name: string
    readonly vendor?: string
    readonly architecture?: string
    /** The driver's own words. */
    readonly description?: string
    readonly software?: boolean
    readonly matrixUnits?: readonly { readonly m: number; readonly n: number; readonly k: number }[]
  }
  readonly model: {
    readonly shape: string
    readonly parameters: number
    /** P of the formula. */
    readonly multipliedWeights: number
    readonly trainedParameters: number
    readonly weightType: 'f32' | 'f16'
    readonly lora: LoraConfig
  }
  readonly flopsFormula: string
  readonly ceilings: {
    readonly copies: readonly (CopyRate | Failure)[]
    readonly products: readonly (ProductRate | Failure)[]
    readonly attention: readonly (AttentionRate | Failure)[]
    /** The fastest product in the dtype of the steps; 0 when there is none. */
    readonly bestProductFlopPerSecond: number
  }
  readonly steps: readonly (
    | StepResultWithFloor
    | (Failure & { readonly seq: number; readonly checkpointing: boolean })
  )[]
}

export type StepResultWithFloor = StepRate & {
  /** The step's arithmetic at the fastest product of this run. */
  readonly floorMs: number
}

const ms = (value: number): string =>
  value < 10 ? value.toFixed(2) : value < 100 ? value.toFixed(1) : count(Math.round(value))
const spread = ({ median, min, max }: Timing): string => `${ms(median)} ms (${ms(min)}–${ms(max)})`
/** `1.23 TFLOP/s` */
function rate(flopPerSecond: number): string {
  const [size, unit] = flopPerSecond >= 1e12 ? [1e12, 'T'] : [1e9, 'G']
  const value = flopPerSecond / size
  return `${value.toFixed(value < 100 ? 2 : 0)} ${unit}FLOP/s`
}

export function printBench({ device, model, versions, ceilings, steps, flopsFormula }: BenchResult, io: Io): void {
  const style = styleFor(io.stdout, io.env)
  const write = (line = '') => io.stdout.write(`${line}\n`)
  const table = (title: string, rows: readonly (readonly string[])[]) => {
    if (rows.length === 0) return
    write(`\n${style.bold(title)}`)
    for (const line of columns(rows)) write(`  ${line}`)
  }
  write(`${style.bold(device.name)}${device.description ? style.dim(`, ${device.description}`) : ''}`)
  write(
    `${model.shape}: ${parameters(model.parameters)} random weights in ${model.weightType} · LoRA r ${model.lora.r}, ${count(model.trainedParameters)} trained · jora ${versions.jora}, Node ${versions.node}`,
  )
  table('What the device reaches', [
    ...ceilings.copies.map((c) =>
      'error' in c
        ? [c.error]
        : [
            c.how === 'copy' ? 'copy by the driver' : 'x + 1 in place',
            bytes(c.bufferBytes),
            `${(c.bytesPerSecond / 1e9).toFixed(1)} GB/s`,
            spread(c.ms),
          ],
    ),
    ...ceilings.products.map((p) => {
      if ('error' in p) return [p.error]
      const isTransposed = p.direction === 'forward' && p.name !== 'square'
      const shape = `${p.dtype} [${p.m},${p.k}]·[${isTransposed ? `${p.n},${p.k}]ᵀ` : `${p.k},${p.n}]`}`
      return [p.name === 'square' ? 'product' : `${p.name} ${p.direction}`, shape, rate(p.flopPerSecond), spread(p.ms)]
    }),
    ...ceilings.attention.map((a) =>
      'error' in a
        ? [a.error]
        : [
            `attention ${a.direction}`,
            `${a.dtype} ${a.rows}×${a.heads} heads, ${a.seq} tokens`,
            rate(a.flopPerSecond),
            spread(a.ms),
          ],
    ),
  ])
  for (const step of steps) {
    const title = `LoRA step, ${step.seq} tokens${step.checkpointing ? ', layers checkpointed' : ''}`
    if ('error' in step) {
      table(title, [[style.red(step.error)]])
      continue
    }
    table(title, [
      ['step', spread(step.ms)],
      ['tokens a second', count(Math.round(step.tokensPerSecond))],
      ['model arithmetic', `${rate(step.flopPerSecond)} in ${step.dtype}`],
      [
        'floor',
        `${ms(step.floorMs)} ms at ${rate(ceilings.bestProductFlopPerSecond)}: the step takes ${(step.ms.median / step.floorMs).toFixed(2)} times as long`,
      ],
      [
        device.kind === 'cpu' ? 'memory of the process' : 'memory on the device',
        `${bytes(step.bytes)}, at most ${bytes(step.peakBytes)}`,
      ],
      ['host', `${spread(step.hostMs)}${step.dispatches === null ? '' : `, ${count(step.dispatches)} dispatches`}`],
      ['first step', `${ms(step.firstStepMs)} ms, compiling; weights made in ${ms(step.weightsMs)} ms`],
    ])
  }
  write(`\n${style.dim(`Arithmetic of a step: ${flopsFormula}. ${flopsLegend}.`)}`)
}
