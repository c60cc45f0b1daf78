// jora estimate: the memory that training takes on a GPU or on the CPU, before it starts and wherever it will run.
import { readFile } from 'node:fs/promises'
import type { Command } from 'commander'
import type { DTypeSetting } from '@jora/llama'
import {
  type LoraConfig,
  estimateStep,
  plannedModel,
  plannedShape,
  processMemory,
  stepFlops,
  trainingDType,
  type PlannedModel,
  type StepEstimate,
} from '@jora/lora'
import { parseMesh } from '@jora/shard'
import { openDevice } from '@jora/shard/open'
import type { GpuProfile } from '@jora/tensor/webgpu'
import { UsageError } from '../errors'
import { defineCommand, type CommandContext } from '../flags/define-command'
import { choice, grouped, integers, text, withDefault, type ValuesOf } from '../flags/flag'
import type { Session } from '../io'
import { parameterCount, parameters, shapeConfig, shapeNames } from '../measure/shapes'
import { weightFlags } from '../open-device'
import { openBase } from '../open-base'
import { bytes, count, duration } from '../ui/format'
import { styleFor } from '../ui/style'
import { columns } from '../ui/table'
import type { BenchResult } from './bench-report'
import { asUsageError, loraOf, trainFlags } from './train-settings'

const { loraR, loraAlpha, loraDropout, targetModules, useRslora, useDora, initLoraWeights } = trainFlags
const { finetuningType, trainableLayers, trainableModules, layersToTransform } = trainFlags
const { modulesToSave, ensureWeightTying, trainableTokenIndices } = trainFlags
const { batchSize, gradientAccumulationSteps, mesh, optimizer } = trainFlags

const flags = {
  ...grouped('Model and rows:', {
    model: text(
      'a folder in Hugging Face layout, a GGUF file, or a Hub id (org/name, org/name:Q4_K_M)',
      'DIR or hub id',
    ),
    shape: choice(`a model by its sizes alone, with bf16 weights: ${shapeNames.join(', ')}`, shapeNames, {
      placeholder: 'NAME',
    }),
    seq: withDefault(integers('tokens of the longest row, one estimate each', 2), [512, 2048]),
    batchSize: { ...batchSize, aliases: ['batch', ...(batchSize.aliases ?? [])] },
    gradientAccumulationSteps,
  }),
  ...grouped('Adapter:', {
    loraR,
    loraAlpha,
    loraDropout,
    targetModules,
    useRslora,
    useDora,
    initLoraWeights,
    finetuningType,
    trainableLayers,
    trainableModules,
    layersToTransform,
    modulesToSave,
    ensureWeightTying,
    trainableTokenIndices,
    optimizer,
  }),
  ...grouped('Device:', {
    ...weightFlags,
    device: withDefault(choice('where training will run; auto is a GPU', ['auto', 'webgpu', 'cpu']), 'auto'),
    deviceMemory: { ...weightFlags.deviceMemory, help: 'memory of the device, such as 16GB: shows what fits' },
    gradientCheckpointing: withDefault(choice('only with, or only without', ['auto', 'on', 'off']), 'auto'),
    mesh,
    bench: text('the output of `jora bench --json` on that device, for the time of a step', 'FILE'),
  }),
}

type Values = ValuesOf<typeof flags>

interface Estimate extends StepEstimate {
  readonly seq: number
  /** Null when no rate was measured. */
  readonly stepSeconds: number | null
}

export function registerEstimate(program: Command, io: Session): void {
  defineCommand(program, io, {
    name: 'estimate',
    flags,
    examples: [
      'estimate --model models/llama --seq 1024 --device-memory 16GB',
      'estimate --shape llama-2-7b --seq 512,2048 --json',
    ],
    run: estimate,
  })
}

