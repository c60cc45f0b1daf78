// Folders that JORA may read, one at a time: go in, go up, choose what fits.
import { useState } from 'react'
import type { FileEntry } from '@jora/gui/client'
import { api } from '../api/client'
import { useRequest } from '../api/use-request'
import { bytes, moment, plural } from '../format'
import { Icon } from './icon'
import { Problem } from './problem'

interface FileBrowserProps {
  /** What is looked for; of folders `model` and `adapter` are chosen whole. */
  readonly use: 'model' | 'adapter' | 'dataset' | 'documents'
  readonly onChoose: (entry: FileEntry) => void
}

export function FileBrowser({ use, onChoose }: FileBrowserProps) {
  const [path, setPath] = useState<string>()
  const { data, error, busy, again } = useRequest(path ?? '', () => api.files(path))
  return (
    <div className="browser">
      <div className="browser-head">
        {data !== undefined && data.path !== null && (
          <button type="button" className="button button-small" onClick={() => setPath(data.parent ?? undefined)}>
            Up<span className="visually-hidden"> one folder</span>
          </button>
        )}
        <span className="small wrap-anywhere grow" aria-live="polite">
          {data === undefined ? (
            'Loading …'
          ) : data.path === null ? (
            'Folders that JORA may read'
          ) : (
            <code>{data.path}</code>
          )}
        </span>
        {busy && data !== undefined && <span className="soft small">…</span>}
      </div>
      {error && <Problem what="The folder could not be opened" error={error} again={again} />}
      {data && (
        <ul className="browser-list">
          {data.entries.length === 0 && <li className="soft small browser-none">Nothing in this folder.</li>}
          {data.entries.map((entry) => (
            <BrowserRow
              key={entry.path}
              entry={entry}
              fits={fits(entry, use)}
              onOpen={() => setPath(entry.path)}
              onChoose={() => onChoose(entry)}
            />
          ))}
          {data.leftOut > 0 && (
            <li className="soft small browser-none">{plural(data.leftOut, 'more entry', 'more entries')} not shown.</li>
          )}
        </ul>
      )}
    </div>
  )
}

/** Any file may hold rows, whatever its name, and any file or folder documents; other folders tell what they are. */
const fits = (entry: FileEntry, use: FileBrowserProps['use']): boolean =>
  use === 'documents'
    ? true
    : use === 'dataset'
      ? entry.kind === 'file'
      : entry.use === use || (use === 'adapter' && entry.use === 'run')

interface BrowserRowProps {
  readonly entry: FileEntry
  readonly fits: boolean
  readonly onOpen: () => void
  readonly onChoose: () => void
}

function BrowserRow({ entry, fits, onOpen, onChoose }: BrowserRowProps) {
  const { name, kind, use } = entry
  const what = (
    <>
      <Icon name={kind === 'folder' ? 'folder' : 'file'} />
      <span className="grow wrap-anywhere">{name}</span>
      {use !== null && <span className="tag">{use === 'dataset' ? 'data' : use}</span>}
      <span className="soft small num browser-size">{kind === 'file' ? bytes(entry.bytes) : ''}</span>
      <span className="soft small num browser-time">{moment(entry.modifiedAt)}</span>
    </>
  )
  return (
    <li className="browser-row">
      {kind === 'folder' ? (
        <button type="button" className="browser-open" onClick={onOpen}>
          {what}
        </button>
      ) : (
        <span className={`browser-open ${fits ? '' : 'soft'}`}>{what}</span>
      )}
      {fits && (
        <button type="button" className="button button-small" onClick={onChoose}>
          Choose<span className="visually-hidden"> {name}</span>
        </button>
      )}
    </li>
  )
}
