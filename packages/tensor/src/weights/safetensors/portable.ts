// The part of @jora/tensor/safetensors that runs in a page too: everything about bytes, nothing about files.

export {
  fromSafetensorsDType,
  isSafetensorsDType,
  safetensorsBits,
  tensorBytes as safetensorsBytes,
  toSafetensorsDType,
  type SafetensorsDType,
} from './dtypes'
export { SafetensorsError, type SafetensorsErrorCode } from './error'
export { decodeFloats, encodeFloats, floatBytes, isFloatDType, type FloatDType } from './floats'
export { parseHeader, type SafetensorsHeader, type TensorInfo } from './header'
export { parseSafetensors, type SafetensorsBytes } from './parse'
export { serializeSafetensors, type SafetensorsEntry } from './serialize'
