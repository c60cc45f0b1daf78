// Types of whole GGUF files, and which tensor has which type in each: the rules of llama.cpp's quantiser.
import type { DecoderConfig } from '@jora/llama'
import { blockTypes, type PackedType } from '@jora/tensor/weights'

interface FileTypeRule {
  /** llama.cpp's `llama_ftype`, which the metadata names. */
  readonly id: number
  /** The type of most matrices. */
  readonly most: PackedType
  /** The type of the head, or of an embedding that is the head too: it decides between tokens. */
  readonly head?: PackedType
  /** The type of value projections and of the MLP's way down in about half of the layers. */
  readonly more?: PackedType
  /** The type of q, k and v as one matrix. */
  readonly fusedQkv?: PackedType
}

/** By the name that llama.cpp's users know each by. */
export const fileTypes = {
  f32: { id: 0, most: 'f32' },
  f16: { id: 1, most: 'f16' },
  bf16: { id: 32, most: 'bf16' },
  q8_0: { id: 7, most: 'q8_0' },
  q6_k: { id: 18, most: 'q6_k' },
  q5_k_m: { id: 17, most: 'q5_k', head: 'q6_k', more: 'q6_k', fusedQkv: 'q6_k' },
  q4_k_m: { id: 15, most: 'q4_k', head: 'q6_k', more: 'q6_k', fusedQkv: 'q5_k' },
  q4_0: { id: 2, most: 'q4_0', head: 'q6_k' },
} as const satisfies Record<string, FileTypeRule>

/** What a GGUF file can be written as. */
export type FileType = keyof typeof fileTypes
/** All of them, the largest first. */
export const fileTypeNames = Object.keys(fileTypes) as readonly FileType[]

/** What stands for a type whose blocks are longer than a tensor's rows divide into. */
const shorter: Readonly<Partial<Record<PackedType, PackedType>>> = { q4_k: 'q5_0', q5_k: 'q5_1', q6_k: 'q8_0' }

const fits = (columns: number, type: PackedType): boolean => columns % blockTypes[type].blockElements === 0

/** The first and last eighth of `count`, and every third between. */
const isWorthMore = (index: number, count: number): boolean => {
  const eighth = Math.floor(count / 8)
  return index < eighth || index >= Math.floor((7 * count) / 8) || (index - eighth) % 3 === 2
}

/** The type that rows of any length would have. */
function wanted(
  name: string,
  fileType: FileType,
  { layers, tiedHead }: Pick<DecoderConfig, 'layers' | 'tiedHead'>,
): PackedType {
  const { most, head, more, fusedQkv }: FileTypeRule = fileTypes[fileType]
  if (name === 'output.weight' || (tiedHead && name === 'token_embd.weight')) return head ?? most
  const [, layer = '', part = ''] = /^blk\.(\d+)\.(\w+)\./.exec(name) ?? []
  if (part === 'attn_qkv') return fusedQkv ?? most
  if ((part === 'attn_v' || part === 'ffn_down') && more && isWorthMore(Number(layer), layers)) return more
  // Of the 70B models eight query heads share a value projection, which costs little and counts much.
  return part === 'attn_v' && most === 'q4_k' && layers === 80 ? 'q5_k' : most
}

/** The type of a tensor in a file of that type. Vectors are a thousandth of a model, and are computed with in float32. */
export function tensorType(
  name: string,
  shape: readonly number[],
  fileType: FileType,
  config: Pick<DecoderConfig, 'layers' | 'tiedHead'>,
): PackedType {
  if (shape.length === 1) return 'f32'
  const columns = shape.at(-1)!
  const type = wanted(name, fileType, config)
  if (fits(columns, type)) return type
  const second = shorter[type]
  return second && fits(columns, second) ? second : 'f16'
}

/** What is said of tensors that could not have the type that was asked for. */
export function fallbackNotes(
  tensors: readonly { readonly name: string; readonly type: PackedType; readonly shape: readonly number[] }[],
  fileType: FileType,
): string[] {
  const { most } = fileTypes[fileType]
  const odd = tensors.filter(({ shape }) => shape.length > 1 && !fits(shape.at(-1)!, most))
  const [first] = odd
  if (!first) return []
  const types = [...new Set(odd.map(({ type }) => type))].sort()
  return [
    `${odd.length} tensors are ${types.join(' or ')}, whose rows are not a multiple of ${blockTypes[most].blockElements} elements: ${first.name} and so on, rows of ${first.shape.at(-1)}`,
  ]
}
