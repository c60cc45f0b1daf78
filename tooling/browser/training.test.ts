// LoRA on WebGPU in a headless browser: losses, gradient norms and the adapter are those of the CPU in Node.
import { expect, test } from 'vitest'
import { openCpuDevice } from '@jora/tensor/onnx'
import { decodeFloats, parseSafetensors } from '@jora/tensor/safetensors'
import { hasChromium, needsChromium, runInPage } from './chromium'
import { train, type Outcome } from './training'

/** How far apart two adapters are, over the length of the second. */
function distance(a: Uint8Array, b: Uint8Array): number {
  const [ours, theirs] = [parseSafetensors(a), parseSafetensors(b)]
  expect([...ours.tensors.keys()]).toEqual([...theirs.tensors.keys()])
  let [apart, length] = [0, 0]
  for (const name of theirs.tensors.keys()) {
    const [x, y] = [decodeFloats(ours.read(name), 'F32'), decodeFloats(theirs.read(name), 'F32')]
    x.forEach((value, i) => {
      apart += (value - y[i]!) ** 2
      length += y[i]! ** 2
    })
  }
  return Math.sqrt(apart / length)
}

test('five steps in a page', async (ctx) => {
  ctx.skip(!(await hasChromium()), needsChromium)
  const device = await openCpuDevice({ threads: 1 })
  const onCpu = await train(device).finally(() => device.close())
  const inPage = await runInPage<Outcome>(`export * from './training-page'`)
  expect(inPage.losses).toHaveLength(5)
  onCpu.losses.forEach((loss, i) =>
    expect(Math.abs(inPage.losses[i]! / loss - 1), `loss of step ${i + 1}`).toBeLessThan(1e-4),
  )
  onCpu.gradNorms.forEach((norm, i) =>
    expect(Math.abs(inPage.gradNorms[i]! / norm - 1), `gradient norm of step ${i + 1}`).toBeLessThan(1e-3),
  )
  expect(distance(inPage.adapter, onCpu.adapter)).toBeLessThan(1e-3)
})
