// What the fused ops mean in terms of primitives: the definition a backend falls back on, and tests hold kernels to.
import { fail } from '../errors'
import type { FusedOp, OpName, OpParams } from '../ir/op'
import { add, cast, eq, exp, le, log, logicalAnd, lt, mul, rsqrt, sigmoid, sub, where } from '../ops/elementwise'
import { full, iota } from '../ops/create'
import { gather, pick, scatterAdd } from '../ops/indexing'
import { dot } from '../ops/linalg'
import { concat, reshape, sliceAxis } from '../ops/movement'
import { max, mean, softmax } from '../ops/reduce'
import { randomUniform } from '../ops/random'
import type { Tensor } from '../tensor'
import { attentionGradInBlocks, attentionInBlocks } from './attention-blocks'
import { capped, inF32, onceDone } from './blocks'

type Decomposition<K extends OpName> = (inputs: readonly Tensor[], params: OpParams[K]) => readonly Tensor[]

const at = (inputs: readonly Tensor[], i: number): Tensor => inputs[i] ?? fail('decompose', `input ${i} is missing`)

/** Rows of the head computed together: logits stay a few megabytes, products large enough to run at full rate. */
const headRows = 256

interface HeadRows {
  readonly h: Tensor
  /** Where there is a label. */
  readonly has: Tensor
  /** The labels' rows of the weight, 0 where there is none: safe to gather with. */
  readonly safe: Tensor
  /** Capped, where there is a cap. */
  readonly logits: Tensor
  /** Slope of the cap at each logit. */
  readonly slope: Tensor | undefined
  /** softmax(logits); in the gradients of a part, its part of the whole vocabulary's. */
  readonly probabilities: Tensor
  /** What belongs to a row's label, `[rows]` or `[rows, …]`: zero where the weight, a part of the vocabulary, lacks it. */
  own(x: Tensor): Tensor
  /** The rows' part of a vector of all rows, zero where there is no label. */
  weigh(g: Tensor): Tensor
}

/** What a head reads of labels: their rows of the weight, and whether the weight has them. */
function labelRows(
  labels: Tensor,
  vocab: number,
  vocabStart: number | undefined,
): Pick<HeadRows, 'has' | 'safe' | 'own'> {
  const zero = full([], 0, 'i32')
  const has = le(zero, labels)
  // Rows without a label are weighed with zero: where the vocabulary is whole nothing else needs masking.
  if (vocabStart === undefined) return { has, safe: where(has, labels, 0), own: (x) => x }
  const row = sub(labels, vocabStart)
  const here = logicalAnd(le(zero, row), lt(row, vocab))
  const own = (x: Tensor) =>
    where(
      reshape(
        here,
        x.shape.map((d, i) => (i === 0 ? d : 1)),
      ),
      x,
      0,
    )
  return { has, safe: where(here, row, 0), own }
}

/**
 * Runs `body` over blocks of labelled rows: logits are never whole, and loss and gradient share a block's. With a part of
 * the vocabulary they do not, as the other parts' log-sum-exps come in between; gradients then exponentiate once.
 */
function eachHeadBlock<R>(
  inputs: readonly Tensor[],
  { vocabStart, softcap }: OpParams['linearCrossEntropy'],
  body: (rows: HeadRows) => R & { readonly done?: readonly Tensor[] },
): R[] {
  const [hidden, w, allLabels] = [at(inputs, 0), at(inputs, 1), at(inputs, 2)]
  const count = hidden.shape[0]!
  let before: readonly Tensor[] = []
  return Array.from({ length: Math.ceil(count / headRows) }, (_, block) => {
    const [from, to] = [block * headRows, Math.min(count, (block + 1) * headRows)]
    const h = onceDone(sliceAxis(hidden, 0, from, to), before)
    const labels = sliceAxis(allLabels, 0, from, to)
    const rows = labelRows(labels, w.shape[0]!, vocabStart)
    const { x: logits, slope } = capped(inF32(dot(h, w, { transposeB: true })), softcap)
    const weigh = (g: Tensor) => reshape(where(rows.has, sliceAxis(g, 0, from, to), 0), [to - from, 1])
    const given = inputs[3]
    const probabilities =
      given && vocabStart !== undefined
        ? exp(sub(logits, reshape(sliceAxis(given, 0, from, to), [to - from, 1])))
        : softmax(logits)
    const result = body({ h, ...rows, logits, slope, probabilities, weigh })
    before = result.done ?? []
    return result
  })
}

/** Loss and log Σ exp of each row, f32 `[rows]`. */
function headLoss({ logits, probabilities, has, safe, own }: HeadRows): { loss: Tensor; logSum: Tensor } {
  // The largest probability is 1/Σexp(logit − max) ≥ 1/vocab: log Σ exp follows from it exactly, without another pass.
  const logSum = sub(max(logits, { axis: 1 }), log(max(probabilities, { axis: 1 })))
  return { loss: where(has, sub(logSum, own(pick(logits, safe))), 0), logSum }
}

