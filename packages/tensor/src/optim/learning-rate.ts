// Learning-rate schedules, as transformers computes them.

/** How the rate goes on after the warm-up. */
export type SchedulerName = 'cosine' | 'linear' | 'constant' | 'cosine_with_restarts' | 'wsd'

/** A learning rate over the steps of a run. */
export interface ScheduleConfig {
  readonly scheduler: SchedulerName
  readonly learningRate: number
  /** Steps of linear warm-up from 0. */
  readonly warmupSteps: number
  readonly totalSteps: number
  /** Of `wsd`: steps at the end in which the rate falls (default: a fifth of all, rounded up). */
  readonly decaySteps?: number | undefined
  /** Of `cosine_with_restarts`: how often the rate falls to 0 (default 2). */
  readonly cycles?: number | undefined
}

const cosine = (progress: number): number => 0.5 * (1 + Math.cos(Math.PI * progress))

type Course = (step: number, config: ScheduleConfig) => number

/** The share of the steps after the warm-up that are done. */
const progressOf: Course = (step, { warmupSteps, totalSteps }) =>
  (step - warmupSteps) / Math.max(1, totalSteps - warmupSteps)

/** After the warm-up, by schedule: the rate as a share of the full one. */
const courses: Readonly<Record<SchedulerName, Course>> = {
  constant: () => 1,
  linear: (step, config) => 1 - progressOf(step, config),
  cosine: (step, config) => cosine(progressOf(step, config)),
  cosine_with_restarts(step, config) {
    const progress = progressOf(step, config)
    return progress >= 1 ? 0 : cosine(((config.cycles ?? 2) * progress) % 1)
  },
  wsd(step, { warmupSteps, totalSteps, decaySteps = Math.ceil(totalSteps / 5) }) {
    const decay = Math.min(decaySteps, totalSteps - warmupSteps)
    const progress = (step - (totalSteps - decay)) / Math.max(1, decay)
    return progress <= 0 ? 1 : progress >= 1 ? 0 : cosine(progress)
  },
}

/** The rate of step `step` (0 for the first). Warm-up reaches the full rate at step `warmupSteps`; decay ends at 0. */
export function learningRateAt(step: number, config: ScheduleConfig): number {
  const { scheduler, learningRate, warmupSteps } = config
  if (step < warmupSteps) return (learningRate * step) / Math.max(1, warmupSteps)
  return learningRate * Math.max(0, courses[scheduler](step, config))
}
