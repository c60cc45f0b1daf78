// What one rounding may move a number by.
import type { FloatDType } from '@jora/tensor/safetensors'

/** Bits of the fraction, and the exponent of the least normal number. */
const formats: Readonly<Record<FloatDType, readonly [digits: number, least: number]>> = {
  F32: [23, -126],
  F16: [10, -14],
  BF16: [7, -126],
}

/** Half the distance between neighbours at `x`: the most one rounding moves it. */
export const halfUlp = (x: number, dtype: FloatDType): number => {
  const [digits, least] = formats[dtype]
  return 2 ** (Math.max(Math.floor(Math.log2(Math.abs(x) || 1e-300)), least) - digits - 1)
}
