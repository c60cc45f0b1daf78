// What is asked: the question, the documents it is about, and how the answer is made.
import { useState, type FormEvent, type KeyboardEvent } from 'react'
import type { ChatRequest } from '@jora/gui/client'
import { Field } from '../../ui/field'
import { Icon } from '../../ui/icon'
import type { Answers } from './answers'
import { Documents, type Doc } from './documents'
import { ExamplePicker } from './example-picker'

export interface Asked {
  readonly text: string
  /** What an instruction is about; '' when there is nothing. */
  readonly input: string
  readonly documents: readonly Doc[]
  /** They are those of a row: all are read, in its order. */
  readonly asGiven: boolean
  readonly mode: NonNullable<ChatRequest['mode']>
  readonly temperature: number
  readonly maxNewTokens: number
  readonly retrieve: number
  readonly retriever: NonNullable<ChatRequest['retriever']>
  /** What the row says, where the question is an example. */
  readonly expected: string | undefined
}

interface AskFormProps {
  readonly dataset: string | undefined
  readonly ready: boolean
  readonly busy: boolean
  readonly used: Answers['context']
  readonly onAsk: (asked: Asked) => void
  readonly onStop: () => void
}

const modes: Readonly<Record<Asked['mode'], string>> = {
  instruction: 'Question or instruction',
  chat: 'A turn of a chat',
  prompt: 'Text to be continued',
}

export function AskForm({ dataset, ready, busy, used, onAsk, onStop }: AskFormProps) {
  const [text, setText] = useState('')
  const [input, setInput] = useState('')
  const [documents, setDocuments] = useState<readonly Doc[]>([])
  const [given, setGiven] = useState<readonly Doc[]>()
  const [expected, setExpected] = useState<{
    readonly question: string
    readonly input: string
    readonly answer: string
  }>()
  const [mode, setMode] = useState<Asked['mode']>('instruction')
  const [temperature, setTemperature] = useState(0)
  const [maxNewTokens, setMaxNewTokens] = useState(128)
  const [retrieve, setRetrieve] = useState(3)
  const [retriever, setRetriever] = useState<Asked['retriever']>('bm25')

  /** Only the Alpaca prompt has a place for it. */
  const takesInput = mode === 'instruction' && documents.length === 0

  const asGiven = documents === given
  const submit = (event: FormEvent) => {
    event.preventDefault()
    if (busy || !ready || text.trim() === '') return
    onAsk({
      text,
      input: takesInput ? input : '',
      documents: documents.filter((doc) => doc.text.trim() !== ''),
      asGiven,
      mode,
      temperature,
      maxNewTokens: Math.min(4096, Math.max(1, Math.round(maxNewTokens) || 128)),
      retrieve: Math.min(20, Math.max(1, Math.round(retrieve) || 3)),
      retriever,
      expected: expected?.question === text && expected.input === input ? expected.answer : undefined,
    })
    if (mode === 'chat') setText('')
  }
  const submitByKey = (event: KeyboardEvent<HTMLTextAreaElement>) => {
    if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) event.currentTarget.form?.requestSubmit()
  }
  return (
    <form className="stack" onSubmit={submit}>
      {dataset !== undefined && (
        <ExamplePicker
          dataset={dataset}
          onChoose={({ question, input: about, documents: texts, expected: answer }) => {
            setText(question)
            setInput(about)
            const rows = texts.map((body, i) => ({ id: crypto.randomUUID(), title: `Document ${i + 1}`, text: body }))
            setDocuments(rows)
            setGiven(rows)
            setExpected({ question, input: about, answer })
          }}
        />
      )}
      <Field label="Question" hint="Ctrl and Enter asks.">
        {(control) => (
          <textarea
            {...control}
            className="input"
            rows={3}
            value={text}
            onChange={(event) => setText(event.target.value)}
            onKeyDown={submitByKey}
          />
        )}
      </Field>
      {takesInput && (
        <Field
          label="Input"
          hint="What the instruction is about, if the data has it as a field of its own. May be empty."
        >
          {(control) => (
            <textarea
              {...control}
              className="input"
              rows={input === '' ? 1 : 4}
              value={input}
              onChange={(event) => setInput(event.target.value)}
              onKeyDown={submitByKey}
            />
          )}
        </Field>
      )}
      <Documents
        documents={documents}
        used={used}
        asGiven={asGiven}
        retrieve={retrieve}
        onChange={setDocuments}
        retriever={retriever}
        onRetrieve={setRetrieve}
        onRetriever={setRetriever}
      />
      <div className="columns columns-narrow">
        <Field label="Temperature" hint={temperature === 0 ? 'Always the most likely word.' : 'More is more varied.'}>
          {(control) => (
            <span className="row">
              <input
                {...control}
                className="grow"
                type="range"
                min={0}
                max={2}
                step={0.1}
                value={temperature}
                onChange={(event) => setTemperature(Number(event.target.value))}
              />
              <output className="num readout-narrow" htmlFor={control.id}>
                {temperature.toFixed(1)}
              </output>
            </span>
          )}
        </Field>
        <Field label="Longest answer" hint="In tokens.">
          {(control) => (
            <input
              {...control}
              className="input"
              type="number"
              min={1}
              max={4096}
              value={maxNewTokens}
              onChange={(event) => setMaxNewTokens(event.target.valueAsNumber)}
            />
          )}
        </Field>
      </div>
      <Field
        label="Written into the prompt as"
        hint={mode === 'chat' ? 'The turns before go along with each question.' : undefined}
      >
        {(control) => (
          <select
            {...control}
            className="input"
            value={mode}
            onChange={(event) => setMode(event.target.value as Asked['mode'])}
          >
            {Object.entries(modes).map(([value, name]) => (
              <option key={value} value={value}>
                {name}
              </option>
            ))}
          </select>
        )}
      </Field>
      <div className="row">
        <button type="submit" className="button button-primary" disabled={busy || !ready || text.trim() === ''}>
          <Icon name="play" />
          Ask
        </button>
        <button type="button" className="button" disabled={!busy} onClick={onStop}>
          <Icon name="stop" />
          Stop
        </button>
      </div>
    </form>
  )
}
