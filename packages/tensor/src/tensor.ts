// Tensor: a thin handle on elements that live on a device, or on a value of a graph being traced.
import type { Device, DeviceBuffer, FileRange } from './backend/backend'
import { defaultDevice } from './backend/registry'
import { dtypeBytes, type DType, type HostArray } from './dtype'
import { fail } from './errors'
import type { Value } from './ir/graph'
import type { Aval } from './ir/op'
import { showAval } from './ir/print'
import { showShape, sizeOf, type Shape } from './shape'

/** A traced tensor's place in the graph being built. */
export interface TracedSource {
  /** Which trace records it: told from others by identity alone. */
  readonly trace: object
  readonly value: Value
}

const collected = new FinalizationRegistry<DeviceBuffer>((buffer) => buffer.device.release(buffer))

/**
 * An immutable n-dimensional array, `shape` by `dtype`. Concrete tensors hold a device buffer; traced ones stand for a
 * value while `jit` or `makeGraph` runs a function.
 */
export class Tensor {
  /** For the reader of printed graphs: a weight's name. */
  readonly label: string
  #buffer: DeviceBuffer | undefined
  readonly traced: TracedSource | undefined

  private constructor(
    readonly aval: Aval,
    source: { buffer?: DeviceBuffer; traced?: TracedSource },
    label = '',
  ) {
    this.label = label
    this.traced = source.traced
    this.#buffer = source.buffer
    if (source.buffer) collected.register(this, source.buffer, this)
  }

  static fromBuffer(buffer: DeviceBuffer, label = ''): Tensor {
    return new Tensor(buffer.aval, { buffer }, label)
  }

  static fromTrace(trace: object, value: Value): Tensor {
    return new Tensor(value.aval, { traced: { trace, value } })
  }

  get shape(): Shape {
    return this.aval.shape
  }

  get dtype(): DType {
    return this.aval.dtype
  }

  /** Number of elements. */
  get size(): number {
    return sizeOf(this.shape)
  }

  get sizeBytes(): number {
    return this.size * dtypeBytes[this.dtype]
  }

  get disposed(): boolean {
    return !this.traced && !this.#buffer
  }

  /** The device buffer. Throws for traced and disposed tensors. */
  get buffer(): DeviceBuffer {
    if (this.traced) fail('Tensor', `a traced ${showAval(this.aval)} has no data; return it from the jitted function`)
    return this.#buffer ?? fail('Tensor', `this ${showAval(this.aval)} was disposed or donated`)
  }

  /** Copies the elements to the host, row-major. Rejects when the program that computes them failed. */
  async data(): Promise<HostArray> {
    return this.buffer.device.read(this.buffer)
  }

  /**
   * The single element of a tensor of size 1.
   * @throws TensorError when there are more or none, and what {@link Tensor.data} throws
   */
  async item(): Promise<number> {
    if (this.size !== 1) fail('item', `needs one element, got ${showAval(this.aval)}`)
    return Number((await this.data())[0])
  }

  /** Frees the device memory now instead of when the handle is collected. Safe to call twice. */
  dispose(): void {
    if (!this.#buffer) return
    collected.unregister(this)
    this.#buffer.device.release(this.#buffer)
    this.#buffer = undefined
  }

  toString(): string {
    return `Tensor(${showAval(this.aval)}${this.traced ? ', traced' : ''})`
  }
}

type NestedNumbers = number | readonly NestedNumbers[]

function flattenNumbers(data: NestedNumbers, out: number[]): Shape {
  if (typeof data === 'number') {
    out.push(data)
    return []
  }
  const shapes = data.map((row) => flattenNumbers(row, out))
  const first = shapes[0] ?? []
  if (shapes.some((s) => showShape(s) !== showShape(first))) fail('tensor', 'rows have different lengths')
  return [data.length, ...first]
}

const inferredDType = (data: HostArray): DType =>
  data instanceof Float32Array
    ? 'f32'
    : data instanceof Int32Array
      ? 'i32'
      : data instanceof Uint32Array
        ? 'u32'
        : fail('tensor', 'name the dtype of 8- and 16-bit arrays')

const numberArrays: Partial<Record<DType, (numbers: number[]) => HostArray>> = {
  f32: (n) => Float32Array.from(n),
  i32: (n) => Int32Array.from(n),
  u32: (n) => Uint32Array.from(n),
  bool: (n) => Uint8Array.from(n),
}

/**
 * A tensor on `device` (the default device when absent) from numbers, nested arrays (f32 unless `dtype` says otherwise)
 * or a typed array with its `shape`. Throws when sizes disagree.
 */
export function tensor(
  data: NestedNumbers | HostArray,
  {
    shape,
    dtype,
    device = defaultDevice(),
    label = '',
  }: { shape?: Shape; dtype?: DType; device?: Device; label?: string } = {},
): Tensor {
  let array: HostArray
  let natural: Shape
  if (ArrayBuffer.isView(data)) {
    array = data
    natural = [array.length]
    dtype ??= inferredDType(array)
  } else {
    const numbers: number[] = []
    natural = flattenNumbers(data as NestedNumbers, numbers)
    dtype ??= 'f32'
    array = numberArrays[dtype]?.(numbers) ?? fail('tensor', `cannot make ${dtype} from numbers; cast an f32 tensor`)
  }
  shape ??= natural
  if (array.length !== sizeOf(shape)) fail('tensor', `${array.length} elements do not fill ${showShape(shape)}`)
  return Tensor.fromBuffer(device.upload(array, { shape, dtype }), label)
}

/**
 * A tensor that stays in a file: the backend maps or uploads the range when a program needs it.
 * @param range the file and its bytes, little-endian and as many as `aval` takes
 * @param options `device`: the default device when absent; `label`: the name in messages and reports
 * @throws TensorError when the length of the range does not match
 */
export function tensorFromFile(
  range: FileRange,
  aval: Aval,
  options: { device?: Device; label?: string } = {},
): Tensor {
  const expected = sizeOf(aval.shape) * dtypeBytes[aval.dtype]
  if (range.length !== expected)
    fail('tensorFromFile', `${showAval(aval)} needs ${expected} bytes, the range has ${range.length}`)
  const { device = defaultDevice(), label } = options
  return Tensor.fromBuffer(device.fromFile(label === undefined ? range : { ...range, label }, aval), label)
}
