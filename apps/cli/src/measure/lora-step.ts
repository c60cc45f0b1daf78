// Timing the trainer's own step on random weights.
import { chooseDType, type DTypeSetting, stepFlops, StepLoop, type Workload } from '@jora/lora'
import type { DecoderConfig } from '@jora/llama'
import type { Device } from '@jora/tensor'
import type { WebGpuDevice } from '@jora/tensor/webgpu'
import { randomWeights } from './random-weights'
import { summarize, type Timing } from './timing'

export interface StepRate {
  readonly seq: number
  readonly batch: number
  readonly dtype: 'f32' | 'f16'
  readonly checkpointing: boolean
  /** A whole step, until its result is on the device. */
  readonly ms: Timing
  /** The first step: compiling, and trying tiles where they are new. */
  readonly firstStepMs: number
  readonly tokensPerSecond: number
  /** Of one step, by the formula. */
  readonly flops: number
  readonly flopPerSecond: number
  /** What the host works at a step before the device has all of it. */
  readonly hostMs: Timing
  /** Null where there are none: on the CPU. */
  readonly dispatches: number | null
  /** After the steps, and at most; on the CPU resident memory of the process. */
  readonly bytes: number
  readonly peakBytes: number
  readonly weightsMs: number
  readonly lastLoss: number
}

export async function timeStep(
  device: Device,
  config: DecoderConfig,
  work: Workload,
  options: { weightType: 'f32' | 'f16'; dtype: DTypeSetting; checkpointing: boolean; steps: number },
): Promise<StepRate> {
  const { checkpointing, steps } = options
  const begun = performance.now()
  const weights = await randomWeights(config, options.weightType, device)
  const weightsMs = performance.now() - begun
  const dtype = await chooseDType(options.dtype, device, weights)
  const loop = new StepLoop({ config, weights, dtype, checkpointLayers: checkpointing }, work, device)
  const counters = device.kind === 'webgpu' ? (device as WebGpuDevice).counters : undefined
  let lastLoss = NaN
  const step = async () => {
    await device.synchronize()
    const start = performance.now()
    const { loss, gradNorm } = loop.take()
    const hostMs = performance.now() - start
    await device.synchronize()
    const ms = performance.now() - start
    lastLoss = await loss.item()
    loss.dispose()
    gradNorm.dispose()
    return { ms, hostMs }
  }
  const first = await step()
  await step()
  const before = counters?.dispatches ?? 0
  const timed = []
  for (let i = 0; i < steps; i++) timed.push(await step())
  const ms = summarize(timed.map((t) => t.ms))
  const flops = stepFlops(config, work.batch * work.accumulation, work.seq)
  return {
    seq: work.seq,
    batch: work.batch,
    dtype,
    checkpointing,
    ms,
    firstStepMs: first.ms,
    tokensPerSecond: (loop.tokens / ms.median) * 1000,
    flops,
    flopPerSecond: (flops / ms.median) * 1000,
    hostMs: summarize(timed.map((t) => t.hostMs)),
    dispatches: counters ? (counters.dispatches - before) / steps : null,
    ...(await device.memory()),
    weightsMs,
    lastLoss,
  }
}
