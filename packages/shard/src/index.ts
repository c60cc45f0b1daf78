// @jora/shard: meshes of devices, how arrays lie on them, and the partitioner. MPI is a subpath: @jora/shard/mpi.
export { Mesh, parseMesh, ShardingError } from './mesh'
export { MeshDevice, type MeshDeviceOptions } from './mesh-device'
export { NamedSharding, P, PartitionSpec, type DimensionSpec } from './sharding'
export { devicePut, shardedFromFile, withShardingConstraint } from './device-put'
export type { Communication, PlacedTensor, ProgramReport } from './report'
export { TransportError, type Message, type Transport } from './transport'
