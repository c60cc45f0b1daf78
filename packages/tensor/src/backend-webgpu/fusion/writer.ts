// Writing a kernel's WGSL: named expressions, index arithmetic, loads and stores. Names that begin with $ are made unique
// when kernels are joined into one shader (module.ts).
import { sizeOf, stridesOf, type Shape } from '../../shape'
import { isWhole, type Storage, type View } from './storage'

/** How a kernel uses one storage. */
export interface Access {
  readonly storage: Storage
  read: boolean
  written: boolean
  /** Whether it is read four elements at a time somewhere. */
  vectors: boolean
}

/** A kernel before it has a place in a shader: a body for workgroup `wg`, invocation `lid`. */
export interface Draft {
  readonly label: string
  readonly body: string
  /** Module-scope declarations (workgroup arrays, functions), by name. */
  readonly globals: ReadonlyMap<string, string>
  readonly accesses: readonly Access[]
  /** Words that differ between kernels of the same text: streams, small tables. */
  readonly parameters: readonly number[]
  readonly workgroups: number
  readonly workgroupSize: number
  readonly workgroupBytes: number
  /** WGSL extensions it needs beyond f16. */
  readonly extensions: readonly string[]
  /** Small enough to share a dispatch with others. */
  readonly joinable: boolean
}

export const u32 = (value: number): string => `${value}u`

const isConstant = (text: string): boolean => /^\d+u$/.test(text)
const valueOf = (text: string): number => Number(text.slice(0, -1))

export function plus(a: string, b: string): string {
  if (a === '0u') return b
  if (b === '0u') return a
  return isConstant(a) && isConstant(b) ? u32(valueOf(a) + valueOf(b)) : `(${a} + ${b})`
}

export function times(a: string, factor: number): string {
  if (factor === 0 || a === '0u') return '0u'
  if (factor === 1) return a
  return isConstant(a) ? u32(valueOf(a) * factor) : `(${a} * ${u32(factor)})`
}

export function over(a: string, divisor: number): string {
  return divisor === 1 ? a : isConstant(a) ? u32(Math.floor(valueOf(a) / divisor)) : `(${a} / ${u32(divisor)})`
}

function remainder(a: string, divisor: number): string {
  return divisor === 1 ? '0u' : isConstant(a) ? u32(valueOf(a) % divisor) : `(${a} % ${u32(divisor)})`
}

/** `outer · size + inner`. */
export const nestedIndex = (outer: string, size: number, inner: string): string => plus(times(outer, size), inner)

/** A number as a WGSL f32 expression; infinities and NaN are not literals there. */
export function f32(value: number): string {
  const rounded = Math.fround(value)
  if (!Number.isFinite(rounded)) {
    const bits = new Uint32Array(Float32Array.of(rounded).buffer)[0]!
    return `bitcast<f32>(runtimeBits(${u32(bits)}))`
  }
  if (Object.is(rounded, -0)) return '(-0.0f)'
  const text = String(rounded)
  const literal = /[.e]/.test(text) ? `${text}f` : `${text}.0f`
  return rounded < 0 ? `(${literal})` : literal
}

/** Statements of a block. Every expression is bound to a name once: equal texts share it. */
export class Block {
  readonly lines: string[] = []
  readonly #names = new Map<string, string>()

  constructor(
    readonly writer: KernelWriter,
    readonly parent?: Block,
  ) {}

  #known(text: string): string | undefined {
    const own = this.#names.get(text)
    return own === undefined && this.parent ? this.parent.#known(text) : own
  }

  /** A name for `text`, which must be pure; constants and names stand for themselves. */
  name(text: string): string {
    if (/^[\w.]+$/.test(text)) return text
    const known = this.#known(text)
    if (known) return known
    const name = this.writer.newName('v')
    this.lines.push(`let ${name} = ${text};`)
    this.#names.set(text, name)
    return name
  }

  push(...lines: string[]): void {
    this.lines.push(...lines)
  }

  /** A nested block under `head { … }`. */
  nest(head: string, fill: (block: Block) => void): void {
    const block = new Block(this.writer, this)
    fill(block)
    this.lines.push(`${head} {`, ...block.lines.map((line) => `  ${line}`), '}')
  }
}

/** Where in a value: the flat index, the coordinates, or both; each is derived from the other when it is asked for. */
export class Position {
  constructor(
    readonly shape: Shape,
    readonly known: { readonly flat?: string; readonly coordinates?: readonly string[] },
  ) {}

