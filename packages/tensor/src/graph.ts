// What passes and devices outside this package need: graphs, how they are traced and rewritten, what a device implements.
export type {
  CompileGraph,
  CompileOptions,
  Device,
  DeviceBuffer,
  Executable,
  FileRange,
  Mailbox,
  MemoryStats,
} from './backend/backend'
export { forgetDevice } from './backend/registry'
export {
  isOp,
  leafValue,
  makeNode,
  rewrite,
  useCounts,
  type Constant,
  type Graph,
  type Node,
  type Value,
} from './ir/graph'
export { keyOf } from './ir/key'
export {
  inferAvals,
  isCollective,
  type Aval,
  type CollectiveOp,
  type OpName,
  type OpParams,
  type ShardingSpec,
} from './ir/op'
export { printGraph, showAval } from './ir/print'
export { activeTrace, Trace, withTrace } from './ir/tracer'
export { verifyGraph } from './ir/verify'
export { simplify } from './jit/execute'
export { decompose } from './jit/passes/decompose'
export { removeCommonSubexpressions } from './jit/passes/cse'
export { cut, graphKey, type Cut, type CutStep, type Part } from './jit/passes/cut'
export { removeDeadCode } from './jit/passes/dce'
export { planMemory, type Lifetime, type MemoryPlan } from './jit/passes/memory-plan'
export { apply, applyAll } from './ops/apply'
