// What the device reaches at its best, through the same kernels as a step: copies, matrix products, attention.
import { attentionFlops } from '@jora/lora'
import { denseLinear, type DecoderConfig } from '@jora/llama'
import {
  add,
  attention,
  cast,
  dot,
  grad,
  jit,
  mul,
  randomKey,
  randomUniform,
  sub,
  sum,
  type Device,
  type Tensor,
} from '@jora/tensor'
import type { WebGpuDevice } from '@jora/tensor/webgpu'
import { timeRuns, type Timing } from './timing'

type FloatType = 'f32' | 'f16'

export interface CopyRate {
  /** `copy`: one buffer to another by the driver; `kernel`: x + 1 in place, through jit. */
  readonly how: 'copy' | 'kernel'
  readonly bufferBytes: number
  /** Bytes read and written. */
  readonly bytesPerSecond: number
  readonly ms: Timing
}

export interface ProductRate {
  /** `square`, or the layer whose product it is. */
  readonly name: string
  /** x·Wᵀ as the forward pass, dy·W as the backward one; squares are x·W. */
  readonly direction: 'forward' | 'backward'
  /** [m,k]·[k,n] */
  readonly m: number
  readonly n: number
  readonly k: number
  readonly dtype: FloatType
  readonly flopPerSecond: number
  /** Of one product. */
  readonly ms: Timing
}

export interface AttentionRate {
  readonly direction: 'forward' | 'backward'
  readonly rows: number
  readonly seq: number
  readonly heads: number
  readonly kvHeads: number
  readonly headDim: number
  readonly dtype: FloatType
  readonly flopPerSecond: number
  readonly ms: Timing
}

/** Runs invocations on CPU cores: sizes are chosen to take seconds, not minutes. */
export const isSlow = (device: Device): boolean => device.kind === 'cpu' || (device as WebGpuDevice).adapter.software

/** Numbers in ±0.5 on the device. */
function random(shape: readonly number[], dtype: FloatType, seed: number): Tensor {
  const draw = jit((key: Tensor) => cast(sub(randomUniform(key, shape), 0.5), dtype))
  const key = randomKey(2, seed)
  const drawn = draw(key)
  key.dispose()
  draw.dispose()
  return drawn
}

const perSecond = (amount: number, { median }: Timing): number => (amount / median) * 1000
const scaled = ({ median, min, max }: Timing, by: number): Timing => ({
  median: median * by,
  min: min * by,
  max: max * by,
})

/** From one buffer to another by the driver. */
export async function driverCopy(device: WebGpuDevice): Promise<CopyRate> {
  const bufferBytes = Math.min(isSlow(device) ? 2 ** 26 : 2 ** 30, device.profile.maxBufferBytes)
  const usage = GPUBufferUsage.COPY_SRC | GPUBufferUsage.COPY_DST
  const [from, to] = [1, 2].map(() => device.gpu.createBuffer({ size: bufferBytes, usage })) as [GPUBuffer, GPUBuffer]
  try {
    const ms = await timeRuns(device, () => {
      const encoder = device.gpu.createCommandEncoder()
      encoder.copyBufferToBuffer(from, 0, to, 0, bufferBytes)
      device.gpu.queue.submit([encoder.finish()])
      return []
    })
    return { how: 'copy', bufferBytes, bytesPerSecond: perSecond(2 * bufferBytes, ms), ms }
  } finally {
    from.destroy()
    to.destroy()
  }
}

/** x + 1 in place: what an elementwise kernel reaches. */
export async function kernelCopy(device: Device): Promise<CopyRate> {
  const bufferBytes = isSlow(device) ? 2 ** 26 : Math.min(2 ** 30, (device as WebGpuDevice).profile.maxBindingBytes)
  const next = jit((x: Tensor) => add(x, 1), { donate: [0] })
  let x = random([bufferBytes / 4], 'f32', 0)
  const ms = await timeRuns(device, () => {
    x = next(x)
    return []
  })
  x.dispose()
  next.dispose()
  return { how: 'kernel', bufferBytes, bytesPerSecond: perSecond(2 * bufferBytes, ms), ms }
}

/** Products that run in one program, so that starting it costs nothing and weights come from memory, not from a cache. */
function timesOver(device: Device, flops: number, weightBytes: number): number {
  if (isSlow(device)) return 1
  return Math.max(1, Math.min(8, Math.ceil(2e11 / flops), Math.floor(2 ** 30 / weightBytes)))
}

