// The files a run has left, each to be downloaded; listed when someone wants to see them.
import { useState } from 'react'
import { api } from '../../api/client'
import { useRequest } from '../../api/use-request'
import { bytes } from '../../format'
import { Problem } from '../../ui/problem'

export function RunFiles({ id }: { readonly id: string }) {
  const [open, setOpen] = useState(false)
  const { data, error, again } = useRequest(open ? id : undefined, () => api.runFiles(id))
  return (
    <details onToggle={({ currentTarget }) => setOpen(currentTarget.open)}>
      <summary>Files of the run</summary>
      {error && <Problem what="The files could not be listed" error={error} again={again} />}
      {open && data?.length === 0 && <p className="soft">There are none yet.</p>}
      <ul className="files small num">
        {data?.map(({ path, bytes: size }) => (
          <li key={path}>
            <a href={api.runFileUrl(id, path)} download className="wrap-anywhere">
              {path}
            </a>
            <span className="soft">{bytes(size)}</span>
          </li>
        ))}
      </ul>
    </details>
  )
}
