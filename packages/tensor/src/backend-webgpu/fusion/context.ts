// What a kernel is written against: its node's inputs as expressions or views, and its outputs with their followers.
import type { DType } from '../../dtype'
import type { Node, Value } from '../../ir/graph'
import type { OpName } from '../../ir/op'
import type { GpuProfile } from '../device/profile'
import type { TileChoices } from '../device/tuning'
import type { Storage, View } from './storage'
import type { Block, Draft, Position } from './writer'

/** A value computed element by element and the storage it goes to. */
export interface Root {
  readonly value: Value
  readonly storage: Storage
}

/** One kernel to be: a heavy op or none, and the values computed in the same index space. */
export interface Cluster {
  readonly node: Node | undefined
  readonly roots: Root[]
  /** Elements of the index space. */
  readonly size: number
  /** Nodes in the graph's order before which it runs. */
  position: number
  /** Stored values it reads. */
  readonly reads: Set<Value>
}

export interface KernelContext<K extends OpName> {
  readonly node: Node<K>
  readonly cluster: Cluster
  readonly profile: GpuProfile
  readonly tiles: TileChoices
  /** Element of input `i` at `position`. */
  read(i: number, position: Position, block: Block): string
  /** Input `i` as a window on stored elements; undefined when it is computed on the way. */
  view(i: number): View | undefined
  /** Any value of the graph as such a window. */
  viewOf(value: Value): View | undefined
  output(i: number): View
  /** A storage that only this kernel's dispatches use. */
  temporary(dtype: DType, length: number): Storage
  /** Element of any value at `position`; `seeds` are values that have names in `block` already. */
  evaluate(value: Value, position: Position, block: Block, seeds?: ReadonlyMap<Value, string>): string
  /** Statements that store the first output's element `x` and what is computed from it in the same place. */
  finish(x: string, position: Position, block: Block): void
  /** Computes the cluster's roots at `position`. All is read before anything is stored: outputs may replace inputs. */
  follow(position: Position, block: Block, seeds: Map<Value, string>, stores: string[]): void
}

/** Writes one or more dispatches for a node. */
export type Kernel<K extends OpName> = (context: KernelContext<K>) => Draft | Draft[]

/**
 * How an operand must come: `view` as a strided window of a stored value; `cheap` computed on the way in if that costs
 * little; `any` computed on the way in.
 */
export type OperandNeed = 'view' | 'cheap' | 'any'