interface Product {
  readonly name: string
  readonly direction: 'forward' | 'backward'
  readonly m: number
  readonly n: number
  readonly k: number
  readonly dtype: FloatType
  readonly weightType: FloatType
}

async function product(device: Device, { weightType, ...of }: Product): Promise<ProductRate> {
  const { name, direction, m, n, k, dtype } = of
  const flops = 2 * m * n * k
  const times = timesOver(device, flops, n * k * (weightType === 'f16' ? 2 : 4))
  const x = random([m, k], dtype, 1)
  const isTransposed = direction === 'forward' && name !== 'square'
  const shape = isTransposed ? [n, k] : [k, n]
  const weights = Array.from({ length: times }, (_, i) => random(shape, weightType, 2 + i))
  const all = jit((a: Tensor, ws: Tensor[]) =>
    ws.map((w) => (isTransposed ? denseLinear('', a, w) : dot(a, cast(w, a.dtype)))),
  )
  const ms = scaled(await timeRuns(device, () => all(x, weights)), 1 / times)
  for (const tensor of [x, ...weights]) tensor.dispose()
  all.dispose()
  return { ...of, flopPerSecond: perSecond(flops, ms), ms }
}

/** Two square matrices: the ceiling that kernels reach. */
export function squareProduct(device: Device, dtype: FloatType): Promise<ProductRate> {
  const n = device.kind === 'cpu' ? 1024 : isSlow(device) ? 512 : 4096
  return product(device, { name: 'square', direction: 'forward', m: n, n, k: n, dtype, weightType: dtype })
}

/** The linear layers of one decoder layer, both ways, each size once. */
export function layerProducts(
  config: DecoderConfig,
  options: { tokens: number; dtype: FloatType; weightType: FloatType },
): ((device: Device) => Promise<ProductRate>)[] {
  const { hiddenSize: hidden, intermediateSize: ffn, heads, kvHeads, headDim } = config
  const { tokens: m, ...types } = options
  const layers = [
    { name: 'q_proj', from: hidden, to: heads * headDim },
    { name: 'k_proj', from: hidden, to: kvHeads * headDim },
    { name: 'gate_proj', from: hidden, to: ffn },
    { name: 'down_proj', from: ffn, to: hidden },
  ].filter(({ from, to }, i, all) => all.findIndex((one) => one.from === from && one.to === to) === i)
  return layers.flatMap(({ name, from, to }) => [
    (device: Device) => product(device, { name, direction: 'forward', m, n: to, k: from, ...types }),
    (device: Device) => product(device, { name, direction: 'backward', m, n: from, k: to, ...types }),
  ])
}

/** Causal attention at the model's heads: forward, and backward as what the gradient takes beyond it. */
export async function attentionRates(
  device: Device,
  config: DecoderConfig,
  { rows, seq, dtype }: { rows: number; seq: number; dtype: FloatType },
): Promise<AttentionRate[]> {
  const { heads, kvHeads, headDim } = config
  const q = random([rows, heads, seq, headDim], dtype, 1)
  const k = random([rows, kvHeads, seq, headDim], dtype, 2)
  const v = random([rows, kvHeads, seq, headDim], dtype, 3)
  const g = random([rows, heads, seq, headDim], dtype, 4)
  const forward = jit((...x: Tensor[]) => attention(x[0]!, x[1]!, x[2]!))
  const both = jit((x: Tensor[], cotangent: Tensor) => {
    const gradients = grad(([a, b, c]: Tensor[]) =>
      sum(mul(cast(attention(a!, b!, c!), 'f32'), cast(cotangent, 'f32'))),
    )
    return gradients(x)
  })
  const forwardMs = await timeRuns(device, () => [forward(q, k, v)])
  const bothMs = await timeRuns(device, () => both([q, k, v], g))
  for (const tensor of [q, k, v, g]) tensor.dispose()
  forward.dispose()
  both.dispose()
  const backwardMs = {
    median: bothMs.median - forwardMs.median,
    min: bothMs.min - forwardMs.median,
    max: bothMs.max - forwardMs.median,
  }
  const flops = attentionFlops(config, rows, seq)
  const shape = { rows, seq, heads, kvHeads, headDim, dtype }
  return [
    { direction: 'forward', ...shape, flopPerSecond: perSecond(flops.forward, forwardMs), ms: forwardMs },
    { direction: 'backward', ...shape, flopPerSecond: perSecond(flops.backward, backwardMs), ms: backwardMs },
  ]
}
