// Storages and views: where a value's elements are, and the strided windows through which they are read without copying.
import type { DType } from '../../dtype'
import { sizeOf, stridesOf, type Shape } from '../../shape'
import type { GpuProfile } from '../device/profile'

/**
 * How elements are laid out in a buffer. `halves` and `brains` are pairs of f16 and bf16 in a u32: how 16-bit weights are read where
 * a kernel has no such type. `bytes` are four u8 in a u32, which only inputs and constants are. bool takes a u32.
 */
export type ElementType = 'f32' | 'f16' | 'halves' | 'brains' | 'i32' | 'u32' | 'bytes' | 'bool'

/** Bytes of an element. */
export const elementBytes: Readonly<Record<ElementType, number>> = {
  f32: 4,
  f16: 2,
  halves: 2,
  brains: 2,
  i32: 4,
  u32: 4,
  bytes: 1,
  bool: 4,
}

export type StorageKind = 'input' | 'constant' | 'output' | 'temporary'

/** A run of elements in some buffer; which buffer is known when a program runs. */
export class Storage {
  constructor(
    /** A temporary may turn out to be what the program returns. */
    public kind: StorageKind,
    /** Which input, constant or output; -1 for temporaries. */
    public index: number,
    readonly dtype: DType,
    readonly element: ElementType,
    /** Number of elements. */
    readonly length: number,
  ) {}

  /** Bytes in the buffer, a multiple of 4. */
  get bytes(): number {
    return storedBytes(this.element, this.length)
  }
}

export const storedBytes = (element: ElementType, length: number): number =>
  Math.ceil((length * elementBytes[element]) / 4) * 4

/** How `dtype` is stored on the device. */
export function elementType(dtype: DType, profile: Pick<GpuProfile, 'f16'>): ElementType {
  if (dtype === 'bf16') return 'brains'
  if (dtype === 'f16') return profile.f16 ? 'f16' : 'halves'
  return dtype === 'u8' ? 'bytes' : dtype
}

/** A strided window on a storage. A stride of 0 repeats. */
export interface View {
  readonly storage: Storage
  readonly shape: Shape
  /** In elements, one a dimension. */
  readonly strides: readonly number[]
  /** In elements. */
  readonly offset: number
}

export const wholeView = (storage: Storage, shape: Shape, strides: readonly number[] = stridesOf(shape)): View => ({
  storage,
  shape,
  strides,
  offset: 0,
})

/** Whether the view's elements are one after another in row-major order. */
function isContiguous({ shape, strides }: Pick<View, 'shape' | 'strides'>): boolean {
  const expected = stridesOf(shape)
  return sizeOf(shape) === 0 || shape.every((d, i) => d === 1 || strides[i] === expected[i])
}

/** Whether flat index i of the view is element i of its storage. */
export const isWhole = (view: View): boolean =>
  view.offset === 0 && isContiguous(view) && sizeOf(view.shape) === view.storage.length

export const transposeView = (view: View, permutation: readonly number[]): View => ({
  ...view,
  shape: permutation.map((p) => view.shape[p]!),
  strides: permutation.map((p) => view.strides[p]!),
})

export function broadcastView(view: View, shape: Shape): View {
  const lead = shape.length - view.shape.length
  return {
    ...view,
    shape,
    strides: shape.map((_, i) => (i < lead || view.shape[i - lead] === 1 ? 0 : view.strides[i - lead]!)),
  }
}

export const sliceView = (view: View, starts: readonly number[], limits: readonly number[]): View => ({
  ...view,
  shape: view.shape.map((d, i) => (limits[i] ?? d) - (starts[i] ?? 0)),
  offset: view.offset + view.strides.reduce((n, stride, i) => n + stride * (starts[i] ?? 0), 0),
})

/** The view in another shape, or undefined when no strides can say it. */
export function reshapeView(view: View, shape: Shape): View | undefined {
  if (sizeOf(shape) === 0) return undefined
  const old = view.shape.flatMap((size, i) => (size === 1 ? [] : [{ size, stride: view.strides[i]! }]))
  const strides: number[] = Array.from({ length: shape.length }, () => 0)
  let from = 0
  let to = 0
  while (to < shape.length) {
    if (shape[to] === 1) {
      to++
      continue
    }
    // The shortest groups of old and new dimensions with the same number of elements.
    let [oldSize, newSize] = [old[from]?.size ?? 1, shape[to]!]
    let [oldEnd, newEnd] = [from + 1, to + 1]
    while (oldSize !== newSize) {
      if (oldSize < newSize) oldSize *= old[oldEnd++]?.size ?? 1
      else newSize *= shape[newEnd++] ?? 1
      if (oldEnd > old.length || newEnd > shape.length) return undefined
    }
    for (let i = from; i + 1 < oldEnd; i++)
      if (old[i]!.stride !== old[i + 1]!.stride * old[i + 1]!.size) return undefined
    let stride = old[oldEnd - 1]!.stride
    for (let i = newEnd - 1; i >= to; i--) {
      strides[i] = stride
      stride *= shape[i]!
    }
    ;[from, to] = [oldEnd, newEnd]
  }
  return { ...view, shape, strides }
}
