// What lowering knows of an adapter: limits, features and which family of kernels suits it.

/** One size of the adapter's matrix units: f16 in, f32 out. */
export interface MatrixUnit {
  readonly m: number
  readonly n: number
  readonly k: number
}

/** Everything that decides how a graph is lowered. Plain data: programs can be planned for an adapter that is not here. */
export interface GpuProfile {
  readonly name: string
  /** Software adapters run invocations on CPU cores: registers are fast there, workgroup memory is not. */
  readonly software: boolean
  /** Whether its driver compiles kernels for CPU cores, whatever family of kernels is chosen. */
  readonly compilesForCpu: boolean
  /** Whether kernels may hold and write f16 (`shader-f16`). f16 files can be read without. */
  readonly f16: boolean
  /** Lanes of a subgroup where it is the same for every kernel; 0 when unknown. */
  readonly subgroupSize: number
  /** f16→f32 matrix units, the preferred size first. */
  readonly matrixUnits: readonly MatrixUnit[]
  readonly maxBindingBytes: number
  readonly maxBufferBytes: number
  readonly maxStorageBuffers: number
  readonly maxWorkgroupsPerDimension: number
  readonly maxWorkgroupBytes: number
  /** Invocations of one workgroup. */
  readonly maxWorkgroupLanes: number
  readonly offsetAlignment: number
}

/** An NVIDIA data-centre card as Dawn on Vulkan describes it: what `jora estimate` plans for when no GPU is at hand. */
export const referenceGpu: GpuProfile = {
  name: 'reference GPU (16-bit, matrix units)',
  software: false,
  compilesForCpu: false,
  f16: true,
  subgroupSize: 32,
  matrixUnits: [{ m: 16, n: 16, k: 16 }],
  maxBindingBytes: 2 ** 31,
  maxBufferBytes: 2 ** 32 - 4,
  maxStorageBuffers: 16,
  maxWorkgroupsPerDimension: 65535,
  maxWorkgroupBytes: 49152,
  maxWorkgroupLanes: 1024,
  offsetAlignment: 256,
}
