// A head cut along the vocabulary: what two halves give, combined by hand, is what the whole gives.
import { afterAll, beforeAll, expect, test } from 'vitest'
import { openCpuDevice } from '../src/backend-onnx/index'
import * as j from '../src/index'
import type { Tensor } from '../src/index'
import { apply, applyAll } from '../src/ops/apply'
import { expectClose } from './backend/compare'
import { numbers } from './backend/reference'

let device: j.Device
beforeAll(async () => {
  device = await openCpuDevice({ threads: 1 })
  j.setDefaultDevice(device)
})
afterAll(async () => {
  j.setDefaultDevice(undefined)
  await device.close()
})

const [rows, dim, vocab] = [6, 4, 10]
const random = (seed: number, ...shape: number[]) => j.tensor(Float32Array.from(numbers(shape, seed).data), { shape })

test.each([{}, { softcap: 0.8 }])('two halves of a vocabulary make the whole: %j', async (params) => {
  const labels = j.tensor(Int32Array.of(0, 4, -1, 5, 9, 3))
  const [h, w, g] = [random(1, rows, dim), random(2, vocab, dim), random(3, rows)]

  const whole = j.jit((hidden: Tensor, weight: Tensor, cotangent: Tensor) => {
    const [loss, logSum, dh] = applyAll('linearCrossEntropy', [hidden, weight, labels], params) as Tensor[]
    const inputs = [hidden, weight, labels, logSum!, cotangent]
    return { loss: loss!, dh: dh!, dw: apply('linearCrossEntropyGradWeight', inputs, params) }
  })(h, w, g)

  const parts = j.jit((hidden: Tensor, weight: Tensor, cotangent: Tensor) => {
    const halves = [0, vocab / 2].map((vocabStart) => {
      const part = j.sliceAxis(weight, 0, vocabStart, vocabStart + vocab / 2)
      const [loss, logSum] = applyAll('linearCrossEntropy', [hidden, part, labels], { ...params, vocabStart }) as [
        Tensor,
        Tensor,
      ]
      return { vocabStart, part, logSum, label: j.sub(logSum, loss) }
    })
    const [a, b] = halves as [(typeof halves)[number], (typeof halves)[number]]
    const top = j.maximum(a.logSum, b.logSum)
    const total = j.add(j.exp(j.sub(a.logSum, top)), j.exp(j.sub(b.logSum, top)))
    const logSum = j.add(top, j.log(total))
    const loss = j.where(j.ge(labels, j.full([], 0, 'i32')), j.sub(logSum, j.add(a.label, b.label)), 0)
    const grads = halves.map(({ vocabStart, part }) => {
      const inputs = [hidden, part, labels, logSum, cotangent]
      return {
        dh: apply('linearCrossEntropyGradInput', inputs.slice(0, 4), { ...params, vocabStart }),
        dw: apply('linearCrossEntropyGradWeight', inputs, { ...params, vocabStart }),
      }
    })
    return { loss, dh: j.add(grads[0]!.dh, grads[1]!.dh), dw: j.concat(grads.map(({ dw }) => dw)) }
  })(h, w, g)

  for (const name of ['loss', 'dh', 'dw'] as const)
    expectClose(await parts[name].data(), await whole[name].data(), 1e-6, name)
  expect((await parts.loss.data())[2]).toBe(0)
})
