// Which type a run computes in: what the user asked for, what the device can, and what the weights allow.
import { abs, cast, jit, max, Tensor, type Device } from '@jora/tensor'
import { ModelError } from '../config/config'
import type { Weights } from '../model'

/**
 * `auto`: f16 where the device is fastest with it and the weights have 16 bits, else f32. `int8`: on a CPU, products of f32
 * activations rounded to 8 bits with weights of 8 bits or fewer; the rest is f32.
 */
export type DTypeSetting = 'auto' | 'f32' | 'f16' | 'int8'

/** Elements of matrices from which on reading them is what an answer's time is spent on. */
const largeModel = 2 ** 24

/**
 * What a model that is only asked computes in, where `auto` was asked for: on a CPU, which reads every weight for each token, in 8 bits
 * if it is large.
 * @param shapes of its weights
 */
export function answeringDType(
  setting: DTypeSetting | undefined,
  device: Pick<Device, 'kind'>,
  shapes: Iterable<readonly number[]>,
): DTypeSetting {
  if ((setting ?? 'auto') !== 'auto' || device.kind !== 'cpu') return setting ?? 'auto'
  let elements = 0
  for (const shape of shapes) if (shape.length === 2) elements += shape[0]! * shape[1]!
  return elements >= largeModel ? 'int8' : 'auto'
}

/** The largest finite f16; bf16 reaches 3·10³⁸. */
const largestHalf = 65504

/** Names of bf16 weights with an element that f16 cannot hold. */
async function beyondHalf(weights: Weights): Promise<string[]> {
  const stored = Object.entries(weights).flatMap(([name, weight]) =>
    weight instanceof Tensor && weight.dtype === 'bf16' ? [{ name, weight }] : [],
  )
  if (stored.length === 0) return []
  // Row by row first: one row is as much as a workgroup reduces well.
  const largest = jit(() => stored.map(({ weight }) => max(max(abs(cast(weight, 'f32')), { axis: -1 }))))
  const maxima = largest() as Tensor[]
  const values = await Promise.all(maxima.map((x) => x.item()))
  for (const x of maxima) x.dispose()
  largest.dispose()
  return stored.flatMap(({ name }, i) => (values[i]! <= largestHalf ? [] : [name]))
}

/**
 * The type that weights of 16 bits or fewer (`small`) or others are to be computed in on `device`.
 * @throws ModelError when f16 or int8 was asked for and the device does not have it
 */
export function wantedDType(setting: DTypeSetting, device: Device, small: boolean): 'f32' | 'f16' {
  if (setting === 'f32') return 'f32'
  if (setting === 'int8' && device.kind !== 'cpu')
    throw new ModelError(`dtype is int8, which ${device.name} does not compute in; use auto, f32 or f16`)
  if (setting === 'int8') return 'f32'
  if (setting === 'f16' && !device.computeDTypes.includes('f16'))
    throw new ModelError(`dtype is f16, which ${device.name} cannot compute in; use f32, or a GPU with shader-f16`)
  return setting === 'auto' && (device.computeDTypes[0] !== 'f16' || !small) ? 'f32' : 'f16'
}

/**
 * The dtype that a decoder computes in on `device`.
 * @param setting `auto`, or the dtype asked for
 * @throws ModelError when f16 was asked for and the device lacks it, or a bf16 weight is too large for f16
 */
export async function chooseDType(setting: DTypeSetting, device: Device, weights: Weights): Promise<'f32' | 'f16'> {
  const small = Object.values(weights).some(
    (weight) => !(weight instanceof Tensor) || weight.dtype === 'bf16' || weight.dtype === 'f16',
  )
  if (wantedDType(setting, device, small) === 'f32') return 'f32'
  const [beyond] = await beyondHalf(weights)
  if (beyond === undefined) return 'f16'
  if (setting === 'auto') return 'f32'
  throw new ModelError(`dtype is f16, but weight ${beyond} has elements beyond ±${largestHalf}; use f32`)
}
