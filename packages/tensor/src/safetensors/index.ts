// The safetensors format: read by range, parse in memory, write atomically, convert floats.

export { fromSafetensorsDType, safetensorsBits, toSafetensorsDType, type SafetensorsDType } from './dtypes'
export { SafetensorsError, type SafetensorsErrorCode } from './error'
export { decodeFloats, encodeFloats, floatBytes, isFloatDType, type FloatDType } from './floats'
export { parseHeader, type SafetensorsHeader, type TensorInfo } from './header'
export { parseSafetensors, type SafetensorsBytes } from './parse'
export { openSafetensors, type FileRange, type SafetensorsFile } from './read'
export { serializeSafetensors, writeSafetensors, type SafetensorsEntry, type TensorSource } from './write'
