// The safetensors format: read by range, parse in memory, write atomically, convert floats.

export * from './portable'
export type { FileRange } from '../source'
export { openSafetensors, type SafetensorsFile } from './read'
export { writeSafetensors, type TensorSource } from './write'
