// @ts-check
// Gradients: fit a line to five points by plain gradient descent.
import { add, jit, mean, mul, setDefaultDevice, square, sub, tensor, treeMap, valueAndGrad } from '@jora/tensor'
import { openCpuDevice } from '@jora/tensor/onnx'

setDefaultDevice(await openCpuDevice({ threads: 1 }))

const x = tensor([0, 1, 2, 3, 4])
const y = tensor([1, 3, 5, 7, 9]) // y = 2x + 1

/** @typedef {{ slope: import('@jora/tensor').Tensor, offset: import('@jora/tensor').Tensor }} Line */

// A pure function of a tree of tensors. x and y are closed over: they become constants of the program.
const loss = (/** @type {Line} */ line) => mean(square(sub(add(mul(line.slope, x), line.offset), y)))

// Loss, gradient and update are one traced program, compiled once and replayed.
const step = jit((/** @type {Line} */ line) => {
  const [value, gradient] = valueAndGrad(loss)(line)
  return { value, line: treeMap((p, g) => sub(p, mul(g, 0.1)), line, gradient) }
})

/** @type {Line} */
let line = { slope: tensor(0), offset: tensor(0) }
for (let i = 0; i <= 100; i++) {
  const next = step(line)
  if (i % 25 === 0) console.log(`step ${i}: loss ${(await next.value.item()).toFixed(6)}`)
  line = next.line
}
console.log(`slope ${(await line.slope.item()).toFixed(2)}, offset ${(await line.offset.item()).toFixed(2)}`)
console.log(`compiled ${step.programs} program`)
