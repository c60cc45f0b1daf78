// Where a model's weights come from, whatever the format of its files.
import type { BlockType } from './blocks/types'
import type { SafetensorsDType } from './safetensors/dtypes'

/** Where a tensor's bytes are on disk. */
export interface FileRange {
  /** The real file, symbolic links resolved: ONNX Runtime refuses links that leave its folder, as the Hub cache's do. */
  readonly path: string
  /** Bytes from the start of the file. */
  readonly offset: number
  /** In bytes. */
  readonly length: number
}

/** Element types that a weight can be stored in: those of safetensors, and ggml's blocks. */
export type WeightType = SafetensorsDType | Exclude<BlockType, 'f32' | 'f16' | 'bf16'>

/** A weight, in its file. */
export interface WeightEntry {
  readonly shape: readonly number[]
  readonly type: WeightType
  /** The file, for errors. */
  readonly file: string
}

/** The weights of a model by their Hugging Face names. Close it when done (or declare it with `await using`). */
export interface WeightSource extends AsyncDisposable {
  readonly entries: ReadonlyMap<string, WeightEntry>
  /**
   * Bytes `from` (included) to `to` (excluded) of the weight's rows as they are stored; all of them when both are absent. Of
   * blocks, whole ones. They are in a new array, or at the start of `into`, which whoever reads a large weight in parts gives
   * again and again, where they are a file's own and there is room.
   */
  read(name: string, from?: number, to?: number, into?: Uint8Array): Promise<Uint8Array>
  /** Where its bytes are in a file, for a device to map; undefined where they are made from what a file holds. */
  range?(name: string): FileRange | undefined
}
