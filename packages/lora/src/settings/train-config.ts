// Settings of a training run: defaults and checks.
import type { DTypeSetting } from './compute-dtype'
import { ConfigError, checkLoraConfig, defaultLoraConfig, type LoraConfig } from './lora-config'
import type { SchedulerName } from '@jora/tensor'

export interface TrainConfig {
  readonly lora: LoraConfig
  readonly learningRate: number
  readonly scheduler: SchedulerName
  /** Steps of linear warm-up; wins over `warmupRatio` when above 0. */
  readonly warmupSteps: number
  /** Share of all steps. */
  readonly warmupRatio: number
  readonly weightDecay: number
  readonly adamBeta1: number
  readonly adamBeta2: number
  readonly adamEpsilon: number
  /** Global norm gradients are clipped to; 0 is off. */
  readonly maxGradNorm: number
  readonly epochs: number
  /** Ends training earlier; undefined: all epochs. */
  readonly maxSteps: number | undefined
  /** Samples of a micro-step. */
  readonly batchSize: number
  /** Micro-steps of an optimiser step. */
  readonly gradientAccumulationSteps: number
  readonly shuffle: boolean
  readonly seed: number
  /** Optimiser steps between evaluations of the held-out samples; undefined: each epoch's end. */
  readonly evalEvery: number | undefined
  /** Optimiser steps between checkpoints; undefined: each epoch's end. */
  readonly saveEvery: number | undefined
  /** Recompute each layer's activations in the backward pass. */
  readonly gradientCheckpointing: boolean
  /** What the model computes in; the adapter and its optimiser are f32 always. */
  readonly dtype: DTypeSetting
}

/** The paper's settings. */
export const defaultTrainConfig: TrainConfig = {
  lora: defaultLoraConfig,
  learningRate: 1e-4,
  scheduler: 'cosine',
  warmupSteps: 0,
  warmupRatio: 0,
  weightDecay: 0,
  adamBeta1: 0.9,
  adamBeta2: 0.999,
  adamEpsilon: 1e-8,
  maxGradNorm: 1,
  epochs: 7,
  maxSteps: undefined,
  batchSize: 1,
  gradientAccumulationSteps: 8,
  shuffle: true,
  seed: 420,
  evalEvery: undefined,
  saveEvery: undefined,
  gradientCheckpointing: false,
  dtype: 'auto',
}

/** Checks ranges. @throws ConfigError naming the setting, what came and what was expected */
export function checkTrainConfig(config: TrainConfig): void {
  checkLoraConfig(config.lora)
  const check = (name: keyof TrainConfig, ok: boolean, expected: string) => {
    if (!ok)
      throw new ConfigError(
        `${name} is ${String(config[name] as string | number | boolean | undefined)}, expected ${expected}`,
      )
  }
  const atLeastOne = (value: number | undefined) => value === undefined || (Number.isInteger(value) && value >= 1)
  check('dtype', ['auto', 'f32', 'f16'].includes(config.dtype), 'auto, f32 or f16')
  check('learningRate', config.learningRate > 0, 'a number > 0')
  check('scheduler', ['cosine', 'linear', 'constant'].includes(config.scheduler), 'cosine, linear or constant')
  check('warmupSteps', Number.isInteger(config.warmupSteps) && config.warmupSteps >= 0, 'an integer ≥ 0')
  check('warmupRatio', config.warmupRatio >= 0 && config.warmupRatio < 1, 'a number in [0, 1)')
  check('weightDecay', config.weightDecay >= 0, 'a number ≥ 0')
  check('adamBeta1', config.adamBeta1 >= 0 && config.adamBeta1 < 1, 'a number in [0, 1)')
  check('adamBeta2', config.adamBeta2 >= 0 && config.adamBeta2 < 1, 'a number in [0, 1)')
  check('adamEpsilon', config.adamEpsilon > 0, 'a number > 0')
  check('maxGradNorm', config.maxGradNorm >= 0, 'a number ≥ 0')
  check('epochs', Number.isInteger(config.epochs) && config.epochs >= 1, 'an integer ≥ 1')
  for (const name of ['maxSteps', 'evalEvery', 'saveEvery', 'batchSize', 'gradientAccumulationSteps'] as const)
    check(name, atLeastOne(config[name]), 'an integer ≥ 1')
  check('seed', Number.isInteger(config.seed) && config.seed >= 0, 'an integer ≥ 0')
}
