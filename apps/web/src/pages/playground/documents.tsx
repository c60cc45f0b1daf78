// The documents a question is about: pasted or from files; those the models saw are marked with their rank.
import { useState } from 'react'
import type { ReadDocuments } from '@jora/gui/client'
import { api } from '../../api/client'
import { useAction } from '../../api/use-request'
import { integer, plural } from '../../format'
import { FileButton } from '../../ui/file-input'
import { Icon } from '../../ui/icon'
import { Problem } from '../../ui/problem'
import { NumberField } from '../../ui/number-field'
import { RetrieverField, type RetrieverName } from '../../ui/retriever-field'
import type { Answers } from './answers'

export interface Doc {
  readonly id: string
  readonly title: string
  readonly text: string
}

/** What the server takes of one question: documents, characters of one, and of all. */
const [mostDocuments, longest, longestOfAll] = [500, 2_000_000, 12_000_000]

/** What is read, as `jora learn` reads it. */
const accept =
  '.pdf,.docx,.pptx,.xlsx,.html,.htm,.xhtml,.epub,.md,.markdown,.txt,.rst,.adoc,.org,.csv,.tsv,.json,.jsonl,.parquet,text/*'

interface DocumentsProps {
  readonly documents: readonly Doc[]
  readonly used: Answers['context']
  readonly retrieve: number
  readonly onChange: (documents: readonly Doc[]) => void
  readonly retriever: RetrieverName
  readonly onRetrieve: (count: number) => void
  readonly onRetriever: (name: RetrieverName) => void
  /** They are those of a row, all of which are read in its order. */
  readonly asGiven: boolean
}

export function Documents(props: DocumentsProps) {
  const { documents, used, retrieve, retriever, asGiven, onChange, onRetrieve, onRetriever } = props
  const { busy, error, run, clear } = useAction()
  const [told, setTold] = useState<readonly string[]>([])
  const add = (title: string, text: string): Doc => ({ id: crypto.randomUUID(), title, text })
  const takeFiles = (files: readonly File[]) =>
    run(async () => {
      const notes: string[] = []
      let all = [...documents]
      for (const file of files) {
        const read = await api.readDocuments(file.name, file).catch((reason: unknown) => {
          // The others are read all the same.
          notes.push(`${file.name} is not read: ${reason instanceof Error ? reason.message : String(reason)}`)
          return undefined
        })
        if (read === undefined) continue
        const { taken, left } = fitting(all, read.documents)
        all = [
          ...all,
          ...taken.map(({ title, text }) => add(title === null ? file.name : `${file.name}: ${title}`, text)),
        ]
        notes.push(...notesOf(file.name, read, taken, left))
      }
      setTold(notes)
      onChange(all)
    })
  const change = (id: string, text: string) =>
    onChange(documents.map((doc) => (doc.id === id ? { ...doc, text } : doc)))
  return (
    <fieldset className="stack">
      <legend className="field-label">Documents to answer from</legend>
      {documents.map((doc, index) => {
        const ranks = used.flatMap((one, i) => (one.index === index ? [i + 1] : []))
        return (
          <details key={doc.id} className={`doc ${ranks.length > 0 ? 'doc-used' : ''}`} open={doc.text === ''}>
            <summary>
              {doc.title} <span className="soft small">{plural(doc.text.length, 'character')}</span>
              {ranks.length > 0 && <span className="tag tag-used">read, no. {ranks.join(', ')}</span>}
            </summary>
            <div className="stack stack-s">
              <textarea
                className="input"
                rows={4}
                aria-label={`Text of ${doc.title}`}
                maxLength={longest}
                value={doc.text}
                onChange={(event) => change(doc.id, event.target.value)}
              />
              <div>
                <button
                  type="button"
                  className="button button-small"
                  onClick={() => onChange(documents.filter(({ id }) => id !== doc.id))}
                >
                  Remove<span className="visually-hidden"> {doc.title}</span>
                </button>
              </div>
            </div>
          </details>
        )
      })}
      <div className="row">
        <button
          type="button"
          className="button button-small"
          onClick={() => onChange([...documents, add(`Document ${documents.length + 1}`, '')])}
        >
          <Icon name="plus" />
          Paste a text
        </button>
        <FileButton
          label="Documents from files"
          accept={accept}
          many="files"
          look="button-small"
          disabled={busy}
          onFiles={takeFiles}
        >
          <Icon name="file" />
          {busy ? 'Reading …' : 'From files'}
        </FileButton>
        {documents.length > 0 && (
          <button type="button" className="button button-small button-quiet" onClick={() => onChange([])}>
            Remove all
          </button>
        )}
      </div>
      {error && <Problem what="The files could not be read" error={error} again={clear} />}
      {told.length > 0 && (
        <ul className="stack stack-s small" aria-label="About the files">
          {told.map((note) => (
            <li key={note} className="wrap-anywhere">
              {note}
            </li>
          ))}
        </ul>
      )}
      {asGiven && documents.length > 0 && (
        <p className="soft small">
          All of them are read, in the order of the row. Change one, and the best are looked for.
        </p>
      )}
      {documents.length > 0 && !asGiven && (
        <div className="columns columns-narrow">
          <NumberField
            label="How many it reads"
            hint="Passages, the best ones; long documents are cut into some."
            min={1}
            max={20}
            value={retrieve}
            onChange={onRetrieve}
          />
          <RetrieverField label="Best by" value={retriever} onChange={onRetriever} />
        </div>
      )}
    </fieldset>
  )
}

/** Those that a question has room for beside what is there. */
function fitting(there: readonly Doc[], read: ReadDocuments['documents']) {
  let room = longestOfAll - there.reduce((sum, { text }) => sum + text.length, 0)
  const taken = read.filter(({ text }, i) => {
    if (text.trim() === '' || there.length + i >= mostDocuments || text.length > room) return false
    room -= text.length
    return true
  })
  return { taken, left: read.filter(({ text }) => text.trim() !== '').length - taken.length }
}

/** What of a file is not there, in words. */
function notesOf(
  file: string,
  { documents, total, skipped }: ReadDocuments,
  taken: ReadDocuments['documents'],
  left: number,
): string[] {
  const beyond = total - documents.length + left
  return [
    ...taken.flatMap(({ title, text, characters }) =>
      characters > text.length
        ? [`${title ?? file}: the first ${integer(text.length)} of its ${integer(characters)} characters are used.`]
        : [],
    ),
    ...(beyond > 0 ? [`${file}: ${plural(beyond, 'document')} left out, as a question has no room for more.`] : []),
    ...(taken.length === 0 && beyond === 0 ? [`${file} has no text.`] : []),
    ...skipped.map((reason) => `${file}: ${reason}`),
  ]
}
