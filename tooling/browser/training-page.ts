// The page of training.test.ts: trains on WebGPU.
import { openWebGpuDevice } from '@jora/tensor/webgpu'
import { train, type Outcome } from './training'

export async function run(): Promise<Outcome> {
  const device = await openWebGpuDevice()
  return train(device).finally(() => device.close())
}
