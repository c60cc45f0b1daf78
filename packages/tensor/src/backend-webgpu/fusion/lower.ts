// Lowers a graph to a list of dispatches and a memory plan. Needs no GPU: what runs is also what `estimate` measures.
import type { Graph } from '../../ir/graph'
import type { OpName } from '../../ir/op'
import { decompose } from '../../jit/passes/decompose'
import { planMemory, type MemoryPlan } from '../../jit/passes/memory-plan'
import { simplify } from '../../jit/execute'
import { ClusterContext } from './kernel'
import { elementwiseKernel } from '../kernels/elementwise.wgsl'
import { countBindings, join, type Dispatch } from './module'
import { wgslLowerings, type Run } from '../op-table'
import type { GpuProfile } from '../device/profile'
import { Schedule } from './schedule'
import type { Storage } from './storage'
import { TileChoices } from '../device/tuning'
import type { Draft } from './writer'

export interface Lowered {
  readonly dispatches: readonly Dispatch[]
  readonly inputs: readonly Storage[]
  readonly constants: readonly Storage[]
  readonly outputs: readonly Storage[]
  /** Which donated input an output takes the memory of, or undefined. */
  readonly replaces: readonly (number | undefined)[]
  /** Where temporaries are. */
  readonly places: ReadonlyMap<Storage, { readonly page: number; readonly offset: number }>
  readonly memory: MemoryPlan
}

function draftsOf(schedule: Schedule, tiles: TileChoices): Draft[] {
  const needed = schedule.neededValues()
  return schedule.ordered().flatMap((cluster) => {
    if (cluster.size === 0) return []
    const context = new ClusterContext(schedule, cluster, needed, tiles)
    if (!cluster.node) return [elementwiseKernel(context)]
    return (wgslLowerings[cluster.node.op] as Run<OpName>).kernel(context)
  })
}

const reads = (draft: Draft, storage: Storage) => draft.accesses.some((a) => a.storage === storage && a.read)
const writes = (draft: Draft, storage: Storage) => draft.accesses.some((a) => a.storage === storage && a.written)

/**
 * Lets outputs take the memory of donated inputs: an output qualifies when its kernel reads the input at the element it
 * writes and nothing reads the input later.
 */
function replaceInputs(schedule: Schedule, drafts: Draft[], donated: ReadonlySet<number>): Map<Storage, Storage> {
  const replaced = new Map<Storage, Storage>()
  const taken = new Set<Storage>()
  for (const cluster of schedule.ordered()) {
    for (const { value, storage } of cluster.roots) {
      if (storage.kind !== 'output' || replaced.has(storage)) continue
      const at = drafts.findIndex((draft) => writes(draft, storage))
      const candidate = schedule
        .readInPlace(value)
        .find(
          (input) =>
            input.kind === 'input' &&
            donated.has(input.index) &&
            !taken.has(input) &&
            input.element === storage.element &&
            input.length === storage.length &&
            drafts.every((draft, i) => i <= at || !reads(draft, input)) &&
            schedule.readsOnlyInPlace(cluster, input),
        )
      if (!candidate) continue
      taken.add(candidate)
      replaced.set(storage, candidate)
    }
  }
  return replaced
}

/** Drafts with one storage standing for another. */
const withReplaced = (drafts: readonly Draft[], replaced: ReadonlyMap<Storage, Storage>): Draft[] =>
  replaced.size === 0
    ? [...drafts]
    : drafts.map((draft) => ({
        ...draft,
        accesses: draft.accesses.map((access) => ({
          ...access,
          storage: replaced.get(access.storage) ?? access.storage,
        })),
      }))

/** How far back a kernel may move to share a dispatch. */
const joinWindow = 24

const conflict = (a: Draft, b: Draft): boolean =>
  a.accesses.some((x) => b.accesses.some((y) => x.storage === y.storage && (x.written || y.written)))

/** Groups drafts that do not wait for one another into dispatches. */
function groupDrafts(drafts: readonly Draft[], profile: GpuProfile): Draft[][] {
  const groups: Draft[][] = []
  for (const draft of drafts) {
    let home: Draft[] | undefined
    // Kernels that share a dispatch fill a GPU. Software takes seconds to compile each of their combinations, where by themselves most
    // kernels are those of another layer.
    if (!profile.software && draft.joinable) {
      for (let i = groups.length - 1; i >= Math.max(0, groups.length - joinWindow); i--) {
        const group = groups[i]!
        if (group.some((other) => conflict(other, draft))) break
        const fits =
          group[0]!.joinable &&
          group[0]!.workgroupSize === draft.workgroupSize &&
          countBindings([...group, draft], profile) <= profile.maxStorageBuffers &&
          group.reduce((n, d) => n + d.workgroupBytes, draft.workgroupBytes) <= profile.maxWorkgroupBytes
        if (fits) home = group
      }
    }
    if (home) home.push(draft)
    else groups.push([draft])
  }
  return groups
}

export interface LowerOptions {
  /** Positions of inputs whose memory outputs may take. */
  readonly donated?: readonly number[]
  readonly tiles?: TileChoices
}

export function lowerGraph(
  source: Graph,
  profile: GpuProfile,
  { donated = [], tiles = new TileChoices() }: LowerOptions = {},
): Lowered {
  const graph = simplify(decompose(source, (node) => wgslLowerings[node.op] !== 'decompose'))
  const schedule = new Schedule(graph, profile)
  const plain = draftsOf(schedule, tiles)
  const replaced = replaceInputs(schedule, plain, new Set(donated))
  const groups = groupDrafts(withReplaced(plain, replaced), profile)
  const dispatches = groups.map((group) => join(group, profile))

  const lifetimes = new Map<Storage, { bytes: number; first: number; last: number }>()
  groups.forEach((group, step) => {
    for (const { storage } of group.flatMap((d) => d.accesses)) {
      if (storage.kind !== 'temporary') continue
      const known = lifetimes.get(storage)
      if (known) known.last = step
      else lifetimes.set(storage, { bytes: storage.bytes, first: step, last: step })
    }
  })
  const memory = planMemory([...lifetimes.values()], {
    alignment: Math.max(256, profile.offsetAlignment),
    maxPageBytes: profile.maxBufferBytes,
  })
  const places = new Map([...lifetimes.keys()].map((storage, i) => [storage, memory.places[i]!]))
  const outputs = schedule.outputs.toSorted((a, b) => a.index - b.index)
  return {
    dispatches,
    inputs: schedule.inputs,
    constants: schedule.constants,
    outputs,
    replaces: outputs.map((storage) => replaced.get(storage)?.index),
    places,
    memory,
  }
}
