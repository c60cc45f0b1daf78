// Models of the Hub: search, download with progress, choose.
import { useEffect, useRef, useState, type FormEvent } from 'react'
import type { HubModel, Job } from '@jora/gui/client'
import { api } from '../../api/client'
import { learn, useJobs } from '../../api/store'
import { useAction, useRequest } from '../../api/use-request'
import { compact } from '../../format'
import { announce } from '../../shell/announce'
import { Icon } from '../../ui/icon'
import { JobLine } from '../../ui/job-line'
import { Notice } from '../../ui/notice'
import { Problem } from '../../ui/problem'

interface HubSearchProps {
  readonly offline: boolean
  readonly onChoose: (ref: string) => void
}

export function HubSearch({ offline, onChoose }: HubSearchProps) {
  const [typed, setTyped] = useState('')
  const [query, setQuery] = useState<string>()
  const found = useRequest(query, (signal) => api.searchHub(query!, signal))
  const jobs = useJobs(({ kind }) => kind === 'download')
  const action = useAction()
  const mine = useRef(new Set<string>())

  // What was downloaded from here is chosen once it is there.
  useEffect(() => {
    for (const job of jobs) {
      const ref = refOf(job)
      if (job.state !== 'done' || ref === undefined || !mine.current.delete(job.id)) continue
      announce(`${ref} is downloaded and chosen.`)
      onChoose(ref)
    }
  }, [jobs, onChoose])

  if (offline)
    return (
      <Notice tone="info" title="JORA works offline now">
        <p>Models on this machine can be chosen; to search, start “jora gui” without HF_HUB_OFFLINE.</p>
      </Notice>
    )
  const search = (event: FormEvent) => {
    event.preventDefault()
    const text = typed.trim()
    if (text === query) found.again()
    else setQuery(text === '' ? undefined : text)
  }
  const download = (id: string) =>
    action.run(async () => {
      const job = await api.downloadModel(id)
      mine.current.add(job.id)
      learn({ job })
    })
  return (
    <div className="stack">
      <form className="with-button measure" onSubmit={search} role="search">
        <input
          className="input"
          type="search"
          aria-label="Search for models"
          placeholder="For example: SmolLM2 135M"
          value={typed}
          onChange={(event) => setTyped(event.target.value)}
        />
        <button type="submit" className="button">
          <Icon name="search" />
          Search
        </button>
      </form>
      {found.error && <Problem what="The Hub could not be searched" error={found.error} again={found.again} />}
      {action.error && <Problem what="The download could not be started" error={action.error} again={action.clear} />}
      {found.busy && (
        <p className="soft small" role="status">
          Searching …
        </p>
      )}
      {jobs.length > 0 && (
        <ul className="jobs" aria-label="Downloads">
          {jobs.map((job) => (
            <JobLine key={job.id} job={job}>
              <ChooseDownloaded job={job} onChoose={onChoose} />
            </JobLine>
          ))}
        </ul>
      )}
      {found.data?.length === 0 && !found.busy && <p className="soft">Nothing was found. Try a part of its name.</p>}
      {found.data !== undefined && found.data.length > 0 && (
        <ul className="ways">
          {found.data.map((model) => (
            <HubRow
              key={model.id}
              model={model}
              busy={action.busy || jobs.some(({ state, title }) => state === 'running' && title.includes(model.id))}
              onDownload={() => download(model.id)}
              onChoose={() => onChoose(model.id)}
            />
          ))}
        </ul>
      )}
    </div>
  )
}

const refOf = ({ result }: Job): string | undefined => (typeof result?.ref === 'string' ? result.ref : undefined)

function ChooseDownloaded({ job, onChoose }: { readonly job: Job; readonly onChoose: (ref: string) => void }) {
  const ref = refOf(job)
  return ref === undefined ? null : (
    <button type="button" className="button button-small" onClick={() => onChoose(ref)}>
      Choose
    </button>
  )
}

interface HubRowProps {
  readonly model: HubModel
  readonly busy: boolean
  readonly onDownload: () => void
  readonly onChoose: () => void
}

function HubRow({ model, busy, onDownload, onChoose }: HubRowProps) {
  const { id, family, supported, parameters, downloads, gated, cached } = model
  const facts = [
    family,
    parameters === null ? null : `${compact(parameters)} parameters`,
    `${compact(downloads)} downloads`,
    gated ? 'its owner asks for consent on the Hub first' : null,
  ].filter((fact) => fact !== null)
  return (
    <li className="way">
      <div>
        <h3 className="wrap-anywhere">{id}</h3>
        <p className="soft small num">{facts.join(' · ')}</p>
        {!supported && <p className="small">JORA does not compute this family.</p>}
      </div>
      {supported &&
        (cached ? (
          <button type="button" className="button" onClick={onChoose}>
            Choose<span className="visually-hidden"> {id}</span>
          </button>
        ) : (
          <button type="button" className="button" disabled={busy} onClick={onDownload}>
            <Icon name="download" />
            Download<span className="visually-hidden"> {id}</span>
          </button>
        ))}
    </li>
  )
}
