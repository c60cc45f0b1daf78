// The part of @jora/tensor/weights that runs in a page too: everything about bytes, nothing about files.

export { decodeRows } from './blocks/unpack'
export { codesOfRows, hasMinima, layoutOf, packNibbles, type Codes } from './blocks/layouts'
export {
  bytesLayout,
  bytesOfRows,
  quantisedLayout,
  quantisedValues,
  quantiseRows,
  settleScales,
  type Quantisation,
} from './blocks/quantise'
export { encodeRows } from './blocks/pack'
export { blockBytesOf, blockTypes, packedTypes, type BlockType, type PackedType } from './blocks/types'
export {
  aligned,
  bool,
  f32,
  f32s,
  GgufError,
  i32s,
  magic,
  string,
  strings,
  u32,
  valueTypes,
  version,
  type GgufTensorInfo,
  type GgufValue,
  type Metadata,
} from './gguf/format'
export { parseGgufHeader, type GgufHeader } from './gguf/parse'
export { allFinite } from './finite'
export type { FileRange, WeightEntry, WeightSource, WeightType } from './source'
