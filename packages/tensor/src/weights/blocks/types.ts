// Element types of ggml: what a GGUF file's tensors are stored as, and which of them JORA unpacks and writes.

/** A type's number in ggml, and how many bytes hold how many elements of a row. */
interface BlockLayout {
  readonly id: number
  readonly blockElements: number
  readonly blockBytes: number
}

/** The types that are unpacked, by their name in ggml. */
export const blockTypes = {
  f32: { id: 0, blockElements: 1, blockBytes: 4 },
  f16: { id: 1, blockElements: 1, blockBytes: 2 },
  q4_0: { id: 2, blockElements: 32, blockBytes: 18 },
  q4_1: { id: 3, blockElements: 32, blockBytes: 20 },
  q5_0: { id: 6, blockElements: 32, blockBytes: 22 },
  q5_1: { id: 7, blockElements: 32, blockBytes: 24 },
  q8_0: { id: 8, blockElements: 32, blockBytes: 34 },
  q2_k: { id: 10, blockElements: 256, blockBytes: 84 },
  q3_k: { id: 11, blockElements: 256, blockBytes: 110 },
  q4_k: { id: 12, blockElements: 256, blockBytes: 144 },
  q5_k: { id: 13, blockElements: 256, blockBytes: 176 },
  q6_k: { id: 14, blockElements: 256, blockBytes: 210 },
  iq4_nl: { id: 20, blockElements: 32, blockBytes: 18 },
  iq4_xs: { id: 23, blockElements: 256, blockBytes: 136 },
  bf16: { id: 30, blockElements: 1, blockBytes: 2 },
} as const satisfies Record<string, BlockLayout>

/** An element type whose rows can be unpacked to float32. */
export type BlockType = keyof typeof blockTypes

/** The types that float32 rows can also be packed into. */
export const packedTypes = [
  'f32',
  'f16',
  'q4_0',
  'q5_0',
  'q5_1',
  'q8_0',
  'q4_k',
  'q5_k',
  'q6_k',
  'bf16',
] as const satisfies readonly BlockType[]
/** A block type that floats can be packed into. */
export type PackedType = (typeof packedTypes)[number]

/** Bytes of `count` elements, whole blocks of them. */
export const blockBytesOf = (type: BlockType, count: number): number =>
  (count / blockTypes[type].blockElements) * blockTypes[type].blockBytes

/** ggml's other types, so that a file which has one can be refused by its name. */
const otherTypes: Readonly<Record<number, string>> = {
  9: 'Q8_1',
  15: 'Q8_K',
  16: 'IQ2_XXS',
  17: 'IQ2_XS',
  18: 'IQ3_XXS',
  19: 'IQ1_S',
  21: 'IQ3_S',
  22: 'IQ2_S',
  24: 'I8',
  25: 'I16',
  26: 'I32',
  27: 'I64',
  28: 'F64',
  29: 'IQ1_M',
  34: 'TQ1_0',
  35: 'TQ2_0',
  39: 'MXFP4',
}

const typeById = new Map(Object.entries(blockTypes).map(([name, { id }]) => [id as number, name as BlockType]))

/** The type with ggml's number `id`; undefined for one that is not unpacked. */
export const blockTypeOf = (id: number): BlockType | undefined => typeById.get(id)

/** What to call a type that is not unpacked, for an error. */
export const unreadType = (id: number): string => {
  const name = otherTypes[id]
  return name === undefined ? `element type ${id}, which is unknown` : `element type ${name}`
}
