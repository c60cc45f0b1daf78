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

/** One protobuf message under construction: fields appended as chunks. */
class Message {
  readonly #chunks: Uint8Array[] = []

  #varint(value: number | bigint): void {
    const bytes: number[] = []
    if (value >= 0 && value < 2 ** 31) {
      // Nearly all: lengths, tags and names. BigInt took a tenth of the lowering.
      let rest = Number(value)
      for (; rest > 0x7f; rest >>>= 7) bytes.push((rest & 0x7f) | 0x80)
      bytes.push(rest)
    } else {
      let rest = BigInt.asUintN(64, BigInt(value))
      for (; rest > 0x7fn; rest >>= 7n) bytes.push(Number(rest & 0x7fn) | 0x80)
      bytes.push(Number(rest))
    }
    this.#chunks.push(Uint8Array.from(bytes))
  }

  int(field: number, value: number | bigint): this {
    this.#varint(field << 3)
    this.#varint(value)
    return this
  }

  float(field: number, value: number): this {
    this.#varint((field << 3) | 5)
    this.#chunks.push(new Uint8Array(Float32Array.of(value).buffer))
    return this
  }

  bytes(field: number, value: Uint8Array | string | Message): this {
    const data = typeof value === 'string' ? utf8.encode(value) : value instanceof Message ? value.finish() : value
    this.#varint((field << 3) | 2)
    this.#varint(data.length)
    this.#chunks.push(data)
    return this
  }

  finish(): Uint8Array {
    const out = new Uint8Array(this.#chunks.reduce((n, c) => n + c.length, 0))
    let at = 0
    for (const chunk of this.#chunks) {
      out.set(chunk, at)
      at += chunk.length
    }
    return out
  }
}

function attributeProto(name: string, value: Attribute): Message {
  const message = new Message().bytes(1, name)
  if (typeof value === 'number') return message.float(2, value).int(20, 1)
  if (typeof value === 'bigint') return message.int(3, value).int(20, 2)
  if (typeof value === 'string') return message.bytes(4, value).int(20, 3)
  for (const item of value) message.int(8, item)
  return message.int(20, 7)
}

function nodeProto(node: OnnxNode): Message {
  const message = new Message()
  for (const name of node.inputs) message.bytes(1, name)
  for (const name of node.outputs) message.bytes(2, name)
  message.bytes(4, node.opType)
  for (const [name, value] of Object.entries(node.attributes)) message.bytes(5, attributeProto(name, value))
  return message.bytes(7, node.domain)
}

function tensorProto({ name, dtype, dims, data }: OnnxTensor): Message {
  const message = new Message()
  for (const d of dims) message.int(1, d)
  message.int(2, onnxType[dtype]).bytes(8, name)
  if (data instanceof Uint8Array) return message.bytes(9, data)
  for (const [key, value] of Object.entries(data))
    message.bytes(13, new Message().bytes(1, key).bytes(2, String(value)))
  return message.int(14, 1)
}

function valueInfo({ name, dtype, dims }: OnnxValue, anyShape: boolean): Message {
  const shape = new Message()
  for (const d of dims) shape.bytes(1, anyShape ? new Message() : new Message().int(1, d))
  return new Message()
    .bytes(1, name)
    .bytes(2, new Message().bytes(1, new Message().int(1, onnxType[dtype]).bytes(2, shape)))
}

/** Opset of the default domain: the newest whose CPU kernels this project has been checked against. */
const opsetVersion = 20
const irVersion = 9

/** Serialised ModelProto. */
export function encodeModel(model: OnnxModel): Uint8Array {
  const graph = new Message()
  for (const node of model.nodes) graph.bytes(1, nodeProto(node))
  graph.bytes(2, 'jora')
  for (const initializer of model.initializers) graph.bytes(5, tensorProto(initializer))
  for (const value of model.inputs) graph.bytes(11, valueInfo(value, model.anyShape ?? false))
  for (const value of model.outputs) graph.bytes(12, valueInfo(value, model.anyShape ?? false))
  for (const value of model.values) graph.bytes(13, valueInfo(value, false))
  const opset = (domain: string, version: number) => new Message().bytes(1, domain).int(2, version)
  return new Message()
    .int(1, irVersion)
    .bytes(2, 'jora')
    .bytes(7, graph)
    .bytes(8, opset('', opsetVersion))
    .bytes(8, opset('com.microsoft', 1))
    .finish()
}
