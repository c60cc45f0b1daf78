// Measures the tiles a product could be cut into, on the adapter itself.
import { leafValue, makeNode, type Graph } from '../../ir/graph'
import type { Allocation } from './allocator'
import { lowerGraph } from '../fusion/lower'
import type { GpuProfile } from './profile'
import { Program, type ProgramHost } from './program'
import { storedBytes, type Storage } from '../fusion/storage'
import { TileChoices, type TunedProduct } from './tuning'

export interface TunerHost extends ProgramHost {
  readonly profile: GpuProfile
  take(bytes: number, what: string): Allocation
  release(allocation: Allocation): void
  /** Resolves when everything submitted has run. */
  done(): Promise<void>
}

/** Dispatches timed together, and how often: the best of them counts. */
const [repeats, rounds] = [8, 3]

/** The number of the fastest tile. A tile whose kernel the adapter refuses is passed over. */
export async function fastestTile(host: TunerHost, product: TunedProduct): Promise<number> {
  const inputs = [leafValue(product.a), leafValue(product.b)]
  const { transposeA, transposeB } = product
  const node = makeNode('dot', { transposeA, transposeB }, inputs)
  const graph: Graph = { inputs, constants: [], nodes: [node], outputs: node.outputs }
  let best = { choice: 0, milliseconds: Infinity }
  for (let choice = 0; choice < product.candidates; choice++) {
    const lowered = lowerGraph(graph, host.profile, { tiles: new TileChoices({ [product.key]: choice }) })
    const allocations = new Map<Storage, Allocation>()
    for (const storage of [...lowered.inputs, ...lowered.outputs])
      allocations.set(storage, host.take(storedBytes(storage.element, storage.length), 'a trial of tile sizes'))
    const program = new Program(host, lowered)
    try {
      await program.prepare()
      for (let round = 0; round <= rounds; round++) {
        const encoder = host.gpu.createCommandEncoder()
        const pass = encoder.beginComputePass()
        for (let i = 0; i < repeats; i++) program.encode(pass, (storage) => allocations.get(storage)!)
        pass.end()
        const start = performance.now()
        host.gpu.queue.submit([encoder.finish()])
        await host.done()
        // The first round finishes the compilation.
        const milliseconds = (performance.now() - start) / repeats
        if (round > 0 && milliseconds < best.milliseconds) best = { choice, milliseconds }
      }
    } catch {
      // Another tile will do; with none, the default's own failure is told.
    } finally {
      program.release()
      for (const allocation of allocations.values()) host.release(allocation)
    }
  }
  return best.choice
}
