// Publishing to the Hub: private unless said otherwise; the token is sent with the push and kept nowhere.
import { useState, type FormEvent } from 'react'
import type { Job, Run } from '@jora/gui/client'
import { api } from '../../api/client'
import { learn } from '../../api/store'
import { useAction } from '../../api/use-request'
import { useSession } from '../../shell/session'
import { lastPart } from '../../format'
import { Field } from '../../ui/field'
import { Notice } from '../../ui/notice'
import { Problem } from '../../ui/problem'

export function PushForm({ run, jobs }: { readonly run: Run; readonly jobs: readonly Job[] }) {
  const hub = useSession().data?.hub
  const { busy, error, run: act, clear } = useAction()
  const [repoId, setRepoId] = useState('')
  const [token, setToken] = useState('')
  const [file, setFile] = useState('')
  const [isPublic, setPublic] = useState(false)
  const exported = jobs.flatMap(({ kind, state, result }) =>
    kind === 'export' && state === 'done' && typeof result?.file === 'string' ? [result.file] : [],
  )
  const push = (dryRun: boolean) =>
    act(async () => {
      const job = await api.push(run.id, {
        repoId,
        public: isPublic,
        dryRun,
        ...(file !== '' && { file }),
        ...(token !== '' && { token }),
      })
      learn({ job })
      if (!dryRun) setToken('')
    })
  const submit = (event: FormEvent) => {
    event.preventDefault()
    push(false)
  }
  if (hub?.offline) return <Notice tone="info" title="JORA was started offline: nothing can be published now." />
  return (
    <form className="stack measure" onSubmit={submit} autoComplete="off">
      <Field
        label="Repository"
        hint="Your name on the Hub, a slash, and the model’s name. The repository is created if it does not exist."
      >
        {(control) => (
          <input
            {...control}
            className="input"
            required
            pattern="[\w][\w.\-]{0,95}/[\w][\w.\-]{0,95}"
            placeholder="name/my-model"
            spellCheck={false}
            value={repoId}
            onChange={(event) => setRepoId(event.target.value)}
          />
        )}
      </Field>
      {exported.length > 0 && (
        <Field label="What">
          {(control) => (
            <select {...control} className="input" value={file} onChange={(event) => setFile(event.target.value)}>
              <option value="">The {run.trains}</option>
              {exported.map((path) => (
                <option key={path} value={path}>
                  {lastPart(path)}
                </option>
              ))}
            </select>
          )}
        </Field>
      )}
      <Field
        label="Access token"
        hint={
          hub?.hasToken
            ? 'Left empty, the token of this machine is used. One that is typed here is sent once and not stored.'
            : 'From huggingface.co, settings, access tokens, with the right to write. It is sent once and not stored.'
        }
      >
        {(control) => (
          <input
            {...control}
            className="input"
            type="password"
            autoComplete="off"
            spellCheck={false}
            required={hub?.hasToken === false}
            value={token}
            onChange={(event) => setToken(event.target.value)}
          />
        )}
      </Field>
      <label className="tick">
        <input type="checkbox" checked={isPublic} onChange={(event) => setPublic(event.target.checked)} />
        <span>
          Everyone may see it
          <span className="field-hint"> – otherwise only you. Consider what is in your data before you tick this.</span>
        </span>
      </label>
      <div className="row">
        <button type="submit" className="button button-primary" disabled={busy}>
          {isPublic ? 'Publish for everyone' : 'Publish privately'}
        </button>
        <button type="button" className="button" disabled={busy || repoId === ''} onClick={() => push(true)}>
          Only show what would be sent
        </button>
      </div>
      {error && <Problem what="It could not be published" error={error} again={clear} />}
    </form>
  )
}
