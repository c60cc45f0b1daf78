// Step 2: questions on the documents, drafted by a model or dropped as a file, and reviewed.
import { useState } from 'react'
import type { Inspection, LearnSettings } from '@jora/gui/client'
import { api } from '../../api/client'
import { useAction, useRequest } from '../../api/use-request'
import { lastPart, plural } from '../../format'
import { ColumnMapper } from '../../ui/column-mapper'
import { Problem } from '../../ui/problem'
import { Segments } from '../../ui/segments'
import { FileButton } from '../../ui/file-input'
import { NumberField } from '../../ui/number-field'
import { TextField } from '../../ui/text-field'
import { InspectionView } from '../new-run/inspection-view'
import { ReviewTable } from './review-table'
import { StepFrame } from './step'
import type { StepProps } from './stages'

type Way = 'endpoint' | 'local' | 'file'

const wayOf = ({ questions, drafter }: LearnSettings): Way =>
  questions !== undefined ? 'file' : drafter !== undefined && drafter.url === undefined ? 'local' : 'endpoint'

export function QuestionsStep({ project, job, onStart, onChange }: StepProps) {
  const { read, draft } = project.figures
  const [way, setWay] = useState<Way>(() => wayOf(project.settings))
  const questions = useRequest(draft === undefined ? undefined : `${project.id} ${JSON.stringify(draft)}`, () =>
    api.learnQuestions(project.id),
  )
  const accepted = questions.data?.questions.filter(({ decision }) => decision === 'accepted').length
  const status =
    draft === undefined
      ? read === undefined
        ? 'read the documents first'
        : 'no questions yet'
      : `${plural(accepted ?? draft.accepted, 'question')} accepted${draft.drafter === undefined ? '' : `, drafted by ${lastPart(draft.drafter)}`}`
  return (
    <StepFrame id="questions" number={2} title="Questions" ready={draft !== undefined} status={status}>
      {read !== undefined && (
        <details open={draft === undefined}>
          <summary>{draft === undefined ? 'Where questions come from' : 'Draft or drop questions again'}</summary>
          <div className="stack">
            <Segments
              label="Where questions come from"
              value={way}
              options={[
                { value: 'endpoint', label: 'A service drafts them' },
                { value: 'local', label: 'A model here drafts them' },
                { value: 'file', label: 'I have a file' },
              ]}
              onChange={setWay}
            />
            {way === 'file' ? (
              <QuestionFile {...{ project, job, onStart, onChange }} />
            ) : (
              <DraftForm key={way} isLocal={way === 'local'} {...{ project, job, onStart, onChange }} />
            )}
          </div>
        </details>
      )}
      {draft?.stopped !== undefined && <p className="soft">Drafting ended early: {draft.stopped}.</p>}
      {questions.error && (
        <Problem what="The questions could not be read" error={questions.error} again={questions.again} />
      )}
      {questions.data !== undefined && questions.data.questions.length > 0 && (
        <ReviewTable project={project.id} loaded={questions.data} onReviewed={questions.again} />
      )}
    </StepFrame>
  )
}

