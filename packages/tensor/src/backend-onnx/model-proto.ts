// Writes ONNX models (protocol buffers): the few messages of onnx.proto3 that a straight-line graph needs.

/** Element types of onnx.TensorProto.DataType. */
export const onnxType = { f32: 1, u8: 2, i8: 3, bool: 9, i32: 6, i64: 7, f16: 10, u32: 12, bf16: 16 } as const
export type OnnxDType = keyof typeof onnxType

export type Attribute = number | bigint | string | readonly number[]

export interface OnnxNode {
  readonly opType: string
  readonly domain: string
  readonly inputs: readonly string[]
  readonly outputs: readonly string[]
  /** Numbers are FLOAT, bigints INT, arrays INTS. */
  readonly attributes: Readonly<Record<string, Attribute>>
}

export interface OnnxTensor {
  readonly name: string
  readonly dtype: OnnxDType
  readonly dims: readonly number[]
  /** Bytes in the model, or where they are in a file of the model's folder. */
  readonly data: Uint8Array | { readonly location: string; readonly offset: number; readonly length: number }
}

export interface OnnxValue {
  readonly name: string
  readonly dtype: OnnxDType
  readonly dims: readonly number[]
}

export interface OnnxModel {
  readonly nodes: readonly OnnxNode[]
  readonly initializers: readonly OnnxTensor[]
  readonly inputs: readonly OnnxValue[]
  readonly outputs: readonly OnnxValue[]
  /** Values between whose shapes are told. */
  readonly values: readonly OnnxValue[]
  /** Sizes of inputs and outputs are not told: they may be others in each run. */
  readonly anyShape?: boolean
}

const utf8 = new TextEncoder()

/**
 * Protobuf messages, written one after another into one array that grows: a model has hundreds of thousands of fields, and an
 * array for each took most of the time of encoding it.
 */
class Writer {
  #bytes = new Uint8Array(2 ** 16)
  #at = 0

  #room(more: number): void {
    if (this.#at + more <= this.#bytes.length) return
    const grown = new Uint8Array(Math.max(2 * this.#bytes.length, this.#at + more))
    grown.set(this.#bytes)
    this.#bytes = grown
  }

  #varint(value: number | bigint): void {
    this.#room(10)
    if (value >= 0 && value < 2 ** 31) {
      // Nearly all: lengths, tags and names.
      let rest = Number(value)
      for (; rest > 0x7f; rest >>>= 7) this.#bytes[this.#at++] = (rest & 0x7f) | 0x80
      this.#bytes[this.#at++] = rest
    } else {
      let rest = BigInt.asUintN(64, BigInt(value))
      for (; rest > 0x7fn; rest >>= 7n) this.#bytes[this.#at++] = Number(rest & 0x7fn) | 0x80
      this.#bytes[this.#at++] = Number(rest)
    }
  }

  int(field: number, value: number | bigint): this {
    this.#varint(field << 3)
    this.#varint(value)
    return this
  }

  float(field: number, value: number): this {
    this.#varint((field << 3) | 5)
    this.#room(4)
    new DataView(this.#bytes.buffer).setFloat32(this.#at, value, true)
    this.#at += 4
    return this
  }

  bytes(field: number, value: Uint8Array): this {
    this.#varint((field << 3) | 2)
    this.#varint(value.length)
    this.#room(value.length)
    this.#bytes.set(value, this.#at)
    this.#at += value.length
    return this
  }

  text(field: number, value: string): this {
    return this.message(field, () => {
      this.#room(3 * value.length)
      this.#at += utf8.encodeInto(value, this.#bytes.subarray(this.#at)).written
    })
  }

  /** A field that is a message: the fields that `write` writes. */
  message(field: number, write: () => void): this {
    this.#varint((field << 3) | 2)
    // Most are short: there is room for a length of one byte, and what is longer is moved.
    this.#room(1)
    const start = ++this.#at
    write()
    const end = this.#at
    let moved = 0
    for (let rest = (end - start) >>> 7; rest > 0; rest >>>= 7) moved++
    this.#room(moved)
    if (moved > 0) this.#bytes.copyWithin(start + moved, start, end)
    this.#at = start - 1
    this.#varint(end - start)
    this.#at = end + moved
    return this
  }

  finish(): Uint8Array {
    return this.#bytes.slice(0, this.#at)
  }
}

function writeAttribute(to: Writer, name: string, value: Attribute): void {
  to.text(1, name)
  if (typeof value === 'number') to.float(2, value).int(20, 1)
  else if (typeof value === 'bigint') to.int(3, value).int(20, 2)
  else if (typeof value === 'string') to.text(4, value).int(20, 3)
  else {
    for (const item of value) to.int(8, item)
    to.int(20, 7)
  }
}

function writeNode(to: Writer, node: OnnxNode): void {
  for (const name of node.inputs) to.text(1, name)
  for (const name of node.outputs) to.text(2, name)
  to.text(4, node.opType)
  for (const [name, value] of Object.entries(node.attributes)) to.message(5, () => writeAttribute(to, name, value))
  to.text(7, node.domain)
}

function writeTensor(to: Writer, { name, dtype, dims, data }: OnnxTensor): void {
  for (const d of dims) to.int(1, d)
  to.int(2, onnxType[dtype]).text(8, name)
  if (data instanceof Uint8Array) to.bytes(9, data)
  else {
    for (const [key, value] of Object.entries(data)) to.message(13, () => to.text(1, key).text(2, String(value)))
    to.int(14, 1)
  }
}

function writeValue(to: Writer, { name, dtype, dims }: OnnxValue, anyShape: boolean): void {
  const dimension = (d: number) => void (anyShape || to.int(1, d))
  const shape = () => dims.forEach((d) => to.message(1, () => dimension(d)))
  to.text(1, name).message(2, () => to.message(1, () => to.int(1, onnxType[dtype]).message(2, shape)))
}

/** Opset of the default domain: the newest whose CPU kernels this project has been checked against. */
const opsetVersion = 20
const irVersion = 9

/** Serialised ModelProto. */
export function encodeModel(model: OnnxModel): Uint8Array {
  const to = new Writer()
  const { anyShape = false } = model
  const graph = () => {
    for (const node of model.nodes) to.message(1, () => writeNode(to, node))
    to.text(2, 'jora')
    for (const initializer of model.initializers) to.message(5, () => writeTensor(to, initializer))
    for (const value of model.inputs) to.message(11, () => writeValue(to, value, anyShape))
    for (const value of model.outputs) to.message(12, () => writeValue(to, value, anyShape))
    for (const value of model.values) to.message(13, () => writeValue(to, value, false))
  }
  const opset = (domain: string, version: number) => to.message(8, () => to.text(1, domain).int(2, version))
  to.int(1, irVersion).text(2, 'jora').message(7, graph)
  opset('', opsetVersion)
  opset('com.microsoft', 1)
  return to.finish()
}
