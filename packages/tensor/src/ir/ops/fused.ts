// Fused ops: what nn/decompositions defines in primitives, and a backend may have a kernel for.
import { fail } from '../../errors'
import { showShape } from '../../shape'
import {
  alike,
  expectShape,
  f32,
  float,
  i32,
  input,
  likeFirst,
  named,
  optional,
  type Aval,
  type None,
  type OpRules,
} from '../rule'
import { map } from './elementwise'
import { checkDraw, drawKey, type Window } from './random'

/**
 * Which rows of a larger vocabulary the weight `[v, d]` of a head holds: those from `vocabStart`; absent: it holds all.
 * Labels number the whole vocabulary. A part's loss is its own log-sum-exp less the label's logit where the label is
 * among its rows; its gradients are those of the log-sum-exp they are given, which may be the whole vocabulary's.
 */
export interface HeadParams {
  readonly vocabStart?: number
  /** Logits z become softcap · tanh(z / softcap). */
  readonly softcap?: number
}

/** The last query is at the last key: query r has index r + keys − queries. */
interface AttentionParams {
  readonly scale: number
  /** A query of index i sees keys from i − window + 1 to i at most, whatever else says. */
  readonly window?: number
  /** Scaled scores s become softcap · tanh(s / softcap), before any is hidden. */
  readonly softcap?: number
}

export interface FusedParams {
  silu: None
  dropout: { readonly rate: number; readonly stream: number; readonly window?: Window }
  rmsNorm: { readonly epsilon: number }
  rmsNormGrad: { readonly epsilon: number }
  rope: None
  attention: AttentionParams
  attentionGrad: AttentionParams
  /** Of each row: its loss, its log Σ exp, and the gradient of its loss by its hidden vector. */
  linearCrossEntropy: HeadParams
  /** That gradient for a part of the vocabulary, given the log Σ exp of the whole. */
  linearCrossEntropyGradInput: HeadParams
  /** The gradient of Σ g · loss by the weight. */
  linearCrossEntropyGradWeight: HeadParams
}

/** An op that `nn/decompositions` defines in primitives. */
export type FusedOp = keyof FusedParams

function checkSoftcap(op: string, softcap: number | undefined): void {
  if (softcap !== undefined && !(softcap > 0 && softcap < Infinity))
    fail(op, `softcap is ${softcap}, expected a positive number`)
}

/** q [b,h,sq,d], k and v [b,hkv,sk,d], visibility [b|1,sq,4] or absent. */
function checkAttention(
  op: string,
  inputs: readonly Aval[],
  visibility: Aval | undefined,
  { window, softcap }: AttentionParams,
): void {
  checkSoftcap(op, softcap)
  const [q, k, v] = [input(inputs, 0), input(inputs, 1), input(inputs, 2)]
  if (q.shape.length !== 4 || k.shape.length !== 4)
    fail(op, `q and k need 4 dimensions, got ${showShape(q.shape)}, ${showShape(k.shape)}`)
  const [batch, heads, queries, headDim] = q.shape as [number, number, number, number]
  const [, kvHeads, keys] = k.shape as [number, number, number, number]
  expectShape(op, 'k', k, [batch, kvHeads, keys, headDim])
  expectShape(op, 'v', v, k.shape)
  if (heads % kvHeads !== 0) fail(op, `${heads} query heads are not a multiple of ${kvHeads} kv heads`)
  if (visibility) expectShape(op, 'visibility', visibility, [visibility.shape[0] === 1 ? 1 : batch, queries, 4])
  if ((!visibility || window !== undefined) && keys < queries)
    fail(op, `causal attention needs at least as many keys as queries, got ${keys} < ${queries}`)
  if (window !== undefined && !(Number.isInteger(window) && window > 0))
    fail(op, `window is ${window}, expected a positive integer`)
}

function checkHead(
  op: string,
  inputs: readonly Aval[],
  { vocabStart = 0, softcap }: HeadParams,
): { readonly rows: number; readonly dim: number } {
  checkSoftcap(op, softcap)
  const [hidden, weight, labels] = [input(inputs, 0), input(inputs, 1), input(inputs, 2)]
  if (hidden.shape.length !== 2) fail(op, `hidden rows need 2 dimensions, got ${showShape(hidden.shape)}`)
  const [rows, dim] = hidden.shape as [number, number]
  expectShape(op, 'weight', weight, [weight.shape[0] ?? 0, dim])
  expectShape(op, 'labels', labels, [rows])
  if (!Number.isInteger(vocabStart) || vocabStart < 0) fail(op, `vocabStart ${vocabStart} is not a row of a vocabulary`)
  return { rows, dim }
}

