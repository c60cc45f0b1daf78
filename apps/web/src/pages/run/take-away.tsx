// What can be taken from a run: what was trained, exports of the whole model, and a push to the Hub.
import type { ExportRequest, Job, Run } from '@jora/gui/client'
import { api } from '../../api/client'
import { canBeAsked } from '../../api/changes'
import { learn, useJobs } from '../../api/store'
import { useAction } from '../../api/use-request'
import { lastPart } from '../../format'
import { Link } from '../../shell/link'
import { to } from '../../shell/router'
import { Icon } from '../../ui/icon'
import { JobLine } from '../../ui/job-line'
import { Problem } from '../../ui/problem'
import { EvaluateForm, scoresOf } from './evaluate-form'
import { PushForm } from './push-form'

interface Choice {
  readonly label: string
  readonly request: ExportRequest
}

const exports: readonly {
  readonly title: string
  readonly about: string
  /** Only of runs that train such a thing. */
  readonly of?: Run['trains']
  readonly choices: readonly Choice[]
}[] = [
  {
    title: 'Merged model',
    about: 'Model and adapter in one: a folder that the Hugging Face libraries can read.',
    of: 'adapter',
    choices: [{ label: 'Merge', request: { format: 'hf' } }],
  },
  {
    title: 'GGUF, for llama.cpp, Ollama or LM Studio',
    about:
      'One file. f16 has hardly any loss; q8_0 needs half of its space, q4_0 a quarter, with some loss of quality.',
    choices: [
      { label: 'f16', request: { format: 'gguf', dtype: 'f16' } },
      { label: 'q8_0', request: { format: 'gguf', dtype: 'q8_0' } },
      { label: 'q4_0', request: { format: 'gguf', dtype: 'q4_0' } },
    ],
  },
]

/** What a run leaves in its folder. */
const results: Readonly<Record<Run['trains'], { readonly title: string; readonly about: string }>> = {
  adapter: {
    title: 'Adapter',
    about: 'What was trained, small, in PEFT’s format: it works beside the base model.',
  },
  model: {
    title: 'Model',
    about: 'The model itself, as it was trained: a folder that the Hugging Face libraries can read.',
  },
}

/** Where a finished export is fetched from: a file as it is, a folder as a zip. */
function exportUrl(runId: string, job: Job): string | undefined {
  const file = job.result?.file
  if (typeof file !== 'string') return undefined
  return /\.(gguf|zip)$/i.test(file) ? api.runFileUrl(runId, file) : api.downloadUrl(runId, file)
}

export function TakeAway({ run }: { readonly run: Run }) {
  const jobs = useJobs((job) => job.runId === run.id)
  const { busy, error, run: act, clear } = useAction()
  if (!canBeAsked(run)) return null
  const start = (request: ExportRequest) => act(async () => learn({ job: await api.exportRun(run.id, request) }))
  return (
    <section className="panel stack" aria-labelledby="take-title">
      <h2 id="take-title">Use what it has learned</h2>
      {!run.hasAdapter && (
        <p className="soft small">It has not come to its end: this is what its newest checkpoint has.</p>
      )}
      <ul className="ways">
        <li className="way">
          <div>
            <h3>Talk to it</h3>
            <p className="soft small">Base and tuned model side by side, on this machine.</p>
          </div>
          <Link to={to.playground(run.id)} className="button button-primary">
            Open the playground
          </Link>
        </li>
        <li className="way">
          <div>
            <h3>{results[run.trains].title}</h3>
            <p className="soft small">{results[run.trains].about}</p>
          </div>
          <a className="button" href={api.downloadUrl(run.id)} download>
            <Icon name="download" />
            Download the {run.trains}
          </a>
        </li>
        {exports
          .filter(({ of = run.trains }) => of === run.trains)
          .map(({ title, about, choices }) => (
            <li key={title} className="way">
              <div>
                <h3>{title}</h3>
                <p className="soft small">{about}</p>
              </div>
              <span className="row">
                {choices.map(({ label, request }) => (
                  <button key={label} type="button" className="button" disabled={busy} onClick={() => start(request)}>
                    {request.format === 'gguf' && <span className="visually-hidden">Export GGUF </span>}
                    {label}
                  </button>
                ))}
              </span>
            </li>
          ))}
      </ul>
      {error && <Problem what="The export could not be started" error={error} again={clear} />}
      {jobs.length > 0 && (
        <ul className="jobs" aria-label="Exports, evaluations and pushes of this run">
          {jobs.map((job) => (
            <JobLine key={job.id} job={job}>
              <JobResult runId={run.id} job={job} />
            </JobLine>
          ))}
        </ul>
      )}
      <details>
        <summary>Evaluate it on a file of questions</summary>
        <EvaluateForm run={run} />
      </details>
      <details>
        <summary>Publish to the Hugging Face Hub</summary>
        <PushForm run={run} jobs={jobs} />
      </details>
    </section>
  )
}

function JobResult({ runId, job }: { readonly runId: string; readonly job: Job }) {
  if (job.kind === 'eval' && typeof job.result?.file === 'string')
    return (
      <>
        <span className="small">{scoresOf(job)}</span>
        <a className="button button-small" href={api.runFileUrl(runId, job.result.file)} download>
          <Icon name="download" />
          All answers
        </a>
      </>
    )
  const address = exportUrl(runId, job)
  if (address !== undefined)
    return (
      <a className="button button-small" href={address} download>
        <Icon name="download" />
        Download {lastPart(String(job.result?.file))}
      </a>
    )
  const url = job.result?.url
  // Only an address of the web becomes a link.
  return typeof url === 'string' && /^https?:\/\//.test(url) ? (
    <a className="button button-small" href={url} target="_blank" rel="noreferrer">
      Open on the Hub
    </a>
  ) : null
}
