// From stretches of nodes to steps: what each makes and reads as a program of its own, and when values die.
import { cut, type Cut, type Node } from '@jora/tensor/graph'
import type { Exchange, ScheduleStep } from './types'

/** Nodes of one step, before they are a program. */
export interface Stretch {
  readonly nodes: readonly Node[]
  readonly exchanges: readonly Exchange[]
  readonly overlaps: boolean
}

/** The steps of a program whose free nodes run wherever they are used. */
export function stepsOf(stretches: readonly Stretch[], program: Cut): ScheduleStep[] {
  const sending = stretches.map(({ nodes, exchanges }) => ({ nodes, sends: exchanges.flatMap((e) => e.outgoing) }))
  return cut(sending, program)
    .map(({ part, dead }, step): ScheduleStep => {
      const { exchanges, overlaps } = stretches[step]!
      return { segment: part, overlaps, exchanges, dead }
    })
    .filter(({ segment, exchanges, dead }) => segment || exchanges.length > 0 || dead.length > 0)
}