/** By how much a row's loss grows with each logit before its cap: (softmax − 1 at the label) · slope. */
function cappedGrad({ safe, own }: HeadRows, probabilities: Tensor, slope: Tensor): Tensor {
  const [rows = 0, vocab = 0] = probabilities.shape
  const label = own(where(eq(iota([1, vocab], 1), reshape(safe, [rows, 1])), full([], 1), 0))
  return mul(sub(probabilities, label), slope)
}

/** By how much a row's loss grows with its hidden vector: softmax(h Wᵀ) W − W[label], with slopes where logits are capped. */
function headPull(rows: HeadRows, probabilities: Tensor, w: Tensor): Tensor {
  const { slope, own, safe, has } = rows
  const times = (x: Tensor) => inF32(dot(cast(x, w.dtype), w))
  const pull = slope
    ? times(cappedGrad(rows, probabilities, slope))
    : sub(times(probabilities), own(inF32(gather(w, safe))))
  return where(reshape(has, [-1, 1]), pull, 0)
}

/** A definition of each fused op in primitives. */
export type Definitions = { readonly [K in FusedOp]: Decomposition<K> }

export const decompositions: Definitions = {
  silu: ([x]) => [mul(x!, sigmoid(x!))],
  dropout: (inputs, { rate, stream, window }) => {
    const x = at(inputs, 0)
    const drawn = randomUniform(at(inputs, 1), x.shape, stream, window)
    const keep = le(full([], Math.round(rate * 2 ** 24) / 2 ** 24), drawn)
    return [where(keep, mul(x, 1 / (1 - rate)), 0)]
  },
  rmsNorm: (inputs, { epsilon }) => {
    const [x, w] = [inF32(at(inputs, 0)), inF32(at(inputs, 1))]
    const inverse = rsqrt(add(mean(mul(x, x), { axis: -1, keepDims: true }), epsilon))
    return [cast(mul(mul(x, inverse), w), at(inputs, 0).dtype)]
  },
  // dx = r·(w∘g) − x·r³·mean(x∘w∘g), r = 1/√(mean(x²)+ε)
  rmsNormGrad: (inputs, { epsilon }) => {
    const [x, w, g] = [inF32(at(inputs, 0)), inF32(at(inputs, 1)), inF32(at(inputs, 2))]
    const r = rsqrt(add(mean(mul(x, x), { axis: -1, keepDims: true }), epsilon))
    const wg = mul(w, g)
    const projection = mul(mean(mul(x, wg), { axis: -1, keepDims: true }), mul(mul(r, r), r))
    return [cast(sub(mul(wg, r), mul(x, projection)), at(inputs, 0).dtype)]
  },
  rope: (inputs) => {
    const x = inF32(at(inputs, 0))
    const [batch = 0, , seq = 0, headDim = 0] = x.shape
    const half = headDim / 2
    const [c, s] = [at(inputs, 1), at(inputs, 2)].map((t) =>
      reshape(t, [t.shape[0] === 1 ? 1 : batch, 1, seq, half]),
    ) as [Tensor, Tensor]
    const [a, b] = [sliceAxis(x, 3, 0, half), sliceAxis(x, 3, half, headDim)]
    return [cast(concat([sub(mul(a, c), mul(b, s)), add(mul(b, c), mul(a, s))], 3), at(inputs, 0).dtype)]
  },
  attention: attentionInBlocks,
  attentionGrad: attentionGradInBlocks,
  linearCrossEntropy: (inputs, params) => {
    const blocks = eachHeadBlock(inputs, params, (b) => {
      const { loss, logSum } = headLoss(b)
      const pull = headPull(b, onceDone(b.probabilities, [loss]), at(inputs, 1))
      return { loss, logSum, pull, done: [pull] }
    })
    return (['loss', 'logSum', 'pull'] as const).map((name) => concat(blocks.map((b) => b[name])))
  },
  linearCrossEntropyGradInput: (inputs, params) => {
    const pulls = eachHeadBlock(inputs, params, (b) => {
      const pull = headPull(b, b.probabilities, at(inputs, 1))
      return { pull, done: [pull] }
    })
    return [concat(pulls.map(({ pull }) => pull))]
  },
  // dW = softmaxᵀ (g∘h) − rows of g∘h added at their labels
  linearCrossEntropyGradWeight: (inputs, params) => {
    const [w, g] = [at(inputs, 1), at(inputs, 4)]
    const blocks = eachHeadBlock(inputs, params, (b) => {
      const weighted = mul(inF32(b.h), b.weigh(g))
      const slopes = b.slope && cappedGrad(b, b.probabilities, b.slope)
      return {
        dense: dot(slopes ?? b.probabilities, weighted, { transposeA: true }),
        sparse: slopes ? [] : [{ safe: b.safe, weighted: b.own(weighted) }],
      }
    })
    const dense = blocks.map((b) => b.dense).reduce((a, b) => add(a, b))
    const sparse = blocks.flatMap((b) => b.sparse)
    if (sparse.length === 0) return [cast(dense, w.dtype)]
    const rows = (name: 'safe' | 'weighted') => concat(sparse.map((b) => b[name]))
    return [cast(sub(dense, scatterAdd(rows('safe'), rows('weighted'), w.shape[0]!)), w.dtype)]
  },
}

/** Whether `op` has a definition in primitives. */
export const isFused = (op: OpName): op is FusedOp => op in decompositions
