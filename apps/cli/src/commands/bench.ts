// jora bench: a LoRA step on this device, beside what the device reaches at its best in the same run.
import type { Command } from 'commander'
import {
  adaptedModules,
  joraVersion,
  type LoraConfig,
  flopsFormula,
  multipliedWeights,
  needsCheckpointing,
  plannedShape,
  type Workload,
} from '@jora/lora'
import type { Device } from '@jora/tensor'
import type { WebGpuDevice } from '@jora/tensor/webgpu'
import { UsageError } from '../errors'
import { defineCommand, type CommandContext } from '../flags/define-command'
import { choice, grouped, integer, integers, withDefault, type ValuesOf } from '../flags/flag'
import type { Session } from '../io'
import {
  attentionRates,
  driverCopy,
  isSlow,
  kernelCopy,
  layerProducts,
  squareProduct,
  type AttentionRate,
  type ProductRate,
} from '../measure/ceilings'
import { timeStep } from '../measure/lora-step'
import { parameterCount, shapeConfig, shapeNames } from '../measure/shapes'
import { deviceFlags, openDeviceFor } from '../open-device'
import { duration } from '../ui/format'
import { StatusLine } from '../ui/status-line'
import { styleFor } from '../ui/style'
import { printBench, type BenchResult, type Failure } from './bench-report'
import { asUsageError, loraOf, trainFlags } from './train-settings'

const { loraR, loraAlpha, targetModules, useRslora, useDora, initLoraWeights } = trainFlags

const flags = {
  ...grouped('The step:', {
    shape: withDefault(
      choice(`shape of the model, whose weights are random: ${shapeNames.join(', ')}`, shapeNames, {
        placeholder: 'NAME',
      }),
      'llama-2-7b',
    ),
    seq: withDefault(integers('tokens of a row, all labelled; one step each', 2), [512, 2048]),
    batch: withDefault(integer('rows of a step', 1, { aliases: ['batch-size'] }), 1),
    loraR,
    loraAlpha,
    targetModules,
    useRslora,
    useDora,
    initLoraWeights,
    gradientCheckpointing: withDefault(
      choice('recompute activations to save memory; auto does where the step would not fit', [
        'auto',
        'on',
        'off',
        'both',
      ]),
      'auto',
    ),
    steps: withDefault(integer('timed steps', 1), 10),
  }),
  ...grouped('Device:', deviceFlags),
}

type Values = ValuesOf<typeof flags>

export function registerBench(program: Command, io: Session): void {
  defineCommand(program, io, {
    name: 'bench',
    flags,
    examples: [
      'bench',
      'bench --shape 26m --seq 512 --batch 2 --device cpu',
      'bench --seq 512 --gradient-checkpointing both --json',
    ],
    run: bench,
  })
}

