// Decides which values of a graph are stored, which are read on the fly, and which kernels compute what is stored.
import { isOp, type Graph, type Node, type Value } from '../../ir/graph'
import { isCollective, readsOf, refuseCollective, type OpName } from '../../ir/op'
import { sizeOf } from '../../shape'
import { wgslLowerings, type Run } from '../op-table'
import type { GpuProfile } from '../device/profile'
import type { Cluster } from './context'
import { isCheap, isRun, recipeOf, smallInner, viewOf, type Recipe } from './recipe'
import { elementType, isWhole, Storage, wholeView, type View } from './storage'

/** Bindings of a kernel beside what one expression reads: two outputs, the parameters, an anchor's other operand. */
const otherBindings = 4
/** Work of an expression that is evaluated where it is read, however often. */
const maxWork = 80

/** Nearest nodes among which a value may be computed earlier than it is: more would keep it for long. */
const maxAdvance = 48

export class Schedule {
  readonly clusters: Cluster[] = []
  readonly inputs: Storage[]
  readonly constants: Storage[]
  readonly outputs: Storage[] = []
  /** Windows on storages, for values that need no computing to be read. */
  readonly views = new Map<Value, View>()
  /** Stored values by storage, and the cluster that computes each. */
  readonly #valueOf = new Map<Storage, Value>()
  readonly #clusterOf = new Map<Value, Cluster>()
  readonly #recipes = new Map<Value, Recipe>()
  readonly #consumers = new Map<Value, { node: Node; operand: number }[]>()
  readonly #returned: ReadonlySet<Value>

  constructor(
    readonly graph: Graph,
    readonly profile: GpuProfile,
  ) {
    const place = (kind: 'input' | 'constant') => (value: Value, index: number) => {
      const { dtype, shape } = value.aval
      const storage = new Storage(kind, index, dtype, elementType(dtype, profile), sizeOf(shape))
      this.#bind(value, storage)
      return storage
    }
    this.inputs = graph.inputs.map(place('input'))
    this.constants = graph.constants.map(({ value }, i) => place('constant')(value, i))
    this.#returned = new Set(graph.outputs)
    for (const node of graph.nodes)
      node.inputs.forEach((value, operand) => {
        const list = this.#consumers.get(value)
        if (list) list.push({ node, operand })
        else this.#consumers.set(value, [{ node, operand }])
      })
    graph.nodes.forEach((node, position) => this.#visit(node, position))
    this.#placeOutputs()
  }

  /** Values whose storage someone reads, or the program returns: an anchor whose followers took over is not stored. */
  neededValues(): Set<Value> {
    const needed = new Set<Value>()
    for (const cluster of this.clusters)
      for (const value of cluster.reads) if (this.#clusterOf.get(value) !== cluster) needed.add(value)
    for (const [value, view] of this.views) if (view.storage.kind === 'output' && isWhole(view)) needed.add(value)
    return needed
  }

  /** The value whose elements a storage holds. */
  readonly valueOf = (storage: Storage): Value => this.#valueOf.get(storage)!

  #bind(value: Value, storage: Storage, strides?: readonly number[]): void {
    this.#valueOf.set(storage, value)
    this.views.set(value, wholeView(storage, value.aval.shape, strides))
  }

  /** Whether an f16 result is only ever read as f32: then it is kept as exact as it was computed. */
  #isReadAsF32(value: Value): boolean {
    const consumers = this.#consumers.get(value) ?? []
    if (value.aval.dtype !== 'f16' || this.#returned.has(value) || consumers.length === 0) return false
    return consumers.every(({ node }) => isOp(node, 'cast') && node.params.dtype === 'f32')
  }

  #newStorage(value: Value, dtype = value.aval.dtype): Storage {
    const { shape } = value.aval
    return new Storage('temporary', -1, dtype, elementType(dtype, this.profile), sizeOf(shape))
  }

