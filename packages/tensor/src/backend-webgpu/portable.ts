// @jora/tensor/webgpu in a page: devices through navigator.gpu.
import { describeAdapter, type AdapterDescription } from './device/adapters'
import { openOnAdapter, type WebGpuDevice } from './device/device'
import type { WebGpuDeviceOptions } from './device/platform'

export type { AdapterDescription } from './device/adapters'
export type { WebGpuDevice } from './device/device'
export type { WebGpuDeviceOptions } from './device/platform'
export { openPlanningDevice, type PlanningDevice } from './device/planning'
export { referenceGpu, type GpuProfile, type MatrixUnit } from './device/profile'

/** How to open the browser's adapter. */
export type OpenWebGpuOptions = WebGpuDeviceOptions

async function requestAdapter(): Promise<GPUAdapter | undefined> {
  const { navigator } = globalThis as { navigator?: { gpu?: GPU } }
  return (await navigator?.gpu?.requestAdapter({ powerPreference: 'high-performance' })) ?? undefined
}

/**
 * Opens a WebGPU device on the adapter that the browser prefers.
 * @throws when the page has no WebGPU or no adapter, or the adapter's limits are too small
 */
export async function openWebGpuDevice(options: OpenWebGpuOptions = {}): Promise<WebGpuDevice> {
  const adapter = await requestAdapter()
  if (!adapter) throw new Error('WebGPU: this page has no adapter; the browser may be too old or the GPU blocked')
  return openOnAdapter(adapter, {}, options)
}

/** The adapter that `openWebGpuDevice` would open, or undefined when there is none. */
export async function findAdapter(): Promise<AdapterDescription | undefined> {
  const adapter = await requestAdapter()
  return adapter && describeAdapter(adapter)
}
