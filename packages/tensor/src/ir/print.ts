// Prints a graph so that it can be read: one node a line, grouped by scope.
import type { DType } from '../dtype'
import type { Graph, Node, Value } from './graph'
import type { Aval } from './op'

/** An aval as messages and printed graphs write it: `f32[2,3]`. */
export const showAval = ({ dtype, shape }: { dtype: DType; shape: readonly number[] }): string =>
  `${dtype}[${shape.join(',')}]`

function showParam(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(showParam).join(',')}]`
  if (typeof value === 'object' && value !== null)
    return `{${Object.entries(value)
      .map(([key, inner]) => `${key}=${showParam(inner)}`)
      .join(',')}}`
  return typeof value === 'number' && !Number.isInteger(value) ? String(Number(value.toPrecision(6))) : String(value)
}

/** Parameters of which zero goes without saying. */
const silentZero = new Set(['batchDims'])

function showNode(node: Node, name: (value: Value) => string): string {
  const params = Object.entries(node.params)
    .filter(([key, value]) => value !== false && !(key === 'shape' && node.op !== 'full' && node.op !== 'iota'))
    .filter(([key, value]) => key !== 'dtype' && !(value === 0 && silentZero.has(key)))
    .map(([key, value]) => (value === true ? key : `${key}=${showParam(value)}`))
  const outputs = node.outputs.map((v) => `${name(v)}:${showAval(v.aval)}`).join(', ')
  const args = [...node.inputs.map(name), ...params].join(', ')
  return `${outputs} = ${node.op}(${args})`
}

/** What to call a constant: its tensor's label when it has one (a weight's name). */
function constantName(tensor: unknown, index: number): string {
  const label = typeof tensor === 'object' && tensor !== null && 'label' in tensor ? tensor.label : undefined
  return typeof label === 'string' && label !== '' ? label : `c${index}`
}

/**
 * Readable text of `graph`. Scalars made by `full` are inline; values are numbered in order; a comment line opens
 * each scope.
 */
export function printGraph(graph: Graph): string {
  const names = new Map<Value, string>()
  const typed = (value: Value, aval: Aval) => `${names.get(value)}:${showAval(aval)}`
  graph.inputs.forEach((value, i) => names.set(value, `x${i}`))
  graph.constants.forEach(({ value, tensor }, i) => names.set(value, constantName(tensor, i)))
  let count = 0
  const lines: string[] = []
  let scope = ''
  for (const node of graph.nodes) {
    if (node.op === 'full') {
      const { shape, value } = node.params as { shape: readonly number[]; value: number }
      names.set(
        node.outputs[0]!,
        shape.length === 0 ? showParam(value) : `full(${showParam(value)}, [${shape.join(',')}])`,
      )
      continue
    }
    if (node.scope !== scope) lines.push(`  # ${(scope = node.scope) || '(top)'}`)
    for (const value of node.outputs) names.set(value, `v${count++}`)
    lines.push(`  ${showNode(node, (v) => names.get(v) ?? '?')}`)
  }
  const inputs = graph.inputs.map((value) => typed(value, value.aval)).join(', ')
  const constants = graph.constants.map(({ value }) => `  const ${typed(value, value.aval)}`)
  return [
    `graph(${inputs}) {`,
    ...constants,
    ...lines,
    `  return ${graph.outputs.map((v) => names.get(v) ?? '?').join(', ')}`,
    '}',
  ].join('\n')
}
