// Which device is the default one.
import { availableParallelism } from 'node:os'
import { afterEach, expect, test } from 'vitest'
import { openCpuDevice, threadsGiven } from '../backend-onnx/index'
import { openDefaultDevice, setDefaultDevice } from './registry'

const given = process.env.OMP_NUM_THREADS
afterEach(() => {
  setDefaultDevice(undefined)
  if (given === undefined) delete process.env.OMP_NUM_THREADS
  else process.env.OMP_NUM_THREADS = given
})

test('a device that is closed is the default no longer, and one that is not the default takes it from none', async () => {
  const [first, second] = [await openCpuDevice({ threads: 1 }), await openCpuDevice({ threads: 1 })]
  setDefaultDevice(first)
  await second.close()
  expect(openDefaultDevice()).toBe(first)
  await first.close()
  expect(openDefaultDevice()).toBeUndefined()
})

test('a CPU device has as many threads as OMP_NUM_THREADS says, and says so in its name', async () => {
  process.env.OMP_NUM_THREADS = '5,2'
  expect(threadsGiven()).toBe(5)
  process.env.OMP_NUM_THREADS = '3'
  const device = await openCpuDevice()
  expect(device.name).toMatch(/, 3 threads$/)
  await device.close()
  for (const no of ['', '0', '-1', '1.5', 'many']) {
    process.env.OMP_NUM_THREADS = no
    expect(threadsGiven(), no).toBe(availableParallelism())
  }
})
