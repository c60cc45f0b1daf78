// What a run is called and what was noted of it, to be changed in place.
import { useState, type FormEvent } from 'react'
import type { Run } from '@jora/gui/client'
import { api } from '../../api/client'
import { learn } from '../../api/store'
import { useAction } from '../../api/use-request'
import { Field } from '../../ui/field'
import { Problem } from '../../ui/problem'
import { TextField } from '../../ui/text-field'

export function RunLabel({ run }: { readonly run: Run }) {
  const [open, setOpen] = useState(false)
  return (
    <div className="stack stack-s">
      {run.note !== null && <p className="run-note">{run.note}</p>}
      <details open={open} onToggle={({ currentTarget }) => setOpen(currentTarget.open)}>
        <summary>{run.note === null ? 'Rename it, or note something' : 'Change its name or note'}</summary>
        {open && <LabelForm key={`${run.name} ${run.note}`} run={run} onDone={() => setOpen(false)} />}
      </details>
    </div>
  )
}

function LabelForm({ run, onDone }: { readonly run: Run; readonly onDone: () => void }) {
  const { busy, error, run: act, clear } = useAction()
  const [name, setName] = useState(run.name)
  const [note, setNote] = useState(run.note ?? '')
  const save = (event: FormEvent) => {
    event.preventDefault()
    act(async () => {
      learn({ run: await api.label(run.id, { name: name.trim(), note: note.trim() }) })
      onDone()
    })
  }
  return (
    <form className="stack stack-s" onSubmit={save}>
      <TextField
        label="Name"
        hint="Empty: as it was first called. Its folder stays."
        maxLength={80}
        value={name}
        onChange={setName}
      />
      <Field label="Note">
        {(control) => (
          <textarea
            {...control}
            className="input"
            rows={3}
            maxLength={5000}
            value={note}
            onChange={(event) => setNote(event.target.value)}
          />
        )}
      </Field>
      {error && <Problem what="That could not be kept" error={error} again={clear} />}
      <div>
        <button type="submit" className="button" disabled={busy}>
          Save
        </button>
      </div>
    </form>
  )
}
