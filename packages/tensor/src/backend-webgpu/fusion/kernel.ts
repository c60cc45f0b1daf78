// The context of one cluster's kernels, as the schedule decided it.
import type { DType } from '../../dtype'
import type { Node, Value } from '../../ir/graph'
import type { OpName } from '../../ir/op'
import type { GpuProfile } from '../device/profile'
import type { TileChoices } from '../device/tuning'
import { wgslLowerings } from '../op-table'
import type { Cluster, KernelContext } from './context'
import { inlineDot } from './inline-dot'
import type { Schedule } from './schedule'
import { elementType, Storage, type View } from './storage'
import type { Block, Position } from './writer'

export class ClusterContext implements KernelContext<OpName> {
  constructor(
    readonly schedule: Schedule,
    readonly cluster: Cluster,
    /** Values that someone outside their cluster reads. */
    readonly needed: ReadonlySet<Value>,
    readonly tiles: TileChoices,
  ) {}

  get node(): Node {
    return this.cluster.node!
  }

  get profile(): GpuProfile {
    return this.schedule.profile
  }

  read(i: number, position: Position, block: Block): string {
    return this.evaluate(this.node.inputs[i]!, position, block)
  }

  view(i: number): View | undefined {
    return this.viewOf(this.node.inputs[i]!)
  }

  viewOf(value: Value): View | undefined {
    return this.schedule.views.get(value)
  }

  output(i: number): View {
    return this.viewOf(this.node.outputs[i]!)!
  }

  temporary(dtype: DType, length: number): Storage {
    return new Storage('temporary', -1, dtype, elementType(dtype, this.profile), length)
  }

  evaluate(value: Value, position: Position, block: Block, seeds?: ReadonlyMap<Value, string>): string {
    const seeded = seeds?.get(value)
    if (seeded !== undefined) return seeded
    const view = this.viewOf(value)
    if (view) {
      const base = seeds && this.schedule.valueOf(view.storage)
      const computed = base && seeds.get(base)
      return computed ?? block.name(block.writer.loadView(view, position, block))
    }
    return this.#compute(value.node!, position, block, seeds)
  }

  #compute(node: Node, position: Position, block: Block, seeds?: ReadonlyMap<Value, string>): string {
    if (node.op === 'dot') return inlineDot(this, node as Node<'dot'>, position, block)
    const entry = wgslLowerings[node.op]
    if (typeof entry === 'string' || !('expression' in entry)) throw new Error(`${node.op} cannot be read in place`)
    const read = (i: number, at: Position) => this.evaluate(node.inputs[i]!, at, block, seeds)
    const same = (i: number) => read(i, position.broadcastFrom(node.inputs[i]!.aval.shape, block))
    const expression = entry.expression as (context: object) => string
    return block.name(expression({ node, writer: block.writer, block, position, read, same }))
  }

  finish(x: string, position: Position, block: Block): void {
    const value = this.node.outputs[0]!
    const view = this.output(0)
    const seeds = new Map([[value, x]])
    const stores: string[] = []
    if (this.needed.has(value)) stores.push(block.writer.store(view.storage, position.flat(block), x))
    this.follow(position, block, seeds, stores)
  }

  follow(position: Position, block: Block, seeds: Map<Value, string>, stores: string[]): void {
    for (const { value, storage } of this.cluster.roots) {
      const at = position.reshaped(value.aval.shape, block)
      const isCopy = this.viewOf(value)!.storage !== storage
      const x = isCopy ? this.evaluate(value, at, block, seeds) : this.#compute(value.node!, at, block, seeds)
      if (!isCopy) seeds.set(value, x)
      stores.push(block.writer.store(storage, at.flat(block), x))
    }
    block.push(...stores)
  }
}
