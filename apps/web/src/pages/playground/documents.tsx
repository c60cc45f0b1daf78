// The documents a question is about: pasted or from files; those the models saw are marked with their rank.
import { plural } from '../../format'
import { FileButton } from '../../ui/file-input'
import { Icon } from '../../ui/icon'
import { NumberField } from '../../ui/number-field'
import { RetrieverField, type RetrieverName } from '../../ui/retriever-field'
import type { Answers } from './answers'

export interface Doc {
  readonly id: string
  readonly title: string
  readonly text: string
}

/** What the server takes. */
const [mostDocuments, longest] = [500, 200_000]

interface DocumentsProps {
  readonly documents: readonly Doc[]
  readonly used: Answers['context']
  readonly retrieve: number
  readonly onChange: (documents: readonly Doc[]) => void
  readonly retriever: RetrieverName
  readonly onRetrieve: (count: number) => void
  readonly onRetriever: (name: RetrieverName) => void
}

export function Documents(props: DocumentsProps) {
  const { documents, used, retrieve, retriever, onChange, onRetrieve, onRetriever } = props
  const add = (title: string, text: string): Doc => ({ id: crypto.randomUUID(), title, text })
  const takeFiles = async (files: readonly File[]) => {
    const read = await Promise.all(files.map(async (file) => add(file.name, (await file.text()).slice(0, longest))))
    onChange([...documents, ...read].slice(0, mostDocuments))
  }
  const change = (id: string, text: string) =>
    onChange(documents.map((doc) => (doc.id === id ? { ...doc, text } : doc)))
  return (
    <fieldset className="stack">
      <legend className="field-label">Documents to answer from</legend>
      {documents.map((doc, index) => {
        const rank = used.findIndex((one) => one.index === index)
        return (
          <details key={doc.id} className={`doc ${rank >= 0 ? 'doc-used' : ''}`} open={doc.text === ''}>
            <summary>
              {doc.title} <span className="soft small">{plural(doc.text.length, 'character')}</span>
              {rank >= 0 && <span className="tag tag-used">read, no. {rank + 1}</span>}
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
          accept=".txt,.md,.csv,.json,text/*"
          many="files"
          look="button-small"
          onFiles={(files) => void takeFiles(files)}
        >
          <Icon name="file" />
          From files
        </FileButton>
        {documents.length > 0 && (
          <button type="button" className="button button-small button-quiet" onClick={() => onChange([])}>
            Remove all
          </button>
        )}
      </div>
      {documents.length > 1 && (
        <div className="columns columns-narrow">
          <NumberField
            label="How many it reads"
            hint="The best ones."
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
