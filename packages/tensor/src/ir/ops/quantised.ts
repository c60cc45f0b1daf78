// Quantised weights: small integer codes with a scale, and perhaps a minimum, for each group of neighbours in a row.
import { fail } from '../../errors'
import { showShape } from '../../shape'
import { expectShape, float, input, named, optional, u8, type Aval, type OpRules } from '../rule'

/** Values that codes number, where they are not evenly spaced. */
export const codebooks = {
  /** NormalFloat of QLoRA (Dettmers et al. 2023): quantiles of a normal distribution, brought to −1…1. */
  nf4: [
    -1, -0.6961928009986877, -0.5250730514526367, -0.39491748809814453, -0.28444138169288635, -0.18477343022823334,
    -0.09105003625154495, 0, 0.07958029955625534, 0.16093020141124725, 0.24611230194568634, 0.33791524171829224,
    0.44070982933044434, 0.5626170039176941, 0.7229568362236023, 1,
  ],
  /** ggml's IQ4_NL and IQ4_XS. */
  iq4: [-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113],
} as const satisfies Record<string, readonly number[]>

/** The name of a table of values. */
export type Codebook = keyof typeof codebooks

/** Bits of a code. Two of 4 share a byte: byte j of a group of g has code j in its low half, code j + g/2 in its high one. */
export type CodeBits = 4 | 8

export interface QuantisedParams {
  /**
   * scale · q + min of each element's group, where q is its code and scale is not 0; without minima scale · (q − 2^(bits−1)); with a codebook
   * scale · codebook[q]. Codes u8 `[…, k · bits / 8]`, scales and minima `[…, groups]` → `[…, k]`.
   */
  dequantise: {
    readonly bits: CodeBits
    readonly codebook?: Codebook
    readonly dtype: 'f32' | 'f16'
    /** Products by these elements may round what they multiply to 8 bits, each group or row by its largest element. */
    readonly int8?: true
  }
}

/** Elements that share a scale: what a row has, over the scales it has. */
export const groupSize = (codes: Aval, scales: Aval, bits: CodeBits): number =>
  (codes.shape.at(-1)! * 8) / bits / scales.shape.at(-1)!

export const quantisedRules: OpRules<QuantisedParams> = {
  dequantise: {
    inputs: [named('codes', u8), named('scales', float), optional(named('minima', float))],
    reads: 'moved',
    shape: (inputs, { bits, codebook, dtype }, op) => {
      const [codes, scales, mins] = [input(inputs, 0), input(inputs, 1), inputs[2]]
      if (codes.shape.length === 0) fail(op, 'codes need at least 1 dimension, got none')
      const lead = codes.shape.slice(0, -1)
      expectShape(op, 'scales', scales, [...lead, scales.shape.at(-1) ?? 1])
      if (mins) expectShape(op, 'minima', mins, scales.shape)
      if (mins && codebook) fail(op, 'got minima beside a codebook, expected one of them')
      if (codebook && bits !== 4) fail(op, `codebook ${codebook} has codes of 4 bits, got ${bits}`)
      const group = groupSize(codes, scales, bits)
      if (!Number.isInteger(group) || (bits === 4 && group % 2 !== 0))
        fail(op, `${showShape(scales.shape)} scales do not divide rows of ${(codes.shape.at(-1)! * 8) / bits} elements`)
      return [{ shape: [...lead, (codes.shape.at(-1)! * 8) / bits], dtype }]
    },
  },
}
