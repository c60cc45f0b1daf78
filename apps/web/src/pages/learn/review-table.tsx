// Drafts to accept, edit or reject: thousands of them.
import { memo, useCallback, useDeferredValue, useMemo, useState } from 'react'
import type { LearnQuestion, LearnQuestions, Review } from '@jora/gui/client'
import { api } from '../../api/client'
import { useAction } from '../../api/use-request'
import { integer } from '../../format'
import { announce } from '../../shell/announce'
import { Problem } from '../../ui/problem'
import { Windowed } from '../../ui/windowed'
import { FilterBar } from '../../ui/filter-bar'

type Change = Review['drafts'][number]
type Shown = 'all' | 'open' | 'accepted' | 'rejected'

interface ReviewTableProps {
  readonly project: string
  readonly loaded: LearnQuestions
  readonly onReviewed: () => void
}

const shownNames: Readonly<Record<Shown, string>> = {
  all: 'All',
  open: 'Not reviewed',
  accepted: 'Accepted',
  rejected: 'Rejected',
}

export function ReviewTable({ project, loaded, onReviewed }: ReviewTableProps) {
  const { reviewable, questions } = loaded
  const [changes, setChanges] = useState<ReadonlyMap<string, Change>>(new Map())
  const [shown, setShown] = useState<Shown>('all')
  const [search, setSearch] = useState('')
  const { busy, error, run, clear } = useAction()
  const wanted = useDeferredValue(search.trim().toLowerCase())

  const rows = useMemo(
    () => questions.map((question) => withChange(question, changes.get(question.id))),
    [questions, changes],
  )
  const fitting = useMemo(
    () =>
      rows.filter(
        ({ decision, by, question, answer }) =>
          (shown === 'all' || (shown === 'open' ? by === 'checks' : decision === shown)) &&
          (wanted === '' || `${question} ${answer ?? ''}`.toLowerCase().includes(wanted)),
      ),
    [rows, shown, wanted],
  )
  const change = useCallback(
    (id: string, over: Omit<Change, 'id'>) =>
      setChanges((before) => new Map(before).set(id, { ...before.get(id), ...over, id })),
    [],
  )
  const save = () =>
    run(async () => {
      await api.reviewQuestions(project, { drafts: [...changes.values()] })
      announce(`${changes.size} decisions saved.`)
      setChanges(new Map())
      onReviewed()
    })
  const accepted = rows.filter(({ decision }) => decision === 'accepted').length
  return (
    <div className="stack">
      <FilterBar
        of="questions"
        names={shownNames}
        shown={shown}
        onShown={setShown}
        search={search}
        onSearch={setSearch}
      />
      <p className="soft small" aria-live="polite">
        {integer(fitting.length)} of {integer(rows.length)} shown, {integer(accepted)} accepted.
        {!reviewable && ' They are from a file: edit them there.'}
      </p>
      {fitting.length > 0 && (
        <Windowed
          label="List of questions"
          items={fitting}
          rowHeight={110}
          row={(row) => <ReviewRow key={row.id} row={row} reviewable={reviewable} onChange={change} />}
        />
      )}
      {fitting.length === 0 && <p className="soft">No question fits.</p>}
      {error && <Problem what="The review could not be saved" error={error} again={clear} />}
      {reviewable && (
        <div className="row review-save">
          <button type="button" className="button button-primary" disabled={busy || changes.size === 0} onClick={save}>
            {changes.size === 0
              ? 'Nothing to save'
              : `Save ${integer(changes.size)} ${changes.size === 1 ? 'decision' : 'decisions'}`}
          </button>
          {changes.size > 0 && (
            <button type="button" className="button button-quiet" disabled={busy} onClick={() => setChanges(new Map())}>
              Take them back
            </button>
          )}
        </div>
      )}
    </div>
  )
}

function withChange(question: LearnQuestion, change: Change | undefined): LearnQuestion {
  if (change === undefined) return question
  const { decision = question.decision, question: asked = question.question, answer = question.answer } = change
  return { ...question, decision, question: asked, answer, by: 'reviewer' }
}

interface ReviewRowProps {
  readonly row: LearnQuestion
  readonly reviewable: boolean
  readonly onChange: (id: string, over: Omit<Change, 'id'>) => void
}

/** Its objects are the same as long as nothing of it changes: thousands stay as they are when one does. */
const ReviewRow = memo(
  function ReviewRow({ row, reviewable, onChange }: ReviewRowProps) {
    const { id, kind, question, answer, quote, chunk, decision, by, reason } = row
    const [editing, setEditing] = useState(false)
    const accepted = decision === 'accepted'
    return (
      <li className={`review-row ${accepted ? '' : 'review-rejected'}`}>
        <div className="review-text stack stack-s">
          {editing ? (
            <>
              <textarea
                className="input"
                rows={2}
                aria-label="Question"
                defaultValue={question}
                onBlur={({ target }) => {
                  const text = target.value.trim()
                  if (text !== '' && text !== question) onChange(id, { question: text })
                }}
              />
              {answer !== null && (
                <textarea
                  className="input"
                  rows={2}
                  aria-label="Answer"
                  defaultValue={answer}
                  onBlur={({ target }) => {
                    const text = target.value.trim()
                    if (text !== '' && text !== answer) onChange(id, { answer: text })
                  }}
                />
              )}
            </>
          ) : (
            <>
              <p className="review-question">{question}</p>
              <p>{answer ?? <span className="soft">The passage does not answer it: it is to be refused.</span>}</p>
            </>
          )}
          {quote !== null && quote !== answer && <p className="soft small">“{quote}”</p>}
          <p className="soft small wrap-anywhere">
            {kind === 'given' ? '' : `${kind} · `}
            {chunk}
            {!accepted && reason !== null ? ` · ${reason}` : ''}
            {by === 'reviewer' ? ' · reviewed' : ''}
          </p>
        </div>
        {reviewable && (
          <div className="review-actions">
            <button
              type="button"
              className={`button button-small ${accepted && by === 'reviewer' ? 'review-on' : ''}`}
              aria-pressed={accepted && by === 'reviewer'}
              onClick={() => onChange(id, { decision: 'accepted' })}
            >
              Accept<span className="visually-hidden"> {question}</span>
            </button>
            <button
              type="button"
              className={`button button-small ${accepted ? '' : 'review-off'}`}
              aria-pressed={!accepted}
              onClick={() => onChange(id, { decision: 'rejected' })}
            >
              Reject<span className="visually-hidden"> {question}</span>
            </button>
            <button
              type="button"
              className="button button-small button-quiet"
              aria-expanded={editing}
              onClick={() => setEditing(!editing)}
            >
              {editing ? 'Done' : 'Edit'}
              <span className="visually-hidden"> {question}</span>
            </button>
          </div>
        )}
      </li>
    )
  },
  (before, after) =>
    before.reviewable === after.reviewable &&
    before.onChange === after.onChange &&
    (before.row === after.row || JSON.stringify(before.row) === JSON.stringify(after.row)),
)
