// Step 1: a folder or files are dropped, read, and told: what was read, what was not, and why.
import { useState } from 'react'
import type { LearnProject } from '@jora/gui/client'
import { api } from '../../api/client'
import { useAction } from '../../api/use-request'
import { bytes, integer, plural } from '../../format'
import { announce } from '../../shell/announce'
import { useSession } from '../../shell/session'
import { DropPlace, FileButton } from '../../ui/file-input'
import { Problem } from '../../ui/problem'
import { filesOfDrop, filesOfInput, type Dropped } from './dropped'
import { StepFrame } from './step'
import type { StepProps } from './stages'

export function DocumentsStep({ project, job, onStart, onChange }: StepProps) {
  const { read } = project.figures
  const [left, setLeft] = useState<readonly string[]>([])
  const status =
    read === undefined
      ? project.files === 0
        ? 'no documents yet'
        : `${project.files === null ? 'documents' : plural(project.files, 'file')} to be read`
      : `${plural(read.documents, 'document')}${read.skipped.length > 0 ? `, ${integer(read.skipped.length)} not read` : ''}`
  return (
    <StepFrame id="documents" number={1} title="Documents" ready={read !== undefined} status={status}>
      {project.takesFiles && <DropDocuments project={project} onChange={onChange} onLeft={setLeft} />}
      {left.length > 0 && (
        <p className="soft small">
          Left out, as they are empty or larger than what can be sent: {left.slice(0, 5).join(', ')}
          {left.length > 5 ? ` and ${left.length - 5} more` : ''}.
        </p>
      )}
      {read !== undefined && <ReadFigures read={read} />}
      <div className="row">
        <button
          type="button"
          className={`button ${read === undefined ? 'button-primary' : ''}`}
          disabled={job !== undefined || project.files === 0}
          onClick={() => onStart({ until: 'read' })}
        >
          {read === undefined ? 'Read the documents' : 'Read them again'}
        </button>
        {project.takesFiles && (project.files ?? 0) > 0 && (
          <span className="soft small">{plural(project.files ?? 0, 'file')} sent</span>
        )}
      </div>
    </StepFrame>
  )
}

interface DropProps {
  readonly project: LearnProject
  readonly onChange: () => void
  readonly onLeft: (names: readonly string[]) => void
}

function DropDocuments({ project, onChange, onLeft }: DropProps) {
  const limit = useSession().data?.uploadLimitBytes ?? Infinity
  const { busy, error, run, clear } = useAction()
  const [sent, setSent] = useState({ done: 0, total: 0 })

  const send = (dropped: Dropped[] | Promise<Dropped[]>) =>
    run(async () => {
      const all = await dropped
      const fits = ({ file }: Dropped) => file.size > 0 && file.size <= limit
      const fitting = all.filter(fits)
      onLeft(
        all
          .filter((one) => !fits(one))
          .map(({ path, file }) => `${path} (${file.size === 0 ? 'empty' : bytes(file.size)})`),
      )
      setSent({ done: 0, total: fitting.length })
      for (const [i, { path, file }] of fitting.entries()) {
        await api.sendDocument(project.id, path, file)
        setSent({ done: i + 1, total: fitting.length })
      }
      announce(`${plural(fitting.length, 'file')} sent.`)
      onChange()
    })
  return (
    <>
      <DropPlace
        icon="folder"
        title={busy ? `Sending ${sent.done} of ${sent.total} …` : 'Drop a folder or files here'}
        about="PDF, Word, slides, spreadsheets, HTML, EPUB, Markdown, CSV, JSON, Parquet and text. What cannot be read is named."
        onDrop={(data) => send(filesOfDrop(data))}
      >
        <div className="row">
          <FileButton
            label="Choose a folder"
            many="folder"
            disabled={busy}
            onFiles={(files) => send(filesOfInput(files))}
          >
            Choose a folder
          </FileButton>
          <FileButton label="Choose files" many="files" disabled={busy} onFiles={(files) => send(filesOfInput(files))}>
            Choose files
          </FileButton>
        </div>
      </DropPlace>
      {busy && <progress className="progress" aria-label="Sending" max={Math.max(1, sent.total)} value={sent.done} />}
      {error && <Problem what="A file could not be sent" error={error} again={clear} />}
    </>
  )
}

/** Documents by kind, and what was not read, by reason. */
function ReadFigures({ read }: { readonly read: NonNullable<LearnProject['figures']['read']> }) {
  const reasons = new Map<string, string[]>()
  for (const { file, row, reason } of read.skipped)
    reasons.set(reason, [...(reasons.get(reason) ?? []), row === undefined ? file : `${file}, row ${row}`])
  return (
    <>
      <dl className="facts">
        {Object.entries(read.byKind)
          .sort(([, a], [, b]) => b - a)
          .map(([kind, count]) => (
            <div key={kind}>
              <dt>{kind.toUpperCase()}</dt>
              <dd>{integer(count)}</dd>
            </div>
          ))}
      </dl>
      {reasons.size > 0 && (
        <details open={reasons.size < 4}>
          <summary>Not read: {plural(read.skipped.length, 'file or row', 'files or rows')}</summary>
          <ul className="stack stack-s small">
            {[...reasons].map(([reason, names]) => (
              <li key={reason} className="wrap-anywhere">
                <strong>{reason}</strong>{' '}
                <span className="soft">
                  {names.slice(0, 8).map(shortName).join(', ')}
                  {names.length > 8 ? ` and ${names.length - 8} more` : ''}
                </span>
              </li>
            ))}
          </ul>
        </details>
      )}
    </>
  )
}

/** The last two parts of a path. */
const shortName = (path: string): string => path.split(/[\\/]/).slice(-2).join('/')
