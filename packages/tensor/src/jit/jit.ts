// jit: runs a function on traced tensors once per input shape, then replays the compiled program.
import { deviceNumber, openDefaultDevice } from '../backend/registry'
import { fail } from '../errors'
import type { Graph } from '../ir/graph'
import { showAval } from '../ir/print'
import { Trace, activeTrace, withTrace } from '../ir/tracer'
import type { Tensor } from '../tensor'
import { flatten, type Flat, type Tree } from '../tree'
import { compileGraph, runProgram, simplify, type Program } from './execute'

interface Compiled {
  readonly program: Program
  unflatten(leaves: readonly Tensor[]): Tree
}

/** How a jitted function treats its arguments and its programs. */
export interface JitOptions {
  /** Positions of arguments whose tensors are consumed: their memory is freed when the call returns. */
  readonly donate?: readonly number[]
  /**
   * It is called with many shapes, and what it computes is the same but for them: a device that can prepares its weights once for
   * all of them. Only for functions without gradients.
   */
  readonly manyShapes?: boolean
  /** How many compiled shapes are kept; the one longest unused is released first. */
  readonly maxPrograms?: number
}

/** A jitted function: call it as the original. */
export interface Jitted<A extends readonly Tree[], R extends Tree> {
  (...args: A): R
  /** Compiles for these arguments without running; resolves when the device is ready. */
  compile(...args: A): Promise<void>
  /** Programs that are kept. */
  readonly programs: number
  /** Programs that were ever compiled. */
  readonly compiled: number
  /** Releases every compiled program. */
  dispose(): void
}

function traceFlat<A extends readonly Tree[], R extends Tree>(
  fn: (...args: A) => R,
  args: Flat,
): { graph: Graph<Tensor>; result: Flat } {
  const trace = new Trace()
  return withTrace(trace, () => {
    const traced = args.unflatten(args.leaves.map((leaf) => trace.addInput(leaf.aval))) as unknown as A
    const result: unknown = fn(...traced)
    if (result instanceof Promise) fail('jit', 'the function is async; tracing needs a plain function')
    const flat = flatten(result as R)
    return { graph: trace.finish(flat.leaves), result: flat }
  })
}

/** The simplified graph of `fn` for arguments like these: what JAX calls makeJaxpr. Nothing runs. */
export function makeGraph<A extends readonly Tree[], R extends Tree>(
  fn: (...args: A) => R,
): (...args: A) => Graph<Tensor> {
  return (...args) => simplify(traceFlat(fn, flatten(args)).graph)
}

/**
 * Compiles `fn` (a pure function of trees of tensors) once per structure, shape, dtype and device of its arguments. Concrete
 * tensors it closes over (frozen weights) are bound at compile time and must not be disposed while it is in use. Inside
 * another trace it is simply called.
 */
export function jit<A extends readonly Tree[], R extends Tree>(
  fn: (...args: A) => R,
  { donate = [], maxPrograms = 64, manyShapes = false }: JitOptions = {},
): Jitted<A, R> {
  const cache = new Map<string, Compiled>()
  let count = 0

  function lookup(flat: Flat, args: A): Compiled {
    const device = flat.leaves[0]?.buffer.device ?? openDefaultDevice()
    const key = `${device ? deviceNumber(device) : ''}|${flat.structure}|${flat.leaves.map((t) => showAval(t.aval)).join(',')}`
    let compiled = cache.get(key)
    if (compiled) cache.delete(key)
    else {
      const { graph, result } = traceFlat(fn, flat)
      count++
      compiled = {
        program: compileGraph(graph, flat.leaves, { donated: donatedLeaves(args), manyShapes }),
        unflatten: result.unflatten,
      }
    }
    cache.set(key, compiled) // (re)inserted last: the map's order is the order of use
    for (const [oldest, { program }] of cache) {
      if (cache.size <= maxPrograms) break
      program.executable.release()
      cache.delete(oldest)
    }
    return compiled
  }

  /** Positions among the flat leaves of those that the arguments named by `donate` hold. */
  function donatedLeaves(args: A): number[] {
    let first = 0
    return args.flatMap((arg, position) => {
      const count = flatten(arg).leaves.length
      const positions = donate.includes(position) ? Array.from({ length: count }, (_, i) => first + i) : []
      first += count
      return positions
    })
  }

  const call = (...args: A): R => {
    if (activeTrace()) return fn(...args)
    const flat = flatten(args)
    const { program, unflatten } = lookup(flat, args)
    const outputs = runProgram(program, flat.leaves)
    for (const position of donate) for (const leaf of flatten(args[position]).leaves) leaf.dispose()
    return unflatten(outputs) as R
  }
  return Object.defineProperties(call, {
    compile: { value: (...args: A) => lookup(flatten(args), args).program.executable.ready },
    programs: { get: () => cache.size },
    compiled: { get: () => count },
    dispose: {
      value: () => {
        for (const { program } of cache.values()) program.executable.release()
        cache.clear()
      },
    },
  }) as Jitted<A, R>
}
