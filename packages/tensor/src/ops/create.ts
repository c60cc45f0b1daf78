// Tensors made by a program itself: constants and ranges.
import type { DType } from '../dtype'
import type { Shape } from '../shape'
import type { Tensor } from '../tensor'
import { apply } from './apply'

/** `shape` filled with `value`. */
export const full = (shape: Shape, value: number, dtype: DType = 'f32'): Tensor =>
  apply('full', [], { shape, dtype, value })
/** `shape` filled with 0. */
export const zeros = (shape: Shape, dtype: DType = 'f32'): Tensor => full(shape, 0, dtype)
/** `shape` filled with 1. */
export const ones = (shape: Shape, dtype: DType = 'f32'): Tensor => full(shape, 1, dtype)
/** Zeros of x's shape and dtype. */
export const zerosLike = (x: Tensor): Tensor => full(x.shape, 0, x.dtype)
/** A small table as part of the program, row-major; integers must be below 2²⁴. */
export const literal = (values: readonly number[], shape: Shape = [values.length], dtype: DType = 'f32'): Tensor =>
  apply('literal', [], { shape, dtype, values })
/** Each element's index along `axis`. */
export const iota = (shape: Shape, axis: number, dtype: DType = 'i32'): Tensor =>
  apply('iota', [], { shape, dtype, axis })
/** 0, 1, …, size−1. */
export const arange = (size: number, dtype: DType = 'i32'): Tensor => iota([size], 0, dtype)
