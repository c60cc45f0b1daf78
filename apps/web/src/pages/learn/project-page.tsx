// A project: its five steps, one under the other, each with what came of it.
import { useEffect, useRef } from 'react'
import type { Job, LearnStageRequest } from '@jora/gui/client'
import { api } from '../../api/client'
import { learn, useJobs } from '../../api/store'
import { useAction, useRequest } from '../../api/use-request'
import { lastPart } from '../../format'
import { PageTitle } from '../../shell/page-title'
import { JobLine } from '../../ui/job-line'
import { Problem } from '../../ui/problem'
import { ContextsStep } from './contexts-step'
import { DocumentsStep } from './documents-step'
import { QuestionsStep } from './questions-step'
import { ReportStep } from './report-step'
import { TrainStep } from './train-step'

const askAgainMs = 2000

export default function ProjectPage({ id }: { readonly id: string }) {
  const { data: project, error, again } = useRequest(id, () => api.learnProject(id))
  const jobs = useJobs((job) => job.projectId === id)
  const job = newest(jobs)
  const { error: failed, run, clear } = useAction()
  // What a stage came to is on disk once its job has ended.
  const seen = useRef('')
  const state = job === undefined ? '' : `${job.id} ${job.state}`
  useEffect(() => {
    if (state !== '' && seen.current !== '' && state !== seen.current) again()
    seen.current = state
  }, [state, again])

  // Which run a stage trains is known only once its folder is there.
  const isBegun = job?.state === 'running' && project?.runId === null
  useEffect(() => {
    if (!isBegun) return
    const timer = setInterval(again, askAgainMs)
    return () => clearInterval(timer)
  }, [isBegun, again])

  if (project === undefined)
    return error ? (
      <Problem what="The project could not be opened" error={error} again={again} />
    ) : (
      <p className="soft">Loading …</p>
    )
  const start = (request: LearnStageRequest) => {
    clear()
    run(async () => learn({ job: await api.learnStage(id, request) }))
  }
  const step = { project, job: job?.state === 'running' ? job : undefined, onStart: start, onChange: again }
  return (
    <>
      <div className="stack stack-s">
        <PageTitle title={project.name} />
        <p className="soft wrap-anywhere">
          {lastPart(project.model)} learns from{' '}
          {project.takesFiles ? 'the files you drop' : <code>{project.documents}</code>}. All that comes of it is in{' '}
          <code>{project.folder}</code>.
        </p>
      </div>
      {job !== undefined && job.state !== 'done' && (
        <ul className="stack" aria-label="What is being done">
          <JobLine key={job.id} job={job} />
        </ul>
      )}
      {failed && <Problem what="The step could not be begun" error={failed} again={clear} />}
      <DocumentsStep {...step} />
      <QuestionsStep {...step} />
      <ContextsStep {...step} />
      <TrainStep {...step} />
      <ReportStep {...step} />
    </>
  )
}

const newest = (jobs: readonly Job[]): Job | undefined =>
  jobs.reduce<Job | undefined>(
    (last, job) => (last === undefined || job.startedAt > last.startedAt ? job : last),
    undefined,
  )