  #visit(node: Node, position: number): void {
    if (isCollective(node.op)) refuseCollective(node.op)
    if (isRun(node.op) && !this.#isInlineDot(node)) {
      this.#run(node as Node<OpName>, position)
      return
    }
    const value = node.outputs[0]!
    const view = viewOf(node, this)
    if (view) {
      this.views.set(value, view)
      return
    }
    const recipe = recipeOf(node, { views: this.views, recipes: this.#recipes, valueOf: this.valueOf })
    this.#recipes.set(value, recipe)
    if (this.#mustStore(value, recipe)) this.#store(value, recipe, position)
  }

  #mustStore(value: Value, recipe: Recipe): boolean {
    if (this.#returned.has(value)) return true
    const consumers = this.#consumers.get(value) ?? []
    // A weight is never unpacked as a whole where products and elementwise readers can take it as it is.
    if (isOp(value.node, 'dequantise') && consumers.every(({ node }) => isOp(node, 'dot') || !isRun(node.op)))
      return false
    const cheap = isCheap(value, recipe)
    if (consumers.length > 1 && !cheap) return true
    // At the end of a kernel it costs a store; read from elsewhere, it would be made again for every reader.
    if (this.#endsKernel(value, recipe) && this.#isMoved(value)) return true
    if (recipe.leaves.size > this.profile.maxStorageBuffers - otherBindings || recipe.work > maxWork) return true
    return consumers.some(({ node, operand }) => {
      if (!isRun(node.op)) return false
      const need = (wgslLowerings[node.op] as Run<OpName>).operand(node as Node<OpName>, operand)
      return need === 'view' || (need === 'cheap' && !cheap)
    })
  }

  /** Whether the value could be an epilogue of a kernel whose result it reads in place. */
  #endsKernel(value: Value, { leaves }: Recipe): boolean {
    const size = sizeOf(value.aval.shape)
    return [...leaves].some(([leaf, how]) => {
      const cluster = this.#clusterOf.get(leaf)
      return how === 'same' && cluster?.node !== undefined && this.#takes(cluster, leaf, size)
    })
  }

  /** Whether a reader of the value, seen through reshapes, looks at other places than it writes. */
  #isMoved(value: Value): boolean {
    return (this.#consumers.get(value) ?? []).some(({ node, operand }) =>
      node.op === 'reshape'
        ? this.#isMoved(node.outputs[0]!)
        : operand === 0 && readsOf(node.op, operand) === 'moved' && !isRun(node.op),
    )
  }

  /** A product with a short inner dimension whose only reader is elementwise: evaluated there, element by element. */
  #isInlineDot(node: Node): boolean {
    if (!isOp(node, 'dot') || this.#returned.has(node.outputs[0]!)) return false
    const inner = node.inputs[0]!.aval.shape.at(node.params.transposeA ? -2 : -1)!
    const [only, ...others] = this.#consumers.get(node.outputs[0]!) ?? []
    if (inner > smallInner || !only || others.length > 0 || isRun(only.node.op)) return false
    return readsOf(only.node.op, only.operand) === 'same' && node.inputs.every((v) => this.views.has(v))
  }

  #available(value: Value): number {
    return this.#clusterOf.get(value)?.position ?? -1
  }

  #run(node: Node, position: number): void {
    const entry = wgslLowerings[node.op] as Run<OpName>
    const reads = new Set<Value>()
    for (const value of node.inputs) {
      const view = this.views.get(value)
      if (view) reads.add(this.#valueOf.get(view.storage)!)
      else this.#recipes.get(value)!.leaves.forEach((_, leaf) => reads.add(leaf))
    }
    const size = sizeOf(node.outputs[0]!.aval.shape)
    const cluster: Cluster = { node, roots: [], size, position, reads }
    this.clusters.push(cluster)
    node.outputs.forEach((value, i) => {
      this.#bind(value, this.#newStorage(value, this.#isReadAsF32(value) ? 'f32' : undefined), entry.layout?.(node, i))
      this.#clusterOf.set(value, cluster)
    })
  }

