// The safetensors format: read by range, parse in memory, write atomically, convert floats.

export * from './portable'
export { openSafetensors, type FileRange, type SafetensorsFile } from './read'
export { writeSafetensors, type TensorSource } from './write'
