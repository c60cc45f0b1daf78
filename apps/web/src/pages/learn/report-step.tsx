// Step 5: the questions that were held out, as base and tuned model answered them.
import { useDeferredValue, useMemo, useState } from 'react'
import type { LearnAnswer, LearnProject } from '@jora/gui/client'
import { api } from '../../api/client'
import { useRequest } from '../../api/use-request'
import { integer, plural } from '../../format'
import { Icon } from '../../ui/icon'
import { Problem } from '../../ui/problem'
import { Windowed } from '../../ui/windowed'
import { FilterBar } from '../../ui/filter-bar'
import { ContextDocuments } from './contexts-step'
import { StepFrame } from './step'
import type { StepProps } from './stages'

type Evaluation = NonNullable<LearnProject['figures']['evaluate']>
type Estimate = Evaluation['base'][string]

const scoreNames: Readonly<Record<string, string>> = {
  exactMatch: 'exactly right',
  f1: 'words in common (F1)',
  denotation: 'same values',
  refusal: 'unanswerable ones refused',
  faithful: 'stands in its context',
}

export function ReportStep({ project, job, onStart }: StepProps) {
  const { train, evaluate, draft } = project.figures
  const answers = useRequest(evaluate === undefined ? undefined : `${project.id} ${JSON.stringify(evaluate)}`, () =>
    api.learnAnswers(project.id),
  )
  return (
    <StepFrame
      id="report"
      number={5}
      title="Report"
      ready={evaluate !== undefined}
      status={
        evaluate !== undefined
          ? `${plural(evaluate.questions, 'question')} on documents it never saw`
          : train === undefined
            ? 'train first'
            : 'base and tuned model answer what was held out'
      }
    >
      <div>
        <button
          type="button"
          className={`button ${evaluate === undefined && train !== undefined ? 'button-primary' : ''}`}
          disabled={train === undefined || job !== undefined}
          onClick={() => onStart({ until: 'evaluate' })}
        >
          {evaluate === undefined ? 'Ask what was held out' : 'Ask again'}
        </button>
      </div>
      {evaluate !== undefined && (
        <>
          <Scores evaluation={evaluate} />
          {draft?.drafter !== undefined && (
            <p className="soft small">
              The questions are drafts of {draft.drafter}: the figures say how well the model answers such questions,
              not how well it answers yours.
            </p>
          )}
        </>
      )}
      {answers.error && <Problem what="The answers could not be read" error={answers.error} again={answers.again} />}
      {answers.data !== undefined && <Answers project={project.id} answers={answers.data} />}
    </StepFrame>
  )
}

/** On a narrow screen a line ends before the interval, and not in it: its dash is between word joiners. */
const percentOf = ({ mean, low, high }: Estimate): string =>
  `${(100 * mean).toFixed(1)}\u00A0% (${(100 * low).toFixed(0)}\u2060–\u2060${(100 * high).toFixed(0)})`

const Scores = ({ evaluation: { base, tuned } }: { readonly evaluation: Evaluation }) => (
  <div className="scroll-x">
    <table className="table">
      <thead>
        <tr>
          <th scope="col">Held-out questions</th>
          <th scope="col" className="right">
            Base
          </th>
          <th scope="col" className="right">
            Tuned
          </th>
        </tr>
      </thead>
      <tbody>
        {Object.entries(scoreNames).flatMap(([name, label]) => {
          const [before, after] = [base[name], tuned[name]]
          if (before === undefined || after === undefined) return []
          return [
            <tr key={name}>
              <th scope="row">{label}</th>
              <td className="right">{percentOf(before)}</td>
              <td className="right">{percentOf(after)}</td>
            </tr>,
          ]
        })}
      </tbody>
    </table>
  </div>
)

type Shown = 'all' | 'better' | 'worse' | 'right' | 'wrong'
const shownNames: Readonly<Record<Shown, string>> = {
  all: 'All',
  better: 'Better',
  worse: 'Worse',
  right: 'Right',
  wrong: 'Wrong',
}
const fits: Readonly<Record<Shown, (answer: LearnAnswer) => boolean>> = {
  all: () => true,
  better: ({ base, tuned }) => tuned.right && !base.right,
  worse: ({ base, tuned }) => !tuned.right && base.right,
  right: ({ tuned }) => tuned.right,
  wrong: ({ tuned }) => !tuned.right,
}

function Answers({ project, answers }: { readonly project: string; readonly answers: readonly LearnAnswer[] }) {
  const [shown, setShown] = useState<Shown>('all')
  const [search, setSearch] = useState('')
  const wanted = useDeferredValue(search.trim().toLowerCase())
  const fitting = useMemo(
    () =>
      answers.filter(
        (answer) =>
          fits[shown](answer) &&
          (wanted === '' ||
            [answer.question, ...answer.answers, answer.base.answer, answer.tuned.answer]
              .join(' ')
              .toLowerCase()
              .includes(wanted)),
      ),
    [answers, shown, wanted],
  )
  return (
    <div className="stack">
      <FilterBar
        of="answers"
        names={shownNames}
        shown={shown}
        onShown={setShown}
        search={search}
        onSearch={setSearch}
      />
      <p className="soft small" aria-live="polite">
        {integer(fitting.length)} of {integer(answers.length)} questions
      </p>
      {fitting.length > 0 && (
        <Windowed
          label="List of answers"
          items={fitting}
          rowHeight={145}
          row={(answer) => <AnswerRow key={`${answer.context} ${answer.question}`} project={project} answer={answer} />}
        />
      )}
    </div>
  )
}

function AnswerRow({ project, answer }: { readonly project: string; readonly answer: LearnAnswer }) {
  const { question, answers, unanswerable, base, tuned, context } = answer
  const [open, setOpen] = useState(false)
  const shown = useRequest(open && context !== null ? `${project} ${context}` : undefined, () =>
    api.learnContexts(project, context!, 1),
  )
  const [found] = shown.data?.contexts ?? []
  return (
    <li className="answer-row">
      <p className="review-question">{question}</p>
      <dl className="answer-pairs">
        <dt>Right</dt>
        <dd>{unanswerable ? 'the context does not answer it: to be refused' : answers.join(' / ')}</dd>
        {(
          [
            ['Base', base],
            ['Tuned', tuned],
          ] as const
        ).map(([name, side]) => (
          <Side key={name} name={name} side={side} />
        ))}
      </dl>
      {context !== null && (
        <details open={open} onToggle={({ currentTarget }) => setOpen(currentTarget.open)}>
          <summary className="small">The passages it read</summary>
          {shown.error && <Problem what="The passages could not be read" error={shown.error} again={shown.again} />}
          {found && <ContextDocuments context={found} />}
        </details>
      )}
    </li>
  )
}

const Side = ({ name, side }: { readonly name: string; readonly side: LearnAnswer['base'] }) => (
  <>
    <dt>{name}</dt>
    <dd className={side.right ? 'answer-right' : 'answer-wrong'}>
      <Icon name={side.right ? 'check' : 'cross'} />
      <span className="visually-hidden">{side.right ? 'right: ' : 'wrong: '}</span>
      <span className="wrap-anywhere">{side.answer === '' ? '(nothing)' : side.answer}</span>
    </dd>
  </>
)