  flat(block: Block): string {
    if (this.known.flat !== undefined) return this.known.flat
    const strides = stridesOf(this.shape)
    return block.name(this.known.coordinates!.reduce((sum, c, i) => plus(sum, times(c, strides[i]!)), '0u'))
  }

  coordinates(block: Block): readonly string[] {
    if (this.known.coordinates) return this.known.coordinates
    const flat = this.known.flat!
    const strides = stridesOf(this.shape)
    return this.shape.map((size, i) => {
      if (size === 1) return '0u'
      const upper = over(flat, strides[i]!)
      // The outermost dimension that is not 1 needs no remainder.
      return block.name(this.shape.slice(0, i).every((d) => d === 1) ? upper : remainder(upper, size))
    })
  }

  /** The same element of the same elements in another shape. */
  reshaped(shape: Shape, block: Block): Position {
    if (shape.length === this.shape.length && shape.every((d, i) => d === this.shape[i])) return this
    return new Position(shape, { flat: this.flat(block) })
  }

  /** The element that broadcasting reads from a value of shape `shape`. */
  broadcastFrom(shape: Shape, block: Block): Position {
    if (sizeOf(shape) === 1) return new Position(shape, { flat: '0u', coordinates: shape.map(() => '0u') })
    if (sizeOf(shape) === sizeOf(this.shape)) return this.reshaped(shape, block)
    const coordinates = this.coordinates(block)
    const lead = this.shape.length - shape.length
    return new Position(shape, { coordinates: shape.map((d, i) => (d === 1 ? '0u' : coordinates[i + lead]!)) })
  }
}

export class KernelWriter {
  readonly accesses: Access[] = []
  readonly globals = new Map<string, string>()
  readonly parameters: number[] = []
  readonly extensions = new Set<string>()
  readonly body = new Block(this)
  workgroupBytes = 0
  #names = 0

  newName(prefix: string): string {
    return `${prefix}${this.#names++}`
  }

  #access(storage: Storage): number {
    let at = this.accesses.findIndex((a) => a.storage === storage)
    if (at < 0) at = this.accesses.push({ storage, read: false, written: false, vectors: false }) - 1
    return at
  }

  /** Element `index` of a storage, as f32, i32, u32 or bool. */
  load(storage: Storage, index: string): string {
    const at = this.#access(storage)
    this.accesses[at]!.read = true
    return `$ld${at}(${index})`
  }

  /** Elements 4·index … 4·index+3 of a float storage, as vec4f; of bytes the u32 that holds them, the first lowest. */
  load4(storage: Storage, index: string): string {
    const at = this.#access(storage)
    Object.assign(this.accesses[at]!, { read: true, vectors: true })
    return `$quad${at}(${index})`
  }

  loadView(view: View, position: Position, block: Block): string {
    if (isWhole(view)) return this.load(view.storage, position.flat(block))
    const coordinates = position.coordinates(block)
    const at = coordinates.reduce((sum, c, i) => plus(sum, times(c, view.strides[i]!)), u32(view.offset))
    return this.load(view.storage, block.name(at))
  }

  /** A statement that stores `value` (of the storage's type) at element `index`. */
  store(storage: Storage, index: string, value: string): string {
    const at = this.#access(storage)
    this.accesses[at]!.written = true
    return `$st${at}(${index}, ${value});`
  }

  /** A u32 that is no part of the text, so that kernels which differ only in it share a pipeline. */
  parameter(word: number): string {
    return `$p${this.parameters.push(word >>> 0) - 1}`
  }

  /** A module-scope declaration; `$name` in its text and in the body is made unique. */
  global(name: string, text: string): string {
    this.globals.set(name, text)
    return `$${name}`
  }

  /** A workgroup array of `length` elements. */
  workgroupArray(name: string, type: 'f32' | 'f16' | 'i32' | 'u32' | 'vec4f', length: number): string {
    this.workgroupBytes += length * { f32: 4, f16: 2, i32: 4, u32: 4, vec4f: 16 }[type]
    return this.global(name, `var<workgroup> $${name}: array<${type}, ${length}>;`)
  }

  finish(parts: { label: string; workgroups: number; workgroupSize: number; joinable?: boolean }): Draft {
    return {
      label: parts.label,
      workgroups: parts.workgroups,
      workgroupSize: parts.workgroupSize,
      joinable: parts.joinable ?? true,
      body: this.body.lines.join('\n'),
      globals: this.globals,
      accesses: this.accesses,
      parameters: this.parameters,
      workgroupBytes: this.workgroupBytes,
      extensions: [...this.extensions],
    }
  }
}
