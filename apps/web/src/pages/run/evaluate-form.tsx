// Evaluating a run on any file of rows: how often it answers right, and every answer as a file.
import { useState, type FormEvent } from 'react'
import type { Job, Run } from '@jora/gui/client'
import { api } from '../../api/client'
import { learn } from '../../api/store'
import { useAction } from '../../api/use-request'
import { lastPart, number, percent } from '../../format'
import { FileBrowser } from '../../ui/file-browser'
import { Problem } from '../../ui/problem'
import { TextField } from '../../ui/text-field'

export function EvaluateForm({ run }: { readonly run: Run }) {
  const { busy, error, run: act, clear } = useAction()
  const [dataset, setDataset] = useState<string>()
  const [columns, setColumns] = useState('')
  const [limit, setLimit] = useState('200')
  const submit = (event: FormEvent) => {
    event.preventDefault()
    if (dataset === undefined) return
    act(async () => {
      const request = {
        dataset,
        ...(columns.trim() !== '' && { columns: columns.trim() }),
        ...(/^\d+$/.test(limit) && Number(limit) > 0 && { limit: Number(limit) }),
      }
      learn({ job: await api.evalRun(run.id, request) })
    })
  }
  return (
    <form className="stack" onSubmit={submit}>
      {dataset === undefined ? (
        <FileBrowser use="dataset" onChoose={({ path }) => setDataset(path)} />
      ) : (
        <>
          <p className="row">
            <code className="wrap-anywhere grow">{lastPart(dataset)}</code>
            <button type="button" className="button button-small" onClick={() => setDataset(undefined)}>
              Choose another
            </button>
          </p>
          <div className="columns">
            <TextField
              label="Questions at most"
              hint="Empty: all of them."
              short
              inputMode="numeric"
              value={limit}
              onChange={setLimit}
            />
            <TextField
              label="Columns"
              hint="Where they are called otherwise: question=Q,answer=A and perhaps context=C."
              placeholder="question, answer, context"
              value={columns}
              onChange={setColumns}
            />
          </div>
          <div>
            <button type="submit" className="button" disabled={busy}>
              Evaluate
            </button>
          </div>
        </>
      )}
      {error && <Problem what="The evaluation could not be started" error={error} again={clear} />}
    </form>
  )
}

const shares: readonly (readonly [key: string, label: string])[] = [
  ['exactMatch', 'exactly right'],
  ['f1', 'F1'],
  ['refusal', 'refused where it should'],
  ['faithful', 'in its context'],
]

/** The scores that an evaluation printed, in words. */
export function scoresOf({ result }: Job): string {
  const numberAt = (key: string): number | undefined => {
    const value = result?.[key]
    return typeof value === 'number' ? value : undefined
  }
  const loss = numberAt('loss')
  return [
    ...shares.flatMap(([key, label]) => {
      const value = numberAt(key)
      return value === undefined ? [] : [`${label} ${percent(value)}`]
    }),
    ...(loss === undefined ? [] : [`loss ${number(loss)}`]),
  ].join(' · ')
}