const qkv = ['q', 'k', 'v'].map((name) => named(name, alike(float)))
const visibility = optional(named('visibility', i32))
const head = [named('hidden', alike(float)), named('weight', alike(float)), named('labels', i32)]
const logSumExp = named('log Σ exp', f32)
/** Weights may be kept in another type than activations are: a norm computes in f32 anyway. */
const normWeight = named('weight', float)

export const fusedRules: OpRules<FusedParams> = {
  silu: map(float),
  dropout: {
    inputs: [float, drawKey],
    reads: ['same', 'moved'],
    shape: (inputs, { rate, window }, op) => {
      checkDraw(op, input(inputs, 1), input(inputs, 0).shape, window)
      if (!(rate >= 0 && rate < 1)) fail(op, `rate ${rate} is outside 0..1`)
      return likeFirst(inputs)
    },
  },
  rmsNorm: {
    inputs: [float, normWeight],
    reads: ['moved', 'same'],
    shape: (inputs, _params, op) => {
      expectShape(op, 'weight', input(inputs, 1), input(inputs, 0).shape.slice(-1))
      return likeFirst(inputs)
    },
  },
  rmsNormGrad: {
    inputs: [alike(float), normWeight, named('cotangent', alike(float))],
    reads: 'moved',
    shape: (inputs, _params, op) => {
      const x = input(inputs, 0)
      expectShape(op, 'weight', input(inputs, 1), x.shape.slice(-1))
      expectShape(op, 'cotangent', input(inputs, 2), x.shape)
      return [x]
    },
  },
  rope: {
    inputs: [float, named('cos', f32), named('sin', f32)],
    reads: 'moved',
    shape: (inputs, _params, op) => {
      const x = input(inputs, 0)
      const [batch = 0, , seq = 0, headDim = 0] = x.shape
      if (x.shape.length !== 4 || headDim % 2 !== 0)
        fail(op, `x is ${showShape(x.shape)}, expected [batch, heads, seq, d] of an even d`)
      for (const [i, name] of ['cos', 'sin'].entries()) {
        const table = input(inputs, i + 1)
        expectShape(op, name, table, [table.shape[0] === 1 ? 1 : batch, seq, headDim / 2])
      }
      return [x]
    },
  },
  attention: {
    inputs: [...qkv, visibility],
    reads: 'moved',
    shape: (inputs, params, op) => {
      checkAttention(op, inputs, inputs[3], params)
      const q = input(inputs, 0)
      return [q, { shape: q.shape.slice(0, 3), dtype: 'f32' }]
    },
  },
  attentionGrad: {
    inputs: [...qkv, named('output', alike(float)), logSumExp, named('cotangent', alike(float)), visibility],
    reads: 'moved',
    shape: (inputs, params, op) => {
      checkAttention(op, inputs, inputs[6], params)
      const q = input(inputs, 0)
      expectShape(op, 'output', input(inputs, 3), q.shape)
      expectShape(op, 'log Σ exp', input(inputs, 4), q.shape.slice(0, 3))
      expectShape(op, 'cotangent', input(inputs, 5), q.shape)
      return inputs.slice(0, 3)
    },
  },
  linearCrossEntropy: {
    inputs: head,
    reads: 'moved',
    shape: (inputs, params, op) => {
      const { rows, dim } = checkHead(op, inputs, params)
      return [[rows], [rows], [rows, dim]].map((shape) => ({ shape, dtype: 'f32' }))
    },
  },
  linearCrossEntropyGradInput: {
    inputs: [...head, logSumExp],
    reads: 'moved',
    shape: (inputs, params, op) => {
      const { rows, dim } = checkHead(op, inputs, params)
      expectShape(op, 'log Σ exp', input(inputs, 3), [rows])
      return [{ shape: [rows, dim], dtype: 'f32' }]
    },
  },
  linearCrossEntropyGradWeight: {
    inputs: [...head, logSumExp, named('cotangent', f32)],
    reads: 'moved',
    shape: (inputs, params, op) => {
      const { rows } = checkHead(op, inputs, params)
      expectShape(op, 'log Σ exp', input(inputs, 3), [rows])
      expectShape(op, 'cotangent', input(inputs, 4), [rows])
      return [input(inputs, 1)]
    },
  },
}
