// Applying an op: recorded while a trace is active, else compiled as a graph of one node and run at once.
import { fail } from '../errors'
import { Trace, activeTrace } from '../ir/tracer'
import { keyOf } from '../ir/key'
import type { OpName, OpParams } from '../ir/op'
import { showAval } from '../ir/print'
import { compileGraph, runProgram, type Program } from '../jit/execute'
import type { Device } from '../backend/backend'
import { defaultDevice } from '../backend/registry'
import { tensor, Tensor } from '../tensor'

const eagerPrograms = new WeakMap<Device, Map<string, Program>>()

function runEagerly<K extends OpName>(op: K, inputs: readonly Tensor[], params: OpParams[K]): Tensor[] {
  const device = inputs[0]?.buffer.device ?? defaultDevice()
  let programs = eagerPrograms.get(device)
  if (!programs) eagerPrograms.set(device, (programs = new Map()))
  const key = `${op}(${inputs.map((t) => showAval(t.aval)).join(',')})${keyOf(params)}`
  let program = programs.get(key)
  if (!program) {
    const trace = new Trace()
    const outputs = trace.record(
      op,
      inputs.map((t) => trace.addInput(t.aval)),
      params,
    )
    programs.set(key, (program = compileGraph(trace.finish(outputs), inputs)))
  }
  return runProgram(program, inputs)
}

/**
 * Applies `op` and returns all its outputs: recorded while a function is traced, computed at once otherwise.
 * @throws TensorError when the inputs do not fit the op, or a traced tensor is used after its trace
 */
export function applyAll<K extends OpName>(op: K, inputs: readonly Tensor[], params: OpParams[K]): Tensor[] {
  const trace = activeTrace()
  if (trace) return trace.record(op, inputs, params)
  const leaked = inputs.find((t) => t.traced)
  if (leaked) fail(op, `a traced ${showAval(leaked.aval)} is used outside the function that was traced`)
  return runEagerly(op, inputs, params)
}

/**
 * Applies an op of one output.
 * @throws TensorError as {@link applyAll} does
 */
export function apply<K extends OpName>(op: K, inputs: readonly Tensor[], params: OpParams[K]): Tensor {
  return applyAll(op, inputs, params)[0] ?? fail(op, 'has no output')
}

/** What ops accept where a tensor is expected: numbers become scalars of the other operand's dtype. */
export type TensorLike = Tensor | number

/** `value` as a tensor: a scalar of `like`'s dtype when it is a number. */
export function lift(value: TensorLike, like: Tensor): Tensor {
  if (value instanceof Tensor) return value
  if (activeTrace()) return apply('full', [], { shape: [], dtype: like.dtype, value })
  return like.dtype === 'f16' || like.dtype === 'bf16'
    ? apply('full', [], { shape: [], dtype: like.dtype, value })
    : tensor(value, { dtype: like.dtype, device: like.buffer.device })
}
