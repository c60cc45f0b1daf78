// Random draws, made by the worker before a run and fed to it: composed of ONNX operators they took two thirds of a step.
import type { Value } from '../ir/graph'
import { keyOf } from '../ir/key'
import type { OpName } from '../ir/op'
import { keyWords, type DrawLayout } from '../ops/random'
import { sizeOf, type Shape } from '../shape'
import type { OnnxBuilder } from './builder'
import type { OnnxValue } from './model-proto'

/** What the worker fills in; plain data, as it is posted. */
export interface Draw extends DrawLayout {
  /** The model's input that takes it. */
  readonly name: string
  /** The model's input that holds the key, u32 `[2]`, or the keys, one a row. */
  readonly key: string
  /** Words of the stream, to be mixed into the key. */
  readonly words: readonly [number, number]
  readonly dims: Shape
  /** Absent: numbers, f32 in [0, 1). */
  readonly mask?: Mask
}

/** Which elements are kept: those of at least `keepFrom` in 24 random bits. */
export interface Mask {
  readonly keepFrom: number
  /** Present: f32, this where an element is kept, else 0. Absent: bool. */
  readonly scale?: number
}

/** The model's input that takes a draw. */
type Drawn = Pick<OnnxValue, 'name' | 'dtype'>

/** Ops that hand their input's elements on. */
const unchanged = new Set<OpName>(['barrier', 'reshape', 'stopGradient', 'shardingConstraint'])

/** A key that is an input of the graph, seen through nodes that change nothing; undefined when it is computed. */
function keyInput(value: Value): Value | undefined {
  let source = value
  while (source.node && unchanged.has(source.node.op)) source = source.node.inputs[0]!
  return source.node ? undefined : source
}

/** A mask that is multiplied with takes a quarter of the time of a choice by a bool, and four times its memory: a model has so much of it. */
const scaleBytes = 2 ** 26

/** Collects the draws of one model, each distinct one once. */
export class Draws {
  readonly list: Draw[] = []
  readonly #known = new Map<string, Drawn>()
  #scaleBytes = 0

  constructor(
    readonly b: OnnxBuilder,
    readonly inputs: OnnxValue[],
    readonly names: ReadonlyMap<Value, string>,
  ) {}

  /**
   * The input that takes a draw of `dims`: numbers, or a mask, f32 while the model has memory for that, else bool.
   * Undefined when its key is only known inside the graph.
   */
  add(keyValue: Value, dims: Shape, stream: number, layout: DrawLayout, mask?: Required<Mask>): Drawn | undefined {
    const source = keyInput(keyValue)
    const key = source && this.names.get(source)
    if (key === undefined) return undefined
    const id = `${key}|${stream}|${dims.join()}|${keyOf(layout)}|${keyOf(mask)}`
    const known = this.#known.get(id)
    if (known !== undefined) return known
    const isScale = mask !== undefined && this.#scaleBytes + 4 * sizeOf(dims) <= scaleBytes
    if (isScale) this.#scaleBytes += 4 * sizeOf(dims)
    const dtype = mask === undefined || isScale ? 'f32' : 'bool'
    const drawn = { name: this.b.newName(), dtype } as const
    this.#known.set(id, drawn)
    this.inputs.push({ ...drawn, dims })
    const kept = mask && { mask: isScale ? mask : { keepFrom: mask.keepFrom } }
    this.list.push({ name: drawn.name, key, words: keyWords(stream), dims, ...layout, ...kept })
    return drawn
  }
}
