// @jora/shard/open, for Node: opens every device by name, one or a mesh of them, in one process or in a job of several.
export { DeviceError } from './error'
export { openDevice, type DeviceName, type DeviceOptions } from './open-device'
export { openMesh, type Launcher, type MeshOptions } from './open-mesh'
