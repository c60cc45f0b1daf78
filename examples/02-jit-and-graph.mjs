// @ts-check
// What jit sees: the graph of one attention head, the graph of its gradient, and one program a shape.
import * as t from '@jora/tensor'
import { openCpuDevice } from '@jora/tensor/onnx'

t.setDefaultDevice(await openCpuDevice({ threads: 1 }))

const weight = t.tensor(Float32Array.of(0.5, 0, 0, 0.5), { shape: [2, 2], label: 'weight' })

/** One head over x `[seq, 2]`, summed to a scalar. Scopes name the parts in the printed graph. */
function head(/** @type {t.Tensor} */ x) {
  const [seq = 0] = x.shape
  const h = t.scope('project', () => t.reshape(t.linear(x, weight), [1, 1, seq, 2]))
  const mixed = t.scope('attention', () => t.attention(h, h, h))
  return t.sum(t.add(t.reshape(mixed, [seq, 2]), x))
}

const three = t.tensor(Float32Array.of(1, 2, 3, 4, 5, 6), { shape: [3, 2] })
console.log(t.printGraph(t.makeGraph(head)(three)))

// grad is graph → graph: the nodes above, then those that compute cotangents.
console.log(t.printGraph(t.makeGraph(t.grad(head))(three)))

const run = t.jit(head)
console.log(await run(three).item(), await run(three).item()) // the second call replays the program of the first
const one = t.tensor(Float32Array.of(1, 2), { shape: [1, 2] })
console.log(await run(one).item(), `programs: ${run.programs}`) // another shape, another program
