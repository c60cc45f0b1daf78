// The playground: a question, documents if there are any, and two answers side by side.
import { useEffect, useRef, useState } from 'react'
import type { ChatRequest } from '@jora/gui/client'
import { api } from '../../api/client'
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
import { TalkTo } from './talk-to'

export default function PlaygroundPage({ runId }: { readonly runId: string | undefined }) {
  const { runs, complete } = useKnown()
  const [model, setModel] = useState<string>()
  const talkable = runs.filter(({ hasAdapter }) => hasAdapter)
  const run = model === undefined ? (talkable.find(({ id }) => id === runId) ?? talkable[0]) : undefined
  const detail = useRequest(run?.id, () => api.run(run!.id))
  const dataset = detail.data?.run.id === run?.id ? datasetOf(detail.data?.settings, detail.data?.record) : undefined
  const [answers, setAnswers] = useState<Answers>(noAnswers)
  const [asked, setAsked] = useState<Asked>()
  const [error, setError] = useState<Error>()
  const asking = useRef<AbortController>(undefined)
  const [busy, setBusy] = useState(false)

  // Leaving the page ends the answer.
  useEffect(() => () => asking.current?.abort(), [])

  const ask = async (question: Asked) => {
    asking.current?.abort()
    const controller = new AbortController()
    asking.current = controller
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
      for await (const event of api.chat(requestOf(question, run?.id, model), controller.signal)) {
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
              setModel(undefined)
              navigate(to.playground(id), { replace: true })
            }}
            onModel={setModel}
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
          <AnswerPanels answers={answers} asked={asked} busy={busy} onlyBase={model !== undefined} />
        </div>
      </div>
    </>
  )
}

function requestOf(
  { text, input, documents, mode, temperature, maxNewTokens, retrieve, retriever }: Asked,
  runId: string | undefined,
  model: string | undefined,
): ChatRequest {
  return {
    text,
    temperature,
    maxNewTokens,
    ...(input.trim() !== '' && { input }),
    ...(mode !== 'instruction' && { mode }),
    ...(documents.length > 0 && {
      documents: documents.map(({ title, text: body }) => ({ title, text: body })),
      retrieve,
      ...(retriever !== 'bm25' && { retriever }),
    }),
    ...(runId !== undefined ? { runId } : { ...(model !== undefined && { model }), sides: ['base'] }),
  }
}
