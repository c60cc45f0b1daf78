// Ways that an op's inputs can be placed, and what each becomes: shapes, parameters and expectations of the partition rules.
import { sizeOf, type Shape } from '@jora/tensor'
import type { CollectiveOp, OpName, OpParams } from '@jora/tensor/graph'
import { numbers } from './numbers'

/**
 * An input, and what becomes of the first output when this input is split on each of its dimensions, then (floats only) when
 * it is terms of a sum:
 *
 * k: it is split, nothing moves; s: it is terms of a sum still to be made, nothing moves; w: it is whole, nothing moves;
 * c: something moves between the devices; -: the dimension does not divide.
 */
export type Input = readonly [
  shape: Shape,
  expected: string,
  dtype?: 'f32' | 'i32' | 'u32' | 'u8' | 'bool',
  data?: readonly number[],
]

export interface Case<K extends OpName> {
  readonly params: OpParams[K]
  readonly inputs: readonly Input[]
}

const [none, rows] = [{}, [0, 5, 3, 1]] as const
const linear = { params: none, inputs: [[[4, 6], 'kks']] } as const
const nonlinear = { params: none, inputs: [[[4, 6], 'kkc']] } as const
/** The second input is broadcast. */
const binary = (second: string, first = 'kkc') =>
  [
    {
      params: none,
      inputs: [
        [[4, 6], first],
        [[6], second],
      ],
    },
  ] as const
const bools = [[4, 6], 'kk', 'bool', Array.from({ length: 24 }, (_, i) => ((i * 7) % 3) & 1)] as const
const codes = (expected: string): Input => [
  [4, 6],
  expected,
  'u8',
  Array.from({ length: 24 }, (_, i) => (i * 37) % 256),
]
const whole = (shape: Shape) => 'c'.repeat(shape.length)
const [q, kv, logSum] = [
  [2, 4, 4, 2],
  [2, 2, 4, 2],
  [2, 4, 4],
] as const
const heads = { scale: 0.7 }
const visibility = [[2, 4, 4], whole([2, 4, 4]), 'i32', [0, 1, 2, 3, 0, 1, 2, 3].flatMap((i) => [i, 0, 1, i])] as const
const table = [[1, 4, 2], '-ccc'] as const

/** For the sake of logarithms and powers. */
export const positive = (shape: Shape, seed: number): Float32Array => numbers(sizeOf(shape), seed).map((x) => 1.2 + x)

const labels = [0, 7, -1, 3]
/** log Σ exp of the logits of the heads below: devices with a part of the vocabulary are handed that of the whole. */
const logSums = [0, 1, 2, 3].map((row) => {
  const [h, w] = [positive([4, 6], 1).slice(row * 6, row * 6 + 6), positive([8, 6], 2)]
  const logits = Array.from({ length: 8 }, (_, v) => h.reduce((sum, x, i) => sum + x * w[v * 6 + i]!, 0))
  return Math.log(logits.reduce((sum, x) => sum + Math.exp(x), 0))
})

