// checkpoint: trades memory for time by computing a function's values again in the backward pass.
import { activeTrace } from '../ir/tracer'
import type { Tree } from '../tree'

/**
 * The same function, of which the backward pass keeps only the inputs: everything between is recomputed when its
 * gradient is needed (Chen et al. 2016; JAX's `checkpoint`). Within another checkpointed function it is simply part of it.
 */
export function checkpoint<A extends readonly Tree[], R extends Tree>(fn: (...args: A) => R): (...args: A) => R {
  return (...args) => {
    const trace = activeTrace()
    if (!trace || trace.region !== 0) return fn(...args)
    trace.region = trace.newRegion()
    try {
      return fn(...args)
    } finally {
      trace.region = 0
    }
  }
}