  #store(value: Value, recipe: Recipe, position: number): void {
    const storage = this.#newStorage(value)
    const cluster = this.#join(value, recipe, position) ?? this.#newCluster(value, position)
    cluster.roots.push({ value, storage })
    for (const leaf of recipe.leaves.keys()) cluster.reads.add(leaf)
    this.#bind(value, storage)
    this.#clusterOf.set(value, cluster)
  }

  #newCluster(value: Value, position: number): Cluster {
    const cluster = { node: undefined, roots: [], size: sizeOf(value.aval.shape), position, reads: new Set<Value>() }
    this.clusters.push(cluster)
    return cluster
  }

  /** A cluster in whose index space `value` can be computed along: one that makes something it reads at the same index, or reads the same. */
  #join(value: Value, recipe: Recipe, position: number): Cluster | undefined {
    const size = sizeOf(value.aval.shape)
    const candidates = new Set<Cluster>()
    for (const [leaf, how] of recipe.leaves) {
      const cluster = this.#clusterOf.get(leaf)
      if (cluster && how === 'same' && this.#takes(cluster, leaf, size)) candidates.add(cluster)
    }
    const latestFirst = [...candidates].sort((a, b) => b.position - a.position)
    const isNear = (cluster: Cluster) => position - cluster.position <= maxAdvance
    for (const cluster of latestFirst) {
      if (!this.#fits(cluster, recipe)) continue
      const sole = this.#servesOnly(cluster, recipe)
      // Earlier than it is, if that keeps nothing for long that would not be kept anyway.
      if (this.#isReady(cluster, recipe) && (isNear(cluster) || sole)) return cluster
      if (!sole || !isNear(cluster)) continue
      cluster.position = position
      return cluster
    }
    // Siblings: elementwise values of one size that read the same.
    for (let i = this.clusters.length - 1; i >= Math.max(0, this.clusters.length - 6); i--) {
      const cluster = this.clusters[i]!
      if (cluster.node || cluster.size !== size || position - cluster.position > maxAdvance) continue
      const shares = [...recipe.leaves].some(([leaf, how]) => how === 'same' && cluster.reads.has(leaf))
      if (shares && this.#fits(cluster, recipe) && this.#isReady(cluster, recipe)) return cluster
    }
    return undefined
  }

  #takes(cluster: Cluster, leaf: Value, size: number): boolean {
    if (cluster.size !== size) return false
    if (!cluster.node) return true
    // An anchor offers its first output, and what is computed beside it.
    return (
      (wgslLowerings[cluster.node.op] as Run<OpName>).epilogue &&
      (cluster.node.outputs[0] === leaf || leaf.node !== cluster.node)
    )
  }

  #fits(cluster: Cluster, recipe: Recipe): boolean {
    const reads = new Set([...cluster.reads, ...recipe.leaves.keys()])
    return reads.size + cluster.roots.length + 3 <= this.profile.maxStorageBuffers
  }

  /** Whether everything else the recipe reads exists when the cluster runs. */
  #isReady(cluster: Cluster, { leaves }: Recipe): boolean {
    return [...leaves].every(([leaf, how]) =>
      this.#clusterOf.get(leaf) === cluster ? how === 'same' : this.#available(leaf) < cluster.position,
    )
  }

  /** Whether nobody but this recipe reads what the cluster makes, so that it may run later. */
  #servesOnly(cluster: Cluster, recipe: Recipe): boolean {
    if (!cluster.node || cluster.roots.length > 0 || cluster.node.outputs.length > 1) return false
    const [value] = cluster.node.outputs as [Value]
    if (this.#returned.has(value) || recipe.leaves.get(value) !== 'same') return false
    const [last] = recipe.nodes
    const within = (v: Value): boolean =>
      (this.#consumers.get(v) ?? []).every(({ node }) => {
        if (node === last) return true
        const passes = recipe.nodes.has(node) || (this.views.has(node.outputs[0]!) && !isRun(node.op))
        return passes && !this.#returned.has(node.outputs[0]!) && within(node.outputs[0]!)
      })
    return within(value)
  }

  /** Each output gets a storage of its own: that of the value where it can be had, else a copy. */
  #placeOutputs(): void {
    const claimed = new Set<Storage>()
    this.graph.outputs.forEach((value, index) => {
      const view = this.views.get(value)!
      const { storage } = view
      if (
        storage.kind === 'temporary' &&
        isWhole(view) &&
        storage.dtype === value.aval.dtype &&
        !claimed.has(storage)
      ) {
        claimed.add(storage)
        storage.kind = 'output'
        storage.index = index
        this.outputs.push(storage)
        return
      }
      const { dtype, shape } = value.aval
      const copy = new Storage('output', index, dtype, elementType(dtype, this.profile), sizeOf(shape))
      this.clusters.push({
        node: undefined,
        roots: [{ value, storage: copy }],
        size: sizeOf(shape),
        position: this.graph.nodes.length,
        reads: new Set([this.#valueOf.get(storage)!]),
      })
      this.outputs.push(copy)
    })
  }

  /** Inputs that a stored value reads at the element it writes. */
  readInPlace(value: Value): Storage[] {
    const leaves = this.#recipes.get(value)?.leaves ?? []
    return [...leaves].flatMap(([leaf, how]) => (how === 'same' ? [this.views.get(leaf)!.storage] : []))
  }

  /** Whether every value of the cluster that reads `storage` does so at the element it writes. */
  readsOnlyInPlace(cluster: Cluster, storage: Storage): boolean {
    if (cluster.node?.inputs.some((value) => this.#reaches(value, storage))) return false
    return cluster.roots.every(
      ({ value }) => this.#recipes.get(value)?.leaves.get(this.valueOf(storage)) !== 'elsewhere',
    )
  }

  #reaches(value: Value, storage: Storage): boolean {
    const view = this.views.get(value)
    return view ? view.storage === storage : (this.#recipes.get(value)?.leaves.has(this.valueOf(storage)) ?? false)
  }

  /** Clusters in the order in which they can run. */
  ordered(): Cluster[] {
    return this.clusters
      .map((cluster, made) => ({ cluster, made }))
      .sort((a, b) => a.cluster.position - b.cluster.position || a.made - b.made)
      .map(({ cluster }) => cluster)
  }
}
