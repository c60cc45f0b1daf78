// The head on the CPU, in blocks of the vocabulary: the loss and gradients of the whole, in a fraction of its memory.
import { afterAll, beforeAll, expect, test } from 'vitest'
import { openCpuDevice } from '../src/backend-onnx/index'
import { openCpuPlan } from '../src/backend-onnx/planning'
import * as j from '../src/index'
import type { Device, QuantisedWeight, Tensor, Weight } from '../src/index'
import { apply } from '../src/ops/apply'
import { expectClose } from './backend/compare'
import { numbers } from './backend/reference'

let device: Device
beforeAll(async () => {
  device = await openCpuDevice({ threads: 1 })
  j.setDefaultDevice(device)
})
afterAll(async () => {
  j.setDefaultDevice(undefined)
  await device.close()
})

// Rows and width make blocks of 6,592 of the vocabulary.
const [rows, dim, vocab] = [320, 32, 20_000]
const random = (seed: number, ...shape: number[]) => j.tensor(Float32Array.from(numbers(shape, seed).data), { shape })
const labelOf = (i: number) => (i % 5 === 0 ? -1 : (i * 7919) % vocab)

const quantised = (): QuantisedWeight => ({
  codes: j.tensor(
    Uint8Array.from({ length: vocab * dim }, (_, i) => Math.imul(i + 1, 2654435761) >>> 24),
    { shape: [vocab, dim], dtype: 'u8' },
  ),
  scales: j.tensor(new Float32Array(vocab).fill(0.01), { shape: [vocab, 1] }),
  layout: { bits: 8, group: dim },
  shape: [vocab, dim],
})

const weights: [string, () => Weight][] = [
  ['floats', () => random(2, vocab, dim)],
  ['codes of 8 bits', quantised],
]

test.each(weights)('gives the loss and gradients that whole logits give: %s', async (_name, make) => {
  const [h, weight] = [random(1, rows, dim), make()]
  const labels = j.tensor(Int32Array.from({ length: rows }, (_, i) => labelOf(i)))
  const gradients = async (loss: (h: Tensor) => Tensor) => {
    const { value, grad } = j.jit((x: Tensor) => {
      const [total, gradient] = j.valueAndGrad((y: Tensor) => j.sum(j.mul(loss(y), random(4, rows))))(x)
      return { value: total, grad: gradient }
    })(h)
    return { value: await value.data(), grad: await grad.data() }
  }
  for (const softcap of [undefined, 1.5]) {
    const blocks = await gradients((x) => j.linearCrossEntropy(x, j.valuesOf(weight, 'f32'), labels, { softcap }))
    const whole = await gradients((x) => {
      const raw = j.linear(x, j.valuesOf(weight, 'f32'))
      const z = softcap === undefined ? raw : j.mul(j.tanh(j.mul(raw, 1 / softcap)), softcap)
      const has = j.le(j.full([], 0, 'i32'), labels)
      const own = j.reshape(j.gather(z, j.reshape(j.where(has, labels, 0), [rows, 1]), 1, { batchDims: 1 }), [rows])
      return j.where(has, j.sub(j.logSumExp(z), own), 0)
    })
    expectClose(blocks.value, whole.value, 1e-5, 'loss')
    expectClose(blocks.grad, whole.grad, 1e-5, 'gradient')
  }
})

test('gives the gradient of a part of the vocabulary, from the log Σ exp of all', async () => {
  const [h, w] = [random(1, rows, dim), random(2, vocab, dim)]
  const labels = j.tensor(Int32Array.from({ length: rows }, (_, i) => labelOf(i)))
  const gradient = j.jit((x: Tensor, weight: Tensor) => {
    const z = j.linear(x, weight)
    const logSum = j.logSumExp(z)
    const parts = [0, vocab / 2].map((vocabStart) =>
      apply(
        'linearCrossEntropyGradInput',
        [x, j.sliceAxis(weight, 0, vocabStart, vocabStart + vocab / 2), labels, logSum],
        {
          vocabStart,
        },
      ),
    )
    const of = (y: Tensor) => j.sum(j.linearCrossEntropy(y, weight, labels))
    return { parts: j.add(parts[0]!, parts[1]!), whole: j.grad(of)(x) }
  })(h, w)
  expectClose(await gradient.parts.data(), await gradient.whole.data(), 1e-5, 'gradient')
})

test('holds neither the logits nor the weight as floats', async () => {
  const [wide, many] = [576, 49_152]
  const peak = async (count: number) => {
    const plan = openCpuPlan()
    const put = (shape: number[], dtype: 'f32' | 'u8' | 'i32' = 'f32') =>
      j.Tensor.fromBuffer(plan.fromFile({ path: 'nowhere', offset: 0, length: 0 }, { shape, dtype }))
    const weight: QuantisedWeight = {
      codes: put([many, wide / 2], 'u8'),
      scales: put([many, wide / 32]),
      layout: { bits: 4, group: 32 },
      shape: [many, wide],
    }
    const loss = (h: Tensor, labels: Tensor) => j.sum(j.linearCrossEntropy(h, j.valuesOf(weight, 'f32'), labels))
    const inputs = [put([count, wide]), put([count], 'i32')] as const
    j.jit((h: Tensor, labels: Tensor) => j.grad((x: Tensor) => loss(x, labels))(h))(...inputs)
    const { peakBytes } = await plan.memory()
    return peakBytes
  }
  const [none, some] = [await peak(1), await peak(512)]
  // Two blocks of logits, one of the weight, and sums; whole, the logits of 512 rows are 101 MB and the weight 113 MB.
  expect(some - none).toBeLessThan(45e6)
  expect(none).toBeLessThan(130e6 + (many * wide) / 2 + (many * wide) / 8 + 40e6)
})