function DraftForm({ project, job, onStart, isLocal }: StepProps & { readonly isLocal: boolean }) {
  const { drafter, chunkTokens } = project.settings
  const [url, setUrl] = useState(drafter?.url ?? '')
  const [model, setModel] = useState(drafter?.model ?? '')
  const [key, setKey] = useState('')
  const [perPassage, setPerPassage] = useState(drafter?.perPassage ?? 2)
  const [most, setMost] = useState(drafter?.maxQuestions === undefined ? '' : String(drafter.maxQuestions))
  const [tokens, setTokens] = useState(chunkTokens ?? 256)
  const isWhole = model.trim() !== '' && (isLocal || url.trim() !== '')
  const draft = () =>
    onStart({
      until: 'draft',
      chunkTokens: Math.max(16, Math.round(tokens) || 256),
      drafter: {
        model: model.trim(),
        perPassage: Math.min(20, Math.max(1, Math.round(perPassage) || 2)),
        ...(!isLocal && { url: url.trim() }),
        ...(!isLocal && key !== '' && { key }),
        ...(/^\d+$/.test(most) && { maxQuestions: Math.max(1, Number(most)) }),
      },
    })
  return (
    <form
      className="stack"
      onSubmit={(event) => {
        event.preventDefault()
        if (isWhole && job === undefined) draft()
      }}
    >
      <div className="columns">
        {!isLocal && (
          <TextField
            label="Address"
            hint="Of any OpenAI-compatible service: vLLM, llama.cpp, Ollama, jora serve, …"
            type="url"
            placeholder="http://127.0.0.1:8000/v1"
            value={url}
            onChange={setUrl}
          />
        )}
        <TextField
          label="Model that drafts"
          hint={
            isLocal ? 'A folder, a GGUF file or a Hub id. A larger model drafts better.' : 'As the service calls it.'
          }
          value={model}
          onChange={setModel}
        />
        {!isLocal && (
          <TextField
            label="Key"
            hint="Sent to that address alone, and kept nowhere."
            type="password"
            autoComplete="off"
            value={key}
            onChange={setKey}
          />
        )}
        <NumberField label="Questions for each passage" min={1} max={20} value={perPassage} onChange={setPerPassage} />
        <TextField
          label="At most"
          hint="Over all documents. Empty: as many as come."
          short
          inputMode="numeric"
          value={most}
          onChange={setMost}
        />
        <NumberField
          label="Longest passage"
          hint="In tokens; three quarters of a word each."
          min={16}
          value={tokens}
          onChange={setTokens}
        />
      </div>
      <div>
        <button type="submit" className="button button-primary" disabled={!isWhole || job !== undefined}>
          Draft questions
        </button>
      </div>
    </form>
  )
}

/** Whether question and answer are called so. */
const isAsCalled = (names: ReadonlySet<string>): boolean =>
  names.has('question') && ['answer', 'answers', 'unanswerable', 'is_impossible'].some((name) => names.has(name))

function QuestionFile({ job, onStart }: StepProps) {
  const { busy, error, run, clear } = useAction()
  const [sent, setSent] = useState<Inspection>()
  const [columns, setColumns] = useState<string>()
  const begin = (questions: string, named?: string) =>
    onStart({ until: 'draft', questions, ...(named !== undefined && { columns: named }) })
  const take = (file: File | undefined) => {
    if (file === undefined) return
    setSent(undefined)
    setColumns(undefined)
    run(async () => {
      const { path } = await api.upload(file.name, file)
      const inspection = await api.inspect(path, 0)
      if (isAsCalled(new Set(inspection.columns.map(({ name }) => name)))) begin(path)
      else setSent(inspection)
    })
  }
  const use = (path: string, named: string | undefined) => {
    setColumns(named)
    run(async () => {
      const inspection = await api.inspect(path, 0, undefined, named)
      setSent(inspection)
      if (named !== undefined && inspection.errorCount === 0) begin(path, named)
    })
  }
  return (
    <>
      <p className="soft small">
        JSON, JSON Lines, CSV or Parquet with the columns <code>question</code> and <code>answer</code>, and perhaps{' '}
        <code>document</code>, the path in the folder. Where they are called otherwise, you say which is which.
      </p>
      <div>
        <FileButton
          label="File with questions"
          accept=".json,.jsonl,.csv,.tsv,.parquet"
          look="button-primary"
          disabled={busy || job !== undefined}
          onFiles={([file]) => take(file)}
        >
          Choose a file
        </FileButton>
      </div>
      {error && <Problem what="The file could not be read" error={error} again={clear} />}
      {sent !== undefined && (
        <div className="stack">
          <h4 className="wrap-anywhere">{lastPart(sent.path)}: which column is which?</h4>
          {sent.columns.length > 0 && (
            <ColumnMapper
              key={sent.path}
              columns={sent.columns}
              value={columns}
              onUse={(named) => use(sent.path, named)}
            />
          )}
          {(columns !== undefined || sent.columns.length === 0) && sent.errorCount > 0 && (
            <>
              <InspectionView inspection={sent} />
              {columns !== undefined && sent.errorCount < sent.rows && (
                <div>
                  <button
                    type="button"
                    className="button"
                    disabled={busy || job !== undefined}
                    onClick={() => begin(sent.path, columns)}
                  >
                    Go on without these rows
                  </button>
                </div>
              )}
            </>
          )}
        </div>
      )}
    </>
  )
}
