// @jora/shard: meshes of devices, how arrays are placed on them, and the partitioner. MPI is a subpath: @jora/shard/mpi.
export { Mesh, parseMesh, ShardingError } from './mesh/mesh'
export { MeshDevice, type MeshDeviceOptions } from './device/mesh-device'
export { NamedSharding, P, PartitionSpec, type DimensionSpec } from './mesh/sharding'
export { devicePut, shardedFromFile, withShardingConstraint } from './device/device-put'
export type { Communication, PlacedTensor, ProgramReport } from './device/report'
export { TransportError, type Message, type Transport } from './device/transport'
