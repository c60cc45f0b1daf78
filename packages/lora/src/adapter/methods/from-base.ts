// Methods that start from a part of the base weight: W₀ − s·B₀A₀ is frozen, and BA, which begins as B₀A₀, is trained. The base
// stays as it is in its files: W₀x + s·(BA − B₀A₀)x is the same, and PEFT saves it as a plain LoRA of twice the rank.
import { add, cast, sub, type Tensor } from '@jora/tensor'
import { addLowRank } from '../low-rank'
import type { Factors } from '../singular'
import { loraRank, loraScaling, type LoraConfig, type Patterns } from '../../settings/lora-config'
import { lora, lowRankUpdate } from './lora'
import type { AdapterMethod, Conversion, Parts } from './method'

/** `[out, r + r]` of two `[out, r]`, row by row. */
function beside(left: Float32Array, right: Float32Array, r: number): Float32Array {
  const out = new Float32Array(left.length + right.length)
  for (let row = 0; row < left.length / r; row++) {
    out.set(left.subarray(row * r, (row + 1) * r), 2 * row * r)
    out.set(right.subarray(row * r, (row + 1) * r), (2 * row + 1) * r)
  }
  return out
}

/** Columns `from…from + r` of `[out, 2 r]`. */
const half = (values: Float32Array, from: number, r: number): Float32Array =>
  Float32Array.from({ length: values.length / 2 }, (_, i) => values[Math.floor(i / r) * 2 * r + from + (i % r)]!)

const mapped = (patterns: Patterns | undefined, change: (value: number) => number): Patterns | undefined =>
  patterns && Object.fromEntries(Object.entries(patterns).map(([pattern, value]) => [pattern, change(value)]))

/** `[A; A₀]` and `[B, −B₀]`, as PEFT converts such adapters. */
const conversion: Conversion = {
  config({ initLoraWeights: _init, ...config }): LoraConfig {
    // The scale is alpha / r, or alpha / √r.
    const factor = config.useRslora ? Math.SQRT2 : 2
    const rankPattern = mapped(config.rankPattern, (value) => 2 * value)
    const alphaPattern = mapped(config.alphaPattern, (value) => factor * value)
    return {
      ...config,
      r: 2 * config.r,
      alpha: factor * config.alpha,
      ...(rankPattern && { rankPattern }),
      ...(alphaPattern && { alphaPattern }),
    }
  },

  parts({ loraA, loraB, initialA, initialB }, r) {
    const both = new Float32Array(2 * loraA.length)
    both.set(loraA)
    both.set(initialA!, loraA.length)
    return {
      loraA: both,
      loraB: beside(
        loraB,
        initialB!.map((value) => -value),
        r,
      ),
    }
  },

  restore({ loraA, loraB }, r) {
    const middle = loraA.length / 2
    return {
      loraA: loraA.slice(0, middle),
      loraB: half(loraB, 0, r),
      initialA: loraA.slice(middle),
      initialB: half(loraB, r, r).map((value) => -value),
    }
  },
}

/**
 * The method whose A and B begin as factors of the base.
 * @param factors of a weight `[rows, columns]`: A `[r, columns]` and B `[rows, r]`, of which scale · B A is the part to train
 */
export const fromBase = (
  factors: (
    base: Float32Array,
    shape: { readonly rows: number; readonly columns: number; readonly r: number },
    scale: number,
  ) => Factors,
): AdapterMethod => ({
  ...lora,

  shapes(module, config) {
    const { loraA, loraB } = lora.shapes(module, config)
    return { loraA, loraB, initialA: loraA, initialB: loraB }
  },

  readsBase: 'weight',

  init(module, config, _seed, base) {
    const { name, inFeatures: columns, outFeatures: rows } = module
    const r = loraRank(config, name)
    const { loraA, loraB } = factors(base, { rows, columns, r }, loraScaling(config, name))
    return { loraA, loraB, initialA: loraA.slice(), initialB: loraB.slice() }
  },

  /** The base has no dropout, nor has what is taken from it. */
  forward(parts, x, y, layer) {
    const initial: Parts<Tensor> = { loraA: parts.initialA!, loraB: parts.initialB! }
    const taken = lowRankUpdate(initial, x, { ...layer, dropout: undefined })
    return add(y, cast(sub(lowRankUpdate(parts, x, layer), taken), x.dtype))
  },

  merge(parts, rows, from, r, scale) {
    const { loraA, loraB } = conversion.parts(parts, r)
    addLowRank(rows, from, loraA, loraB, 2 * r, scale)
  },

  converted: conversion,
})