async function bench(values: Values, { io, json }: CommandContext<typeof flags>): Promise<void> {
  const config = shapeConfig(values.shape)
  const lora: LoraConfig = { ...loraOf(values), dropout: 0 }
  let trained: number
  try {
    trained = adaptedModules(config, lora).reduce((n, { inFeatures, outFeatures }) => n + inFeatures + outFeatures, 0)
  } catch (error) {
    throw asUsageError(error)
  }
  const style = styleFor(io.stderr, io.env)
  const line = new StatusLine(io.stderr)
  const failures: string[] = []
  /** A failure, out of memory above all, is told in the place of the result, and the rest is measured all the same. */
  async function attempt<T>(what: string, measure: () => Promise<T>): Promise<T | Failure> {
    const begun = performance.now()
    line.show(style.dim(`${what} …`), `${what} …`)
    try {
      return await measure()
    } catch (error) {
      failures.push(what)
      line.log(style.yellow(`${what}: ${(error as Error).message}`))
      return { error: (error as Error).message }
    } finally {
      if (!io.stderr.isTTY) line.log(`${what}: ${duration((performance.now() - begun) / 1000)}`)
    }
  }
  /** Each step has a device of its own, so that the memory it tells is that step's. */
  let opened = false
  async function withDevice<T>(use: (device: Device) => Promise<T>): Promise<T> {
    const device = await openDeviceFor(values, opened ? { ...io, stderr: { ...io.stderr, write: () => {} } } : io)
    opened = true
    try {
      return await use(device)
    } finally {
      await device.close()
    }
  }

  try {
    const { ceilings, about } = await withDevice(async (device) => {
      const hasHalf = device.computeDTypes.includes('f16')
      if (values.dtype === 'f16' && !hasHalf)
        throw new UsageError(`--dtype f16: ${device.name} cannot compute in f16, expected auto or f32`)
      if (values.dtype === 'int8')
        throw new UsageError('--dtype int8: bench measures f32 and f16, expected one of them or auto')
      const weightType: 'f32' | 'f16' = device.kind === 'webgpu' && hasHalf ? 'f16' : 'f32'
      const dtype: 'f32' | 'f16' =
        values.dtype !== 'auto' ? values.dtype : weightType === 'f16' ? device.computeDTypes[0]! : 'f32'
      const gpu = device.kind === 'webgpu' ? (device as WebGpuDevice) : undefined
      const copies = [
        ...(gpu ? [await attempt('copy', () => driverCopy(gpu))] : []),
        await attempt('elementwise kernel', () => kernelCopy(device)),
      ]
      const products: (ProductRate | Failure)[] = []
      for (const type of hasHalf ? (['f16', 'f32'] as const) : (['f32'] as const))
        products.push(await attempt(`square product, ${type}`, () => squareProduct(device, type)))
      const attention: (AttentionRate | Failure)[] = []
      // A slow device is shown at the first length only.
      for (const seq of isSlow(device) ? values.seq.slice(0, 1) : values.seq) {
        const options = { tokens: values.batch * seq, dtype, weightType }
        for (const [i, measure] of layerProducts(config, options).entries())
          products.push(await attempt(`products of a layer, ${seq} tokens, ${i + 1}`, () => measure(device)))
        const rates = await attempt(`attention, ${seq} tokens`, () =>
          attentionRates(device, config, { rows: values.batch, seq, dtype }),
        )
        attention.push(...('error' in rates ? [rates] : rates))
      }
      const rates = products.flatMap((p) => ('error' in p || p.dtype !== dtype ? [] : [p.flopPerSecond]))
      const about = { device: describe(device), weightType, profile: gpu?.profile }
      return { ceilings: { copies, products, attention, bestProductFlopPerSecond: Math.max(0, ...rates) }, about }
    })

    const steps: BenchResult['steps'][number][] = []
    for (const seq of values.seq) {
      const work: Workload = { batch: values.batch, seq, accumulation: 1, lora }
      const auto = async () =>
        about.profile !== undefined &&
        (await needsCheckpointing(plannedShape(config, about.weightType), work, {
          profile: about.profile,
          dtype: values.dtype,
          memoryBytes: values.deviceMemory,
        }))
      const wanted = values.gradientCheckpointing
      for (const checkpointing of wanted === 'both'
        ? [false, true]
        : [wanted === 'auto' ? await auto() : wanted === 'on']) {
        const options = { weightType: about.weightType, dtype: values.dtype, checkpointing, steps: values.steps }
        const rate = await attempt(`step, ${seq} tokens${checkpointing ? ', checkpointed' : ''}`, () =>
          withDevice((device) => timeStep(device, config, work, options)),
        )
        if ('error' in rate) steps.push({ seq, checkpointing, ...rate })
        else steps.push({ ...rate, floorMs: (rate.flops / ceilings.bestProductFlopPerSecond) * 1000 })
      }
    }
    const result: BenchResult = {
      schema: 'jora-bench/1',
      date: new Date().toISOString(),
      versions: { jora: joraVersion, node: process.version },
      platform: `${process.platform}-${process.arch}`,
      device: about.device,
      model: {
        shape: values.shape,
        parameters: parameterCount(config),
        multipliedWeights: multipliedWeights(config),
        trainedParameters: trained * lora.r,
        weightType: about.weightType,
        lora,
      },
      flopsFormula,
      ceilings,
      steps,
    }
    line.clear()
    if (json) io.stdout.write(`${JSON.stringify(result)}\n`)
    else printBench(result, io)
    if (failures.length > 0) throw new Error(`not measured: ${failures.join('; ')}`)
  } finally {
    line.clear()
  }
}

function describe(device: Device): BenchResult['device'] {
  if (device.kind === 'cpu') return { kind: 'cpu', name: device.name }
  const { adapter, profile } = device as WebGpuDevice
  const { name, vendor, architecture, description, software } = adapter
  return { kind: 'webgpu', name, vendor, architecture, description, software, matrixUnits: profile.matrixUnits }
}
