// Adapters: which there are, what they can do, and the profile that lowering sees of each.
import type { GpuProfile, MatrixUnit } from './profile'

/** What one adapter is and can do. */
export interface AdapterDescription {
  /** The product's name where the platform tells it, else the driver's description. */
  readonly name: string
  readonly vendor: string
  readonly architecture: string
  readonly description: string
  /** Runs on CPU cores (lavapipe, SwiftShader, WARP). */
  readonly software: boolean
  readonly features: readonly string[]
  readonly limits: Readonly<Record<string, number>>
  readonly profile: GpuProfile
}

/** Dawn's name for matrix units in WGSL. */
const matrixFeature = 'chromium-experimental-subgroup-matrix'

interface SubgroupMatrixConfig {
  readonly componentType: string
  readonly resultComponentType: string
  readonly M: number
  readonly N: number
  readonly K: number
}

function matrixUnits(info: AdapterFacts['info'], features: ReadonlySet<string>): MatrixUnit[] {
  if (!features.has(matrixFeature) || !features.has('shader-f16')) return []
  const configs = (info as { subgroupMatrixConfigs?: readonly SubgroupMatrixConfig[] }).subgroupMatrixConfigs ?? []
  return [...configs]
    .filter((c) => c.componentType === 'f16' && c.resultComponentType === 'f32')
    .map((c) => ({ m: c.M, n: c.N, k: c.K }))
    .sort((a, b) => b.m * b.n * b.k - a.m * a.n * a.k)
}

/** Names of drivers that run on the CPU, where an adapter does not say so itself. */
const softwareNames = /llvmpipe|lavapipe|swiftshader|warp|basic render/i

/** Names that the platform told beside the adapter: what Vulkan calls the description is the driver's version. */
const names = new WeakMap<object, string>()

/** From now on `adapter` is described by `name`. */
export function nameAdapter(adapter: GPUAdapter, name: string): GPUAdapter {
  names.set(adapter, name)
  return adapter
}

/** What an adapter says of itself. */
export interface AdapterFacts {
  readonly info: Omit<GPUAdapterInfo, '__brand'>
  readonly features: ReadonlySet<string>
  readonly limits: Omit<GPUSupportedLimits, '__brand'>
}

/** What an adapter is, without opening it; `named` where its name is told beside it. */
export function describeAdapter(adapter: GPUAdapter | AdapterFacts, named?: string): AdapterDescription {
  const { info } = adapter
  const features = new Set<string>(adapter.features)
  const limits: Record<string, number> = {}
  for (const key in adapter.limits) {
    const value = (adapter.limits as unknown as Record<string, unknown>)[key]
    if (typeof value === 'number') limits[key] = value
  }
  const told = info.description || info.device || [info.vendor, info.architecture].filter(Boolean).join(' ')
  const name = named ?? names.get(adapter) ?? (told || 'GPU')
  const fallback = (info as { isFallbackAdapter?: boolean }).isFallbackAdapter === true
  const software = fallback || softwareNames.test(`${name} ${info.device} ${info.architecture}`)
  const [smallest = 0, largest = 0] = [info.subgroupMinSize, info.subgroupMaxSize]
  const profile: GpuProfile = {
    name,
    software,
    compilesForCpu: software,
    f16: features.has('shader-f16'),
    subgroupSize: features.has('subgroups') && smallest === largest ? smallest : 0,
    matrixUnits: matrixUnits(info, features),
    maxBindingBytes: adapter.limits.maxStorageBufferBindingSize,
    maxBufferBytes: adapter.limits.maxBufferSize,
    maxStorageBuffers: adapter.limits.maxStorageBuffersPerShaderStage,
    maxWorkgroupsPerDimension: adapter.limits.maxComputeWorkgroupsPerDimension,
    maxWorkgroupBytes: adapter.limits.maxComputeWorkgroupStorageSize,
    maxWorkgroupLanes: adapter.limits.maxComputeInvocationsPerWorkgroup,
    offsetAlignment: adapter.limits.minStorageBufferOffsetAlignment,
  }
  return {
    name,
    vendor: info.vendor,
    architecture: info.architecture,
    description: info.description,
    software,
    features: [...features].sort(),
    limits,
    profile,
  }
}

const wantedFeatures = ['shader-f16', 'subgroups', matrixFeature]

/** Opens the adapter with all of its own limits. An adapter can be opened once. */
export async function openAdapter(adapter: GPUAdapter): Promise<{ device: GPUDevice; adapter: AdapterDescription }> {
  const description = describeAdapter(adapter)
  const requiredLimits: Record<string, number> = {}
  for (const limit of [
    'maxStorageBufferBindingSize',
    'maxBufferSize',
    'maxStorageBuffersPerShaderStage',
    'maxComputeWorkgroupsPerDimension',
    'maxComputeWorkgroupStorageSize',
    'maxComputeInvocationsPerWorkgroup',
    'maxComputeWorkgroupSizeX',
  ])
    requiredLimits[limit] = description.limits[limit]!
  const requiredFeatures = wantedFeatures.filter((f) => adapter.features.has(f)) as GPUFeatureName[]
  const device = await adapter.requestDevice({ requiredFeatures, requiredLimits })
  return { device, adapter: description }
}

/** Why an adapter cannot run JORA's kernels, or undefined. */
export function missingFrom({ limits, name }: AdapterDescription): string | undefined {
  const floor = {
    maxStorageBuffersPerShaderStage: 10,
    maxComputeInvocationsPerWorkgroup: 256,
    maxComputeWorkgroupStorageSize: 16384,
    maxStorageBufferBindingSize: 2 ** 27,
  }
  for (const [limit, least] of Object.entries(floor))
    if ((limits[limit] ?? 0) < least)
      return `${name} offers ${limit} ${limits[limit] ?? 0}, at least ${least} is needed`
  return undefined
}

/** The first of `adapters` that is no software and can run JORA's kernels. */
export const firstGpu = (adapters: readonly AdapterDescription[]): AdapterDescription | undefined =>
  adapters.find((adapter) => !adapter.software && missingFrom(adapter) === undefined)
