// The stages of a project as the page names them.
import type { Job, LearnProject, LearnStageRequest } from '@jora/gui/client'

export type Stage = LearnStageRequest['until']

/** What was done last. */
export const stageOf = ({ figures }: LearnProject): Stage | 'begun' =>
  (['evaluate', 'train', 'contexts', 'draft', 'read'] as const).find((stage) => figures[stage] !== undefined) ?? 'begun'

export const stageWords: Readonly<Record<Stage | 'begun', string>> = {
  begun: 'no documents read yet',
  read: 'documents are read',
  draft: 'questions are there',
  contexts: 'contexts are built',
  train: 'the model has learned',
  evaluate: 'there is a report',
}

/** What every step of the page is given. */
export interface StepProps {
  readonly project: LearnProject
  /** The stage that is being done, of any step. */
  readonly job: Job | undefined
  /** Begins a stage. */
  readonly onStart: (request: LearnStageRequest) => void
  readonly onChange: () => void
}
