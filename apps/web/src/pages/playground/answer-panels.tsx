// The answers, side by side, as they are written; under them what the models read.
import { percent } from '../../format'
import { Notice } from '../../ui/notice'
import type { Answer, Answers } from './answers'
import type { Asked } from './ask-form'
import { digitsOf, sidesShown } from './sides'

interface AnswerPanelsProps {
  readonly answers: Answers
  readonly asked: Asked | undefined
  readonly busy: boolean
  readonly onlyBase: boolean
}

export function AnswerPanels({ answers, asked, busy, onlyBase }: AnswerPanelsProps) {
  const { loading, context, prompt, sides, error } = answers
  return (
    <>
      {error !== undefined && (
        <Notice tone="bad" title="The answer was cut off" alert>
          {error}
        </Notice>
      )}
      <div className={`answers ${onlyBase ? 'answers-one' : ''}`} aria-busy={busy}>
        {sidesShown(onlyBase).map(({ side, title }) => (
          <section key={side} className={`panel answer answer-${side}`} aria-labelledby={`answer-${side}`}>
            <h2 id={`answer-${side}`}>{title}</h2>
            <AnswerText answer={sides[side]} busy={busy} asked={asked !== undefined} loading={loading} />
          </section>
        ))}
      </div>
      {asked?.expected !== undefined && (
        <div className="panel panel-tight expected">
          <span className="small soft">The row’s own answer</span>
          <p className="answer-text">{asked.expected}</p>
        </div>
      )}
      {asked !== undefined && context.length > 0 && (
        <section className="panel stack" aria-labelledby="read-title">
          <h2 id="read-title">What they read</h2>
          <ol className="read">
            {context.map(({ index, title, text, score }, i) => {
              const doc = asked.documents[index]
              return (
                <li key={i}>
                  <strong className="wrap-anywhere">{title ?? doc?.title ?? `Document ${index + 1}`}</strong>{' '}
                  <span className="soft small num">
                    {text !== undefined && 'a passage'}
                    {text !== undefined && score !== undefined && ', '}
                    {score !== undefined && `score ${score.toFixed(2)}`}
                  </span>
                  <p className="read-text">{text ?? doc?.text}</p>
                </li>
              )
            })}
          </ol>
        </section>
      )}
      {prompt && (
        <details>
          <summary>The whole prompt ({prompt.tokens} tokens)</summary>
          <pre className="log" tabIndex={0} role="region" aria-label="Prompt">
            {prompt.text}
          </pre>
        </details>
      )}
    </>
  )
}

interface AnswerTextProps {
  readonly answer: Answer | undefined
  readonly busy: boolean
  readonly asked: boolean
  readonly loading: string | undefined
}

function AnswerText({ answer, busy, asked, loading }: AnswerTextProps) {
  if (answer === undefined)
    return (
      <p className="soft">
        {!asked ? 'The answer appears here.' : busy ? (loading ?? 'Waiting …') : 'There is no answer.'}
      </p>
    )
  const { text, done } = answer
  return (
    <>
      <p className="answer-text">
        {text.trim() === '' && done ? <span className="soft">(nothing)</span> : text.trimStart()}
        {busy && done === undefined && <span className="caret" aria-hidden="true" />}
      </p>
      <p className="soft small num answer-about">
        {done?.score !== undefined && (
          <span className={`tag ${done.score.right ? 'tag-right' : 'tag-wrong'}`}>
            {done.score.right ? 'right' : `not the row’s answer, F1 ${percent(done.score.f1)}`}
          </span>
        )}{' '}
        {done === undefined
          ? busy
            ? 'writing …'
            : 'stopped'
          : `${done.tokens} tokens in ${digitsOf(done.seconds)} s${done.reason === 'length' ? ' · cut at the longest answer' : ''}`}
      </p>
    </>
  )
}
