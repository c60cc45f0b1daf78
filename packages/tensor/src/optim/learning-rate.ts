// Learning-rate schedules, as transformers computes them.

/** How the rate goes on after the warm-up. */
export type SchedulerName = 'cosine' | 'linear' | 'constant'

/** A learning rate over the steps of a run. */
export interface ScheduleConfig {
  readonly scheduler: SchedulerName
  readonly learningRate: number
  /** Steps of linear warm-up from 0. */
  readonly warmupSteps: number
  readonly totalSteps: number
}

/** The rate of step `step` (0 for the first). Warm-up reaches the full rate at step `warmupSteps`; decay ends at 0. */
export function learningRateAt(
  step: number,
  { scheduler, learningRate, warmupSteps, totalSteps }: ScheduleConfig,
): number {
  if (step < warmupSteps) return (learningRate * step) / Math.max(1, warmupSteps)
  if (scheduler === 'constant') return learningRate
  const progress = (step - warmupSteps) / Math.max(1, totalSteps - warmupSteps)
  if (scheduler === 'linear') return learningRate * Math.max(0, 1 - progress)
  return learningRate * Math.max(0, 0.5 * (1 + Math.cos(Math.PI * progress)))
}
