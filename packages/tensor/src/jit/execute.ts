// Compiling a traced graph for a device and running it on concrete tensors.
import type { CompileOptions, Device, Executable } from '../backend/backend'
import { defaultDevice } from '../backend/registry'
import { fail } from '../errors'
import type { Graph } from '../ir/graph'
import { showAval } from '../ir/print'
import { Tensor } from '../tensor'
import { removeCommonSubexpressions } from './passes/cse'
import { removeDeadCode } from './passes/dce'

/** A graph compiled for one device, with the tensors bound to its constants kept alive. */
export interface Program {
  /** Shape and dtype of each input. */
  readonly inputs: readonly string[]
  readonly constants: readonly Tensor[]
  readonly device: Device
  readonly executable: Executable
}

/** The passes every graph goes through before a backend sees it. */
export const simplify = <T>(graph: Graph<T>): Graph<T> => removeDeadCode(removeCommonSubexpressions(graph))

function deviceOf(tensors: readonly Tensor[]): Device {
  const first = tensors[0]
  if (!first) return defaultDevice()
  const { device } = first.buffer
  for (const t of tensors)
    if (t.buffer.device !== device)
      fail('jit', `inputs are on different devices: ${device.name} and ${t.buffer.device.name}`)
  return device
}

export function compileGraph(traced: Graph<Tensor>, inputs: readonly Tensor[], options: CompileOptions = {}): Program {
  const graph = simplify(traced)
  const device = deviceOf([...inputs, ...graph.constants.map((c) => c.tensor)])
  // The graph is not kept: a device has read it, and those of many shapes would add up.
  return {
    inputs: graph.inputs.map(({ aval }) => showAval(aval)),
    constants: graph.constants.map(({ tensor }) => tensor),
    device,
    executable: device.compile(graph, { ...options, inputs: inputs.map((t) => t.buffer) }),
  }
}

/**
 * Queues a run. The outputs are handles that can be used at once; errors surface when one is read.
 * @throws TensorError when an input is not what the program was compiled for, or a constant of it was disposed
 */
export function runProgram({ inputs: expected, constants, executable }: Program, inputs: readonly Tensor[]): Tensor[] {
  for (const tensor of constants)
    if (tensor.disposed)
      fail(
        'jit',
        `the program uses ${tensor.label || `a ${showAval(tensor.aval)}`}, which was disposed since it was compiled`,
      )
  inputs.forEach((t, i) => {
    const own = showAval(t.aval)
    if (own !== expected[i]) fail('jit', `input ${i} is ${own}, expected ${expected[i] ?? 'nothing'}`)
  })
  return executable.run(inputs.map((t) => t.buffer)).map((buffer) => Tensor.fromBuffer(buffer))
}
