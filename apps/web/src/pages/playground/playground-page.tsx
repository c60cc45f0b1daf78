// The playground: a question, documents if there are any, and two answers side by side.
import { useEffect, useRef, useState } from 'react'
import type { ChatRequest } from '@jora/gui/client'
import { api } from '../../api/client'
import { canBeAsked } from '../../api/changes'
import { useKnown } from '../../api/store'
import { useRequest } from '../../api/use-request'
import { announce } from '../../shell/announce'
import { PageTitle } from '../../shell/page-title'
import { navigate, to } from '../../shell/router'
import { Problem } from '../../ui/problem'
import { AnswerPanels } from './answer-panels'
import { addChatEvent, noAnswers, type Answers } from './answers'
import { AskForm, type Asked } from './ask-form'
import { datasetOf } from './examples'
import { sidesShown } from './sides'
import { TalkTo } from './talk-to'
import { historyOf, turnOf, type Turn } from './turns'

export default function PlaygroundPage({ runId }: { readonly runId: string | undefined }) {
  const { runs, complete } = useKnown()
  const [model, setModel] = useState<string>()
  const talkable = runs.filter(canBeAsked)
  const run = model === undefined ? (talkable.find(({ id }) => id === runId) ?? talkable[0]) : undefined
  const detail = useRequest(run?.id, () => api.run(run!.id))
  const dataset = detail.data?.run.id === run?.id ? datasetOf(detail.data?.settings, detail.data?.record) : undefined
  const [answers, setAnswers] = useState<Answers>(noAnswers)
  const [asked, setAsked] = useState<Asked>()
  const [turns, setTurns] = useState<readonly Turn[]>([])
  const [error, setError] = useState<Error>()
  const asking = useRef<AbortController>(undefined)
  const [busy, setBusy] = useState(false)

  // Leaving the page ends the answer.
  useEffect(() => () => asking.current?.abort(), [])

  const ask = async (question: Asked) => {
    asking.current?.abort()
    const controller = new AbortController()
    asking.current = controller
    // The last question and its answers are a turn before this one.
    const last = asked?.mode === 'chat' ? turnOf(asked.text, answers) : undefined
    const before = question.mode === 'chat' ? [...turns, ...(last === undefined ? [] : [last])] : []
    setTurns(before)
    setAsked(question)
    setError(undefined)
    setBusy(true)
    let grown = noAnswers
    setAnswers(grown)
    // Tokens come faster than they can be read: they are shown once a frame.
    let frame = 0
    const show = () => {
      frame ||= requestAnimationFrame(() => {
        frame = 0
        if (asking.current === controller) setAnswers(grown)
      })
    }
    try {
      for await (const event of api.chat(requestOf(question, before, run?.id, model), controller.signal)) {
        grown = addChatEvent(grown, event)
        show()
      }
      announce('The answer is complete.')
    } catch (reason) {
      if (!controller.signal.aborted) setError(reason as Error)
    } finally {
      if (asking.current === controller) {
        setAnswers(grown)
        setBusy(false)
      }
    }
  }
  const beginAnew = () => {
    asking.current?.abort()
    setTurns([])
    setAsked(undefined)
    setAnswers(noAnswers)
  }
  const stop = () => {
    asking.current?.abort()
    announce('Stopped.')
  }

  return (
    <>
      <div className="stack stack-s">
        <PageTitle title="Playground" />
        <p className="soft">Ask the model before and after training, side by side.</p>
      </div>
      <div className="playground">
        <div className="panel stack">
          <TalkTo
            runs={talkable}
            run={run}
            model={model}
            complete={complete}
            onRun={(id) => {
              beginAnew()
              setModel(undefined)
              navigate(to.playground(id), { replace: true })
            }}
            onModel={(ref) => {
              beginAnew()
              setModel(ref)
            }}
          />
          <AskForm
            dataset={dataset}
            ready={run !== undefined || model !== undefined}
            busy={busy}
            used={answers.context}
            onAsk={(question) => void ask(question)}
            onStop={stop}
          />
        </div>
        <div className="stack">
          {error && <Problem what="There was no answer" error={error} />}
          {turns.length > 0 && (
            <section className="panel stack" aria-labelledby="turns-title">
              <div className="row row-between">
                <h2 id="turns-title">Said before</h2>
                <button type="button" className="button button-small" onClick={beginAnew}>
                  Begin anew
                </button>
              </div>
              <ol className="turns">
                {turns.map(({ question, answers: said }, i) => (
                  <li key={i}>
                    <strong className="wrap-anywhere">{question}</strong>
                    {sidesShown(model !== undefined).map(({ side, title }) =>
                      said[side] === undefined ? null : (
                        <p key={side} className="small turn-answer">
                          <span className="soft">{title}:</span> {said[side]}
                        </p>
                      ),
                    )}
                  </li>
                ))}
              </ol>
            </section>
          )}
          {asked?.mode === 'chat' && <p className="turn-asked wrap-anywhere">{asked.text}</p>}
          <AnswerPanels answers={answers} asked={asked} busy={busy} onlyBase={model !== undefined} />
        </div>
      </div>
    </>
  )
}

function requestOf(
  { text, input, documents, asGiven, mode, temperature, maxNewTokens, retrieve, retriever, expected }: Asked,
  turns: readonly Turn[],
  runId: string | undefined,
  model: string | undefined,
): ChatRequest {
  return {
    text,
    temperature,
    maxNewTokens,
    ...(input.trim() !== '' && { input }),
    ...(mode !== 'instruction' && { mode }),
    ...(turns.length > 0 && { history: historyOf(turns) }),
    ...(expected !== undefined && { expected: [expected] }),
    ...(documents.length > 0 && {
      documents: documents.map(({ title, text: body }) => ({ title, text: body })),
      retrieve,
      ...(asGiven && { asGiven }),
      ...(retriever !== 'bm25' && { retriever }),
    }),
    ...(runId !== undefined ? { runId } : { ...(model !== undefined && { model }), sides: ['base'] }),
  }
}