/** One or more cases an op: typed, so that an op without one does not compile. */
export const cases: { readonly [K in Exclude<OpName, CollectiveOp>]: readonly Case<K>[] } = {
  neg: [linear],
  exp: [nonlinear],
  log: [nonlinear],
  sqrt: [nonlinear],
  rsqrt: [nonlinear],
  sin: [nonlinear],
  cos: [nonlinear],
  tanh: [nonlinear],
  sigmoid: [nonlinear],
  silu: [nonlinear],
  abs: [nonlinear],
  not: [{ params: none, inputs: [bools] }],
  add: binary('ks', 'kks'),
  sub: binary('ks', 'kks'),
  // Terms of what is broadcast are summed first: they are fewer.
  mul: binary('kc', 'kks'),
  div: binary('kc', 'kks'),
  pow: binary('kc'),
  maximum: binary('kc'),
  minimum: binary('kc'),
  eq: binary('kc'),
  lt: binary('kc'),
  le: binary('kc'),
  and: [{ params: none, inputs: [bools, bools] }],
  or: [{ params: none, inputs: [bools, bools] }],
  where: [{ params: none, inputs: [bools, [[4, 6], 'kkc'], [[6], 'kc']] }],
  cast: [{ params: { dtype: 'i32' }, inputs: [[[4, 6], 'kkc']] }],
  stopGradient: [linear],
  barrier: [
    {
      params: none,
      inputs: [
        [[4, 6], 'kks'],
        [[2], 'ww'],
      ],
    },
  ],
  shardingConstraint: [{ params: { spec: [['devices'], []] }, inputs: [[[4, 6], 'kcc']] }],
  full: [{ params: { shape: [4], dtype: 'f32', value: 2 }, inputs: [] }],
  literal: [{ params: { shape: [2], dtype: 'f32', values: [1, 2] }, inputs: [] }],
  iota: [{ params: { shape: [4], dtype: 'i32', axis: 0 }, inputs: [] }],
  sum: [
    { params: { axes: [1], keepDims: false }, inputs: [[[4, 6, 2], 'ksks']] },
    { params: { axes: [0], keepDims: true }, inputs: [[[4, 6], 'sks']] },
  ],
  max: [
    { params: { axes: [1], keepDims: false }, inputs: [[[4, 6, 2], 'kckc']] },
    { params: { axes: [0], keepDims: true }, inputs: [[[4, 6], 'ckc']] },
  ],
  argmax: [{ params: { axis: 1 }, inputs: [[[4, 6, 2], 'kckc']] }],
  softmax: [{ params: none, inputs: [[[4, 6], 'kcc']] }],
  reshape: [
    { params: { shape: [2, 2, 6] }, inputs: [[[4, 6], 'kks']] },
    { params: { shape: [24] }, inputs: [[[4, 6], 'kcs']] },
    { params: { shape: [4, 2, 3] }, inputs: [[[24], 'ks']] },
    { params: { shape: [8, 3] }, inputs: [[[2, 2, 6], 'kccs']] },
  ],
  transpose: [{ params: { permutation: [2, 0, 1] }, inputs: [[[4, 6, 2], 'kkks']] }],
  broadcastTo: [
    { params: { shape: [4, 6] }, inputs: [[[6], 'kc']] },
    { params: { shape: [4, 6] }, inputs: [[[4, 1], 'k-c']] },
  ],
  slice: [{ params: { starts: [0, 1], limits: [4, 5] }, inputs: [[[4, 6], 'kcs']] }],
  pad: [
    { params: { low: [0, 1], high: [0, 2], value: 0 }, inputs: [[[4, 6], 'kcs']] },
    { params: { low: [0, 1], high: [0, 2], value: 1 }, inputs: [[[4, 6], 'kcc']] },
  ],
  concat: [
    {
      params: { axis: 1 },
      inputs: [
        [[4, 6], 'kcc'],
        [[4, 2], 'kcc'],
      ],
    },
  ],
  dynamicSlice: [
    {
      params: { axis: 1, size: 2 },
      inputs: [
        [[4, 6], 'kcc'],
        [[], '', 'i32', [3]],
      ],
    },
  ],
  dynamicUpdateSlice: [
    {
      params: { axis: 1 },
      inputs: [
        [[4, 6], 'kcc'],
        [[4, 2], 'kcc'],
        [[], '', 'i32', [3]],
      ],
    },
  ],
  // Groups stay whole: their codes and scales are split together.
  dequantise: [
    { params: { bits: 8, dtype: 'f32' }, inputs: [codes('kk'), [[4, 2], 'kkc'], [[4, 2], 'kkc']] },
    { params: { bits: 4, codebook: 'nf4', dtype: 'f32' }, inputs: [codes('kc'), [[4, 3], 'k-c']] },
    { params: { bits: 8, dtype: 'f32' }, inputs: [codes('kk'), [[4, 1], 'k-c']] },
  ],
  // Rows of a, or columns of b, are split (Megatron's column split); a split of what is summed over leaves terms (its row split).
  dot: [
    {
      params: { transposeA: false, transposeB: false },
      inputs: [
        [[4, 6], 'kss'],
        [[6, 8], 'sks'],
      ],
    },
    {
      params: { transposeA: true, transposeB: false },
      inputs: [
        [[6, 4], 'sks'],
        [[6, 8], 'sks'],
      ],
    },
    {
      params: { transposeA: false, transposeB: true },
      inputs: [
        [[4, 6], 'kss'],
        [[8, 6], 'kss'],
      ],
    },
    {
      params: { transposeA: true, transposeB: true },
      inputs: [
        [[6, 4], 'sks'],
        [[8, 6], 'kss'],
      ],
    },
    {
      params: { transposeA: false, transposeB: false },
      inputs: [
        [[2, 4, 6], 'kkss'],
        [[2, 6, 8], 'ksks'],
      ],
    },
    {
      params: { transposeA: false, transposeB: false },
      inputs: [
        [[2, 4, 6], 'kkss'],
        [[6, 8], 'sks'],
      ],
    },
    {
      params: { transposeA: false, transposeB: true },
      inputs: [
        [[2, 1, 4, 6], 'k-kss'],
        [[2, 8, 6], 'kkss'],
      ],
    },
  ],
  gather: [
    {
      params: { axis: 0, batchDims: 0 },
      inputs: [
        [[6, 2], 'skc'],
        [[2, 4], 'kk', 'i32', [0, 5, 3, 1, 2, 2, 4, 0]],
      ],
    },
    {
      params: { axis: 1, batchDims: 0 },
      inputs: [
        [[4, 6], 'kss'],
        [[4], 'k', 'i32', rows],
      ],
    },
    {
      params: { axis: 1, batchDims: 1 },
      inputs: [
        [[2, 6, 2], 'ksks'],
        [[2, 4], 'kk', 'i32', [0, 5, 3, 1, 2, 2, 4, 0]],
      ],
    },
  ],
  scatterAdd: [
    {
      params: { size: 6, batchDims: 0 },
      inputs: [
        [[4], 's', 'i32', rows],
        [[4, 2], 'skc'],
      ],
    },
    {
      params: { size: 6, batchDims: 1 },
      inputs: [
        [[2, 2], 'ks', 'i32', rows],
        [[2, 2, 2], 'kskc'],
      ],
    },
  ],
  randomUniform: [{ params: { shape: [4, 6], stream: 1 }, inputs: [[[2], 'c', 'u32', [7, 9]]] }],
  dropout: [
    {
      params: { rate: 0.5, stream: 1 },
      inputs: [
        [[4, 6], 'kks'],
        [[2], 'c', 'u32', [7, 9]],
      ],
    },
    {
      params: { rate: 0.5, stream: 1 },
      inputs: [
        [[4, 6], 'kks'],
        [[4, 2], 'cc', 'u32', [7, 9, 1, 2, 3, 4, 5, 6]],
      ],
    },
    {
      params: { rate: 0.5, stream: 1, window: { shape: [8, 9], starts: [3, 2] } },
      inputs: [
        [[4, 6], 'kks'],
        [[2], 'c', 'u32', [7, 9]],
      ],
    },
  ],
  rmsNorm: [
    {
      params: { epsilon: 0.1 },
      inputs: [
        [[4, 6], 'kcc'],
        [[6], 'cc'],
      ],
    },
  ],
  rmsNormGrad: [
    {
      params: { epsilon: 0.1 },
      inputs: [
        [[4, 6], 'kcc'],
        [[6], 'cc'],
        [[4, 6], 'kcc'],
      ],
    },
  ],
  rope: [
    { params: none, inputs: [[[2, 2, 4, 4], 'kkkcs'], table, table] },
    {
      params: none,
      inputs: [
        [[2, 2, 4, 4], 'kkkcs'],
        [[2, 4, 2], 'cccc'],
        [[2, 4, 2], 'cccc'],
      ],
    },
  ],
  attention: [
    {
      params: heads,
      inputs: [
        [q, 'kkccc'],
        [kv, 'kkccc'],
        [kv, 'kkccc'],
      ],
    },
    { params: heads, inputs: [[q, 'kkccc'], [[2, 1, 4, 2], 'k-ccc'], [[2, 1, 4, 2], 'k-ccc'], visibility] },
    // Two of three kv heads each: query heads go with them, or are read whole.
    {
      params: heads,
      inputs: [
        [[2, 6, 4, 2], 'kcccc'],
        [[2, 3, 4, 2], 'k-ccc'],
        [[2, 3, 4, 2], 'k-ccc'],
      ],
    },
  ],
  attentionGrad: [
    {
      params: heads,
      inputs: [
        [q, 'kkccc'],
        [kv, 'kkccc'],
        [kv, 'kkccc'],
        [q, 'kkccc'],
        [logSum, 'kkcc'],
        [q, 'kkccc'],
      ],
    },
    {
      params: heads,
      inputs: [
        [q, 'kkccc'],
        [[2, 1, 4, 2], 'k-ccc'],
        [[2, 1, 4, 2], 'k-ccc'],
        [q, 'kkccc'],
        [logSum, 'kkcc'],
        [q, 'kkccc'],
        visibility,
      ],
    },
  ],
  linearCrossEntropy: [
    {
      params: none,
      inputs: [
        [[4, 6], 'kcc'],
        [[8, 6], 'ccc'],
        [[4], 'k', 'i32', labels],
      ],
    },
  ],
  linearCrossEntropyGradInput: [
    {
      params: none,
      inputs: [
        [[4, 6], 'kcc'],
        [[8, 6], 'scc'],
        [[4], 'k', 'i32', labels],
        [[4], 'kc', 'f32', logSums],
      ],
    },
  ],
  linearCrossEntropyGradWeight: [
    {
      params: none,
      inputs: [
        [[4, 6], 'scc'],
        [[8, 6], 'kcc'],
        [[4], 's', 'i32', labels],
        [[4], 'sc', 'f32', logSums],
        [[4], 'sc'],
      ],
    },
  ],
}