async function estimate(values: Values, { io, json }: CommandContext<typeof flags>): Promise<void> {
  const model = await modelOf(values, io)
  const profile = values.device === 'cpu' ? ('cpu' as const) : await profileFor(values)
  const isCpu = profile === 'cpu'
  const rate = values.bench === undefined ? undefined : await rateOf(values.bench)
  const lora: LoraConfig = { ...loraOf(values), dropout: values.loraDropout }
  const wanted = values.gradientCheckpointing
  const estimates: Estimate[] = []
  const mesh = parseMesh(values.mesh)
  const dtype = isCpu && mesh.size === 1 ? await cpuDType(values, model, lora) : values.dtype
  try {
    for (const seq of values.seq) {
      const { batchSize: batch, gradientAccumulationSteps: accumulation, optimizer } = values
      const work = { batch, seq, accumulation, lora, optimizer }
      const flops = stepFlops(model.config, work.batch * work.accumulation, seq)
      const options = {
        profile,
        dtype,
        gradientCheckpointing: wanted,
        memoryBytes: values.deviceMemory ?? (isCpu ? processMemory() : undefined),
        mesh,
      }
      for (const step of await estimateStep(model, work, options))
        estimates.push({
          seq,
          ...step,
          // The exchanges between devices come on top.
          stepSeconds: rate === undefined ? null : flops / mesh.size / rate(seq, step.checkpointing),
        })
    }
  } catch (error) {
    throw asUsageError(error)
  }
  const about = {
    model: values.model ?? values.shape,
    parameters: parameterCount(model.config),
    device: isCpu ? 'CPU' : profile.name,
    batch: values.batchSize,
    gradientAccumulationSteps: values.gradientAccumulationSteps,
    mesh: mesh.toString(),
  }
  if (json) {
    io.stdout.write(`${JSON.stringify({ schema: 'jora-estimate/1', ...about, lora, estimates })}\n`)
    return
  }
  const style = styleFor(io.stdout, io.env)
  io.stdout.write(
    `${style.bold(about.model!)}, ${parameters(about.parameters)} parameters, on ${mesh.size > 1 ? `each device of a mesh ${mesh} of ` : ''}${about.device} · ${lora.whole ? (lora.whole.layers === undefined ? 'all weights' : 'layers of it') : `LoRA r ${lora.r}`} · ${count(about.batch)} × ${count(about.gradientAccumulationSteps)} rows a step\n\n`,
  )
  const heads = [
    'tokens',
    'layers',
    'weights',
    lora.whole ? 'trained, AdamW' : 'adapter, AdamW',
    'activations',
    'in all',
    '',
    '',
  ]
  const rows = estimates.map((e) => [
    count(e.seq),
    e.checkpointing ? 'checkpointed' : 'kept',
    bytes(e.weightBytes),
    bytes(e.stateBytes),
    bytes(e.activationBytes),
    style.bold(bytes(e.totalBytes)),
    e.fits === null ? '' : e.fits ? style.green('fits') : style.red('does not fit'),
    `${e.stepSeconds === null ? '' : `${duration(e.stepSeconds)} a step`}${wanted === 'auto' && e.auto ? style.dim(' ← auto') : ''}`.trim(),
  ])
  for (const line of columns([heads.map((head) => style.dim(head)), ...rows])) io.stdout.write(`${line.trimEnd()}\n`)
  io.stdout.write(
    style.dim(
      `\nComputed in ${estimates[0]?.dtype}${isCpu ? '; Node and the runtime are counted with the activations.' : "; the driver's own memory is not included."}${rate ? '' : ' The time of a step is not known: pass --bench a result of `jora bench --json`.'}\n`,
    ),
  )
}

async function modelOf({ model, shape, quantize }: Values, io: Session): Promise<PlannedModel> {
  if ((model === undefined) === (shape === undefined)) throw new UsageError('pass either --model or --shape')
  if (shape !== undefined) return plannedShape(shapeConfig(shape), 'bf16')
  await using opened = await openBase(model!, io, quantize)
  return plannedModel(opened)
}

/** What a run on this machine's processor computes in. */
async function cpuDType({ dtype }: Values, { config }: PlannedModel, lora: LoraConfig): Promise<DTypeSetting> {
  if (dtype !== 'auto') return dtype
  const device = await openDevice('cpu')
  try {
    return trainingDType(dtype, device, config, { lora })
  } finally {
    await device.close()
  }
}

/** The GPU that training would take here; one as data centres have it where there is none. */
async function profileFor({ gpu }: Values): Promise<GpuProfile> {
  const { findAdapter, firstGpu, hasGpu, listAdapters, referenceGpu } = await import('@jora/tensor/webgpu')
  if (gpu !== undefined) {
    const adapter = await findAdapter(gpu)
    if (!adapter) throw new UsageError(`no adapter is called “${gpu}”; jora devices lists them`)
    return adapter.profile
  }
  // Without the library there is no adapter either.
  const here = await hasGpu().catch(() => false)
  const found = here ? firstGpu(await listAdapters()) : undefined
  return found?.profile ?? referenceGpu
}

/** Arithmetic a second of a measured step: of the same kind of step, at the nearest length. */
async function rateOf(path: string): Promise<(seq: number, checkpointing: boolean) => number> {
  let result: BenchResult
  try {
    result = JSON.parse(await readFile(path, 'utf8')) as BenchResult
  } catch (error) {
    throw new UsageError(`--bench: ${path} cannot be read: ${(error as Error).message}`)
  }
  const steps = result.schema === 'jora-bench/1' ? result.steps.flatMap((step) => ('error' in step ? [] : [step])) : []
  if (steps.length === 0) throw new UsageError(`--bench: ${path} has no step that \`jora bench --json\` measured`)
  return (seq, checkpointing) => {
    const distance = (step: (typeof steps)[number]) =>
      Math.abs(Math.log(step.seq / seq)) + (step.checkpointing === checkpointing ? 0 : 100)
    return steps.toSorted((a, b) => distance(a) - distance(b))[0]!.flopPerSecond
  }
}
