// Step 3: contexts as a picture: each a row of its documents, the one that answers in colour among those that do not.
import { useState } from 'react'
import type { LearnContext, LearnProject } from '@jora/gui/client'
import { api } from '../../api/client'
import { useRequest } from '../../api/use-request'
import { integer, plural } from '../../format'
import { Problem } from '../../ui/problem'
import { NumberField } from '../../ui/number-field'
import { RetrieverField, type RetrieverName } from '../../ui/retriever-field'
import { StepFrame } from './step'
import type { StepProps } from './stages'

/** Contexts that are drawn at a time. */
const page = 50

export function ContextsStep({ project, job, onStart }: StepProps) {
  const { draft, contexts } = project.figures
  const { settings } = project
  const [distractors, setDistractors] = useState(settings.distractors ?? 4)
  const [retriever, setRetriever] = useState<RetrieverName>(settings.retriever ?? 'bm25')
  const [count, setCount] = useState(page)
  const key = contexts === undefined ? undefined : `${project.id} ${count} ${JSON.stringify([contexts, settings])}`
  const shown = useRequest(key, () => api.learnContexts(project.id, 0, Math.min(200, count)))
  const total = shown.data?.total
  return (
    <StepFrame
      id="contexts"
      number={3}
      title="Contexts"
      ready={contexts !== undefined}
      status={
        contexts === undefined
          ? 'each question with its document among others'
          : total === undefined
            ? '…'
            : plural(total, 'context')
      }
    >
      {draft !== undefined && (
        <div className="columns">
          <NumberField
            label="Distractors"
            hint="Documents beside the one that answers."
            min={0}
            max={50}
            value={distractors}
            onChange={setDistractors}
          />
          <RetrieverField label="Chosen by" value={retriever} onChange={setRetriever} />
        </div>
      )}
      <div>
        <button
          type="button"
          className={`button ${contexts === undefined && draft !== undefined ? 'button-primary' : ''}`}
          disabled={draft === undefined || job !== undefined}
          onClick={() =>
            onStart({
              until: 'contexts',
              retriever,
              distractors: Math.min(50, Math.max(0, Math.round(distractors) || 0)),
            })
          }
        >
          {contexts === undefined ? 'Build contexts' : 'Build them again'}
        </button>
      </div>
      {contexts !== undefined && contexts.refused.length > 0 && (
        <details>
          <summary>{plural(contexts.refused.length, 'question')} in no context</summary>
          <ul className="stack stack-s small">
            {contexts.refused.map(({ question, reason }) => (
              <li key={`${question} ${reason}`}>
                {question || '(not read)'} <span className="soft">{reason}</span>
              </li>
            ))}
          </ul>
        </details>
      )}
      {contexts !== undefined &&
        notesOn(contexts).map((note) => (
          <p key={note} className="soft small">
            {note}
          </p>
        ))}
      {shown.error && <Problem what="The contexts could not be read" error={shown.error} again={shown.again} />}
      {shown.data !== undefined && shown.data.contexts.length > 0 && (
        <>
          <ul className="key">
            <li>
              <span className="swatch doc-golden" /> answers the question
            </li>
            <li>
              <span className="swatch doc-distractor" /> does not
            </li>
            <li>
              <span className="swatch doc-held" /> held out
            </li>
          </ul>
          <ol className="contexts" aria-label="Contexts">
            {shown.data.contexts.map((context) => (
              <ContextPicture key={context.row} context={context} />
            ))}
          </ol>
          {shown.data.total > shown.data.contexts.length && count < 200 && (
            <div>
              <button
                type="button"
                className="button button-small"
                onClick={() => setCount(Math.min(200, count + page))}
              >
                Show more of {integer(shown.data.total)}
              </button>
            </div>
          )}
        </>
      )}
    </StepFrame>
  )
}

/** What one should know of them before training. */
const notesOn = ({
  shortContexts = 0,
  borrowingContexts = 0,
}: NonNullable<LearnProject['figures']['contexts']>): string[] => [
  ...(shortContexts > 0
    ? [`${plural(shortContexts, 'context')} with fewer distractors: all other documents hold the answer, too.`]
    : []),
  ...(borrowingContexts > 0
    ? [
        `${plural(borrowingContexts, 'held-out context')} with distractors that training sees: too few documents are held out.`,
      ]
    : []),
]

/** A bar of documents, as wide as their texts are long; opened, the texts. */
function ContextPicture({ context }: { readonly context: LearnContext }) {
  const { documents, questions, split, row } = context
  const length = documents.reduce((sum, { text }) => sum + text.length, 0)
  const golden = documents.findIndex((document) => document.golden)
  const said =
    documents.length === 0
      ? 'no document'
      : golden < 0
        ? `${plural(documents.length, 'document')}, none of which answers`
        : `${plural(documents.length, 'document')}, the ${ordinal(golden + 1)} answers`
  return (
    <li>
      <details className={`context ${split === 'test' ? 'context-held' : ''}`}>
        <summary>
          <span className="context-number num soft">{row + 1}</span>
          <span className="context-bar" role="img" aria-label={said}>
            {documents.length === 0 && <span className="soft small">no document</span>}
            {documents.map((document) => (
              <svg
                key={document.id}
                className={`context-part ${document.golden ? 'doc-golden' : 'doc-distractor'}`}
                width={`${(100 * document.text.length) / Math.max(1, length)}%`}
                aria-hidden="true"
              />
            ))}
          </span>
          <span className="context-asked">
            {questions[0]?.question}
            {questions.length > 1 && <span className="soft"> and {questions.length - 1} more</span>}
          </span>
        </summary>
        <ContextDocuments context={context} />
      </details>
    </li>
  )
}

/** The questions and documents of a context, in words. */
export function ContextDocuments({ context: { documents, questions } }: { readonly context: LearnContext }) {
  return (
    <div className="stack context-open">
      <ul className="stack stack-s">
        {questions.map(({ question, answer }) => (
          <li key={question}>
            <strong>{question}</strong> {answer}
          </li>
        ))}
      </ul>
      {documents.map(({ id, title, text, golden }) => (
        <article key={id} className={`source ${golden ? 'source-golden' : ''}`}>
          <p className="small wrap-anywhere">
            <strong>{title ?? id}</strong> <span className="soft">{golden ? 'answers' : 'does not answer'}</span>
          </p>
          <p className="source-text">{text}</p>
        </article>
      ))}
    </div>
  )
}

const ordinal = (n: number): string => ['first', 'second', 'third', 'fourth', 'fifth'][n - 1] ?? `${n}th`
