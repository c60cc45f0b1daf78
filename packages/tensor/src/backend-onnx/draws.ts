// Random draws, made by the worker before a run and fed to it: composed of ONNX operators they took two thirds of a step.
import type { Value } from '../ir/graph'
import { keyOf } from '../ir/key'
import type { OpName } from '../ir/op'
import { keyWords, type DrawLayout } from '../ops/random'
import type { Shape } from '../shape'
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
  /** Present: bool, whether the 24 random bits are at least this. Absent: f32 in [0, 1). */
  readonly keepFrom?: number
}

/** Ops that hand their input's elements on. */
const unchanged = new Set<OpName>(['barrier', 'reshape', 'stopGradient', 'shardingConstraint'])

/** A key that is an input of the graph, seen through nodes that change nothing; undefined when it is computed. */
function keyInput(value: Value): Value | undefined {
  let source = value
  while (source.node && unchanged.has(source.node.op)) source = source.node.inputs[0]!
  return source.node ? undefined : source
}

/** Collects the draws of one model, each distinct one once. */
export class Draws {
  readonly list: Draw[] = []
  readonly #known = new Map<string, string>()

  constructor(
    readonly b: OnnxBuilder,
    readonly inputs: OnnxValue[],
    readonly names: ReadonlyMap<Value, string>,
  ) {}

  /** Name of the draw, or undefined when its key is only known inside the graph. */
  add(keyValue: Value, dims: Shape, stream: number, layout: DrawLayout, keepFrom?: number): string | undefined {
    const source = keyInput(keyValue)
    const key = source && this.names.get(source)
    if (key === undefined) return undefined
    const id = `${key}|${stream}|${dims.join()}|${keyOf(layout)}|${keepFrom}`
    const known = this.#known.get(id)
    if (known !== undefined) return known
    const name = this.b.newName()
    this.#known.set(id, name)
    this.inputs.push({ name, dtype: keepFrom === undefined ? 'f32' : 'bool', dims })
    const kept = keepFrom === undefined ? {} : { keepFrom }
    this.list.push({ name, key, words: keyWords(stream), dims, ...layout, ...kept })
    return name
  }
}
